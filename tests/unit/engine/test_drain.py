from __future__ import annotations

import asyncio

from quart_app.engine.admission import Admission
from quart_app.engine.drain import Drain


class Websocket:
    def __init__(self) -> None:
        self.closed: tuple[int, str] | None = None

    def close(self, code: int, reason: str) -> None:
        self.closed = code, reason


def test_draining_closes_the_websockets_with_1012_and_stops():
    async def test() -> None:
        admission, stopped, websocket = Admission(), asyncio.Event(), Websocket()
        admission.add_websocket(websocket)
        Drain(admission, 0.01, stopped.set).start()
        assert admission.is_draining
        async with asyncio.timeout(10):
            await stopped.wait()
        assert websocket.closed == (1012, "the server restarts")

    asyncio.run(test())


def test_draining_ends_when_the_last_websocket_is_closed():
    async def test() -> None:
        admission, stopped, websocket = Admission(), asyncio.Event(), Websocket()
        admission.add_websocket(websocket)
        Drain(admission, 3600, stopped.set).start()
        admission.remove_websocket(websocket)
        async with asyncio.timeout(10):
            await stopped.wait()
        assert websocket.closed is None

    asyncio.run(test())


def test_a_second_signal_in_the_same_turn_of_the_loop_stops_at_once():
    async def test() -> None:
        admission, stopped = Admission(), asyncio.Event()
        admission.add_websocket(Websocket())
        drain = Drain(admission, 3600, stopped.set)
        drain.start()
        drain.start()
        async with asyncio.timeout(10):
            await stopped.wait()

    asyncio.run(test())

"""When a tunnel counts one of its sides as gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import pytest

from quart_app.relay import tunnel
from quart_app.relay.frames import CloseReason
from quart_app.relay.tunnel import IDLE_TIMEOUT, Tunnel

STEP = 30.0
HALF_A_FRAME = {"browser": b"\x82\xfe\xff\xff....half", "server": b"\x82\x7e\xff\xffhalf"}
NO_ANSWER = CloseReason(1012, "the Bokeh server does not answer")


class Clock:
    """A clock that the test advances. ``reads`` counts how often it was read."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        return self.now


class Side:
    """A browser or a server as the tunnel sees it. It sends what is put into ``sent``."""

    forward: Callable[[bytes], Awaitable[None]]

    def __init__(self) -> None:
        self.last_activity = 0.0
        self.ping_interval = inf
        self.is_blocked = False
        self.is_aborted = False
        self.pings = 0
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()

    async def wait_disconnect(self) -> None:
        await asyncio.Event().wait()

    async def read(self, _: int) -> bytes:
        return await self.sent.get()

    async def write(self, data: bytes) -> None:
        self.pings += data == tunnel.MASKED_PING

    async def ping(self) -> None:
        self.pings += 1

    def abort(self) -> None:
        self.is_aborted = True


class Watched:
    """A running tunnel. ``silent`` names the side that sends nothing; the other one stays active."""

    def __init__(self, clock: Clock, silent: str) -> None:
        self.clock = clock
        self.browser, self.server = Side(), Side()
        self.active = self.server if silent == "browser" else self.browser
        self.tunnel = Tunnel(self.browser, self.server, 2**20)  # type: ignore[arg-type]
        self.running: asyncio.Task[CloseReason | None]

    async def advance(self, seconds: float) -> None:
        """Advance the clock in steps, until the time is up or the tunnel has ended."""
        end = self.clock.now + seconds
        while self.clock.now < end and not self.running.done():
            self.clock.now += STEP
            self.active.last_activity = self.clock.now
            reads = self.clock.reads
            while self.clock.reads < reads + 3 and not self.running.done():
                await asyncio.sleep(0.001)


@asynccontextmanager
async def watched(clock: Clock, silent: str) -> Any:
    async with asyncio.timeout(10):
        made = Watched(clock, silent)
        made.running = asyncio.create_task(made.tunnel.run())
        try:
            yield made
        finally:
            made.running.cancel()
            await asyncio.wait([made.running])


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tunnel, "monotonic", clock)
    monkeypatch.setattr(tunnel, "PING_INTERVAL", 0.001)
    return clock


def test_a_browser_that_answers_no_ping_is_aborted(clock):
    async def main() -> None:
        async with watched(clock, "browser") as tunnel:
            await tunnel.advance(IDLE_TIMEOUT + STEP)
            assert tunnel.running.done()
            assert tunnel.running.result() is None
            assert tunnel.browser.is_aborted
            assert tunnel.browser.pings

    asyncio.run(main())


def test_a_server_that_answers_no_ping_ends_the_tunnel_with_1012(clock):
    async def main() -> None:
        async with watched(clock, "server") as tunnel:
            await tunnel.advance(IDLE_TIMEOUT + STEP)
            assert tunnel.running.result() == NO_ANSWER
            assert tunnel.server.pings

    asyncio.run(main())


def test_a_side_is_not_idle_while_backpressure_keeps_it_from_being_read(clock):
    async def main() -> None:
        async with watched(clock, "browser") as tunnel:
            tunnel.server.is_blocked = True
            await tunnel.advance(10 * IDLE_TIMEOUT)
            assert not tunnel.running.done()
            tunnel.server.is_blocked = False
            await tunnel.advance(IDLE_TIMEOUT + 2 * STEP)
            assert tunnel.browser.is_aborted

    asyncio.run(main())


@pytest.mark.parametrize("silent", ["server", "browser"])
def test_a_side_is_not_idle_while_it_receives_a_slow_frame(clock, silent):
    async def main() -> None:
        async with watched(clock, silent) as tunnel:
            if silent == "server":
                await tunnel.browser.forward(HALF_A_FRAME["browser"])
            else:
                tunnel.server.sent.put_nowait(HALF_A_FRAME["server"])
            await tunnel.advance(10 * IDLE_TIMEOUT)
            assert not tunnel.running.done()

    asyncio.run(main())


def test_a_blocked_server_is_idle_in_the_middle_of_a_frame_too(clock):
    async def main() -> None:
        async with watched(clock, "server") as tunnel:
            await tunnel.browser.forward(HALF_A_FRAME["browser"])
            tunnel.server.is_blocked = True
            await tunnel.advance(IDLE_TIMEOUT + STEP)
            assert tunnel.running.result() == NO_ANSWER

    asyncio.run(main())


def test_pings_are_as_frequent_as_the_web_server_is_set_up_to_send_them(clock, monkeypatch):
    monkeypatch.setattr(tunnel, "PING_INTERVAL", 1000)

    async def main() -> None:
        async with asyncio.timeout(10):
            browser, server = Side(), Side()
            browser.ping_interval = 0.001
            running = asyncio.create_task(Tunnel(browser, server, 2**20).run())  # type: ignore[arg-type]
            while browser.pings < 3 or server.pings < 3:
                await asyncio.sleep(0.001)
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(main())

from __future__ import annotations

import asyncio
import os
import signal
from types import SimpleNamespace

import pytest

from quart_app.asgi.lifecycle import StopWatcher, stop_with_parent_process


def test_a_worker_whose_main_process_is_gone_gets_one_sigterm(monkeypatch):
    sentinel, writer = os.pipe()
    monkeypatch.setattr("multiprocessing.parent_process", lambda: SimpleNamespace(sentinel=sentinel))
    signals = []

    async def work() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, signals.append, "TERM")
        with stop_with_parent_process():
            await asyncio.sleep(0.01)
            assert not signals
            os.close(writer)
            while not signals:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # many iterations of the loop

    asyncio.run(work())
    os.close(sentinel)
    assert signals == ["TERM"]


class Stream:
    """What Hypercorn's objects have: a ``send``, a configuration and the context of the worker."""

    __module__ = "hypercorn.test"

    def __init__(self, terminated: asyncio.Event | None) -> None:
        self.config = SimpleNamespace(graceful_timeout=0.1)
        if terminated is not None:
            self.context = SimpleNamespace(terminated=terminated)

    async def send(self, message: object) -> None:
        pass


async def answer(scope: object, receive: object, send: object) -> None:
    pass


def test_a_worker_without_a_process_of_its_own_is_stopped_by_its_context():
    async def main() -> list[str]:
        watcher, stops, terminated = StopWatcher(answer), [], asyncio.Event()
        await watcher({"type": "lifespan"}, None, Stream(None).send)
        watching = asyncio.create_task(watcher.watch(lambda: stops.append("stop")))
        await watcher({"type": "websocket"}, None, Stream(terminated).send)
        await asyncio.sleep(0.01)
        assert stops == []
        terminated.set()
        await asyncio.wait_for(watching, 5)
        return stops

    assert asyncio.run(main()) == ["stop"]


def test_nothing_is_watched_under_another_server():
    async def main() -> None:
        watcher = StopWatcher(answer)
        await watcher({"type": "lifespan"}, None, answer)
        await asyncio.wait_for(watcher.watch(lambda: pytest.fail("it was stopped")), 5)

    asyncio.run(main())

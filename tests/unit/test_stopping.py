from __future__ import annotations

import asyncio
import os
import signal
from types import SimpleNamespace

from quart_app.asgi.lifecycle import ending_with_the_web_server


def test_a_worker_whose_web_server_is_gone_is_ended_once(monkeypatch):
    sentinel, writer = os.pipe()
    monkeypatch.setattr("multiprocessing.parent_process", lambda: SimpleNamespace(sentinel=sentinel))
    signals = []

    async def work() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, signals.append, "TERM")
        with ending_with_the_web_server():
            await asyncio.sleep(0.01)
            assert not signals
            os.close(writer)
            while not signals:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # many turns of the loop

    asyncio.run(work())
    os.close(sentinel)
    assert signals == ["TERM"]

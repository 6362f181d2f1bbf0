"""The end of a server process: nobody new, a moment for the others, and a close frame for each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from quart_app.engine.admission import Gate

log = logging.getLogger(__name__)

GOODBYE = 0.5
"""Seconds that browsers have to answer a close frame."""


class Drain:
    """What SIGTERM does: refuse new sessions, close the open websockets with 1012 after ``grace`` seconds.

    Bokeh (all versions up to 3.10) drops its connections without a close frame, so that a browser cannot
    tell a server that starts again from one that is broken. A second SIGTERM ends everything at once.
    """

    def __init__(self, gate: Gate, grace: float, stop: Callable[[], object]) -> None:
        self._gate = gate
        self._grace = grace
        self._stop = stop
        self._task: asyncio.Task[None] | None = None

    def __call__(self) -> None:
        if self._task is not None:
            self._task.cancel()
            return
        log.info("The server ends: %d websockets are open", len(self._gate.sockets))
        self._gate.is_draining = True
        self._task = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        try:
            await self._wait(self._grace)
            for socket in list(self._gate.sockets):
                socket.close(1012, "the server restarts")
            await self._wait(GOODBYE)
        finally:
            self._stop()

    async def _wait(self, seconds: float) -> None:
        """Wait until nobody is there any more, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gate.is_empty.wait()

"""What SIGTERM does to a server: refuse new sessions, then close the websockets and stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from quart_app.engine.admission import Admission
from quart_app.protocol.close_codes import RESTART

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 0.5
"""Seconds that clients have for the close handshake."""


class Drain:
    """Closes the open websockets with 1012 after ``seconds`` and then calls ``stop``.

    Bokeh (up to 3.10) drops its connections without a close frame: a browser cannot tell a server that
    restarts from one that is broken.
    """

    def __init__(self, admission: Admission, seconds: float, stop: Callable[[], object]) -> None:
        self._admission = admission
        self._seconds = seconds
        self._stop = stop
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to drain. The second call stops the server at once."""
        if self._task is not None:
            self._task.cancel()
            return
        self._admission.is_draining = True
        count = len(self._admission.websockets)
        log.info("Draining: closing %d websockets in %g s", count, self._seconds)
        self._task = asyncio.get_running_loop().create_task(self._drain())
        # Not in a finally: a task that is cancelled before it begins never gets there.
        self._task.add_done_callback(lambda _: self._stop())

    async def _drain(self) -> None:
        await self._wait_until_closed(self._seconds)
        for websocket in list(self._admission.websockets):
            websocket.close(RESTART, "the server restarts")
        await self._wait_until_closed(CLOSE_TIMEOUT)

    async def _wait_until_closed(self, seconds: float) -> None:
        """Return when no websocket is open, or after this time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._admission.all_closed.wait()

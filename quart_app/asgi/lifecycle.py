"""What happens when the site stops: its websockets are closed first, and no process is left behind.

Hypercorn ends the lifespan when all connections are closed. On Python 3.12 and newer an open websocket blocks
that (hypercorn#308), so the worker's own events are polled.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.util import Finalize
from typing import Any

from quart_app.asgi.hypercorn import Worker
from quart_app.asgi.proxies import ASGI

log = logging.getLogger(__name__)

POLL_INTERVAL = 0.1
"""Seconds between two checks whether the worker stops; Hypercorn's own interval."""
GRACE_PERIOD = 0.5
"""Seconds above Hypercorn's ``graceful_timeout`` until a worker that cannot stop is ended."""


@contextmanager
def stop_with_parent_process() -> Iterator[None]:
    """Send this worker a SIGTERM when the main process of the web server has been killed.

    Hypercorn's worker would live on, and keep the port and our Bokeh servers.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(parent.sentinel)  # it stays readable
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(parent.sentinel, stop)
    try:
        yield
    finally:
        loop.remove_reader(parent.sentinel)


class StopWatcher:
    """ASGI middleware that notices when Hypercorn stops this worker."""

    def __init__(self, app: ASGI) -> None:
        self.app = app
        self._worker = Worker()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._worker.observe(send)
        await self.app(scope, receive, send)

    async def watch(self, on_stop: Callable[[], object]) -> None:
        """Call ``on_stop`` when the worker stops; return at once under other servers.

        Cancel this when the lifespan ends. If other connections delay that past the graceful timeout, this
        ends the worker process.
        """
        worker = self._worker
        if not worker.is_present:
            return
        timeout = worker.graceful_timeout + GRACE_PERIOD
        if worker.stop_event is not None:
            _handle_sigterm(worker.stop_event, timeout)
        while not worker.is_stopping:  # noqa: ASYNC110, the event is of another process
            await asyncio.sleep(POLL_INTERVAL)
        on_stop()
        if worker.stop_event is None:  # this process may have other things to do
            return
        await asyncio.sleep(timeout)
        log.warning("Connections are still open %g s after the stop: ending this worker", timeout)
        if worker.stop_event.is_set():
            _end_as_terminated()
        os._exit(0)  # ``--max-requests``: Hypercorn replaces a worker that exits with 0


def _handle_sigterm(stop_event: Any, timeout: float) -> None:
    """Stop all workers on SIGTERM. timeout: seconds for a worker that is stopping already."""
    loop = asyncio.get_running_loop()

    def terminate() -> None:
        if stop_event.is_set():
            # When one worker has ended, Hypercorn terminates the others. They first finish their own
            # shutdown: otherwise their child processes would be left behind.
            loop.call_later(timeout, _end_as_terminated)
        else:
            stop_event.set()
            # Exit by SIGTERM: Hypercorn would replace a worker that exits with 0.
            Finalize(None, _end_as_terminated, exitpriority=0)

    with suppress(NotImplementedError, ValueError, RuntimeError):  # Windows; not the main thread
        loop.add_signal_handler(signal.SIGTERM, terminate)


def _end_as_terminated() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)

"""When the site stops: known early enough to say goodbye to the browsers.

An ASGI application hears of the stop when all connections are closed. From Python 3.12 on that is never
while a websocket is open (hypercorn#308), so we look at what tells Hypercorn's worker itself.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.util import Finalize
from typing import Any

log = logging.getLogger(__name__)

POLL = 0.1
"""Seconds between two looks at Hypercorn's event, as Hypercorn's own."""
GRACE = 0.5
"""Seconds above Hypercorn's own ``graceful_timeout`` until a worker that cannot stop is ended."""


async def watch_for_stop(stop: Callable[[], object]) -> None:
    """Call ``stop`` when Hypercorn is about to stop; return at once under other servers.

    Cancel this when the application itself is told: that means all connections are closed. Where that
    does not come in time, for connections that are not ours, it ends the process.
    """
    # Hypercorn's worker is a process with its configuration and its event among the arguments.
    arguments = getattr(multiprocessing.current_process(), "_kwargs", None) or {}
    event: Any = arguments.get("shutdown_event")
    if not (hasattr(event, "is_set") and hasattr(event, "set")):
        return
    patience = getattr(arguments.get("config"), "graceful_timeout", 3.0) + GRACE
    loop = asyncio.get_running_loop()

    def terminate() -> None:
        if event.is_set():
            # Hypercorn terminates all workers when the first has ended, in the middle of their own good
            # order, and their children would be left behind.
            loop.call_later(patience, _end_as_terminated)
        else:
            event.set()
            # Hypercorn would start a worker again that ended in good order.
            Finalize(None, _end_as_terminated, exitpriority=0)

    with suppress(NotImplementedError, ValueError, RuntimeError):  # Windows; another thread than the main one
        loop.add_signal_handler(signal.SIGTERM, terminate)
    while not event.is_set():  # noqa: ASYNC110, it is of another process
        await asyncio.sleep(POLL)
    stop()
    await asyncio.sleep(patience)
    log.warning("Connections are still open %g s after the stop: this worker ends without them", patience)
    _end_as_terminated()


def _end_as_terminated() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)

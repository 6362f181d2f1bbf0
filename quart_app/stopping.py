"""When the site stops: known early enough to say goodbye to the browsers.

An ASGI application hears of the stop when all connections are closed. From Python 3.12 on that is never
while a websocket is open (hypercorn#308), so we look at what tells Hypercorn's worker itself.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.util import Finalize
from typing import Any

POLL = 0.1
"""Seconds between two looks at Hypercorn's event, as Hypercorn's own."""
GRACE = 5.0
"""Seconds for the rest of a stop once Hypercorn's main process has lost patience with a worker."""


def shutdown_event() -> Any | None:
    """Return the event that Hypercorn's main process sets to stop its workers; None under other servers."""
    arguments = getattr(multiprocessing.current_process(), "_kwargs", None) or {}
    event = arguments.get("shutdown_event")
    return event if hasattr(event, "is_set") and hasattr(event, "set") else None


async def watch_for_stop(stop: Callable[[], object]) -> None:
    """Call ``stop`` when Hypercorn is about to stop; never, and return at once, under other servers."""
    event = shutdown_event()
    if event is None:
        return
    loop = asyncio.get_running_loop()

    def terminate() -> None:
        if event.is_set():
            # Hypercorn terminates all workers when the first has ended, in the middle of their own good
            # order, and their children would be left behind.
            loop.call_later(GRACE, _end_as_terminated)
        else:
            event.set()
            # Hypercorn would start a worker again that ended in good order.
            Finalize(None, _end_as_terminated, exitpriority=0)

    with suppress(NotImplementedError, ValueError, RuntimeError):  # Windows; another thread than the main one
        loop.add_signal_handler(signal.SIGTERM, terminate)
    while not event.is_set():  # noqa: ASYNC110, it is of another process
        await asyncio.sleep(POLL)
    stop()


def _end_as_terminated() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)

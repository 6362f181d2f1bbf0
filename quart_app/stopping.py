"""When the site stops: known early enough to say goodbye to the browsers.

An ASGI application hears of the stop when all connections are closed. From Python 3.12 on that is never
while a websocket is open (hypercorn#308), so we look at what tells Hypercorn's worker itself.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

POLL = 0.1
"""Seconds between two looks at Hypercorn's event, as Hypercorn's own."""


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
    with suppress(NotImplementedError, ValueError):  # not on Windows, not outside the main thread
        # Hypercorn terminates the other workers when the first has ended, in the middle of their own
        # good order, and their children would be left behind. TERM means the same as the event here.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, event.set)
    while not event.is_set():  # noqa: ASYNC110, it is of another process
        await asyncio.sleep(POLL)
    stop()

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import SemLock
from multiprocessing.util import Finalize
from typing import Any

log = logging.getLogger(__name__)

POLL = 0.1
"""Seconds between two looks at Hypercorn's event, as Hypercorn's own."""
GRACE = 0.5
"""Seconds above Hypercorn's own ``graceful_timeout`` until a worker that cannot stop is ended."""


@contextmanager
def ending_with_the_web_server() -> Iterator[None]:
    """End this worker, once, when the web server that started it is killed.

    Hypercorn's worker would live on, keep the port, and with it every Bokeh server of ours.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.remove_reader(parent.sentinel)  # which can be read from now on, at every turn of the loop
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(parent.sentinel, end)
    try:
        yield
    finally:
        loop.remove_reader(parent.sentinel)


async def watch_for_stop(stop: Callable[[], object]) -> None:
    """Call ``stop`` when Hypercorn is about to stop; return at once under other servers.

    Cancel this when the application itself is told: that means all connections are closed. Where that
    does not come in time, for connections that are not ours, it ends the process.
    """
    event, config = _hypercorn()
    if event is None:
        return
    patience = getattr(config, "graceful_timeout", 3.0) + GRACE
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


def _hypercorn() -> tuple[Any, Any]:
    """Return the event that stops Hypercorn's workers, and its configuration; None under other servers."""
    # Its worker is a process that has them among its arguments.
    arguments = getattr(multiprocessing.current_process(), "_kwargs", None) or {}
    event = arguments.get("shutdown_event")
    is_one = hasattr(event, "is_set") and hasattr(event, "set")
    return (event, arguments.get("config")) if is_one else (None, None)


def _end_as_terminated() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def end_as_failed() -> None:
    """End Hypercorn's main process, whose only worker cannot start, with a status that is not 0.

    Hypercorn (0.18) ends with 0 whatever its workers' status was: whoever watches over it would take a wrong
    setting for a good end. Nothing is done under other servers.
    """
    event, _ = _hypercorn()
    parent = multiprocessing.parent_process()
    if event is None or parent is None or parent.pid is None:
        return
    for semaphore in _semaphores(event):
        # Else Python warns that nobody does. (Another worker that failed may have done it.)
        with suppress(OSError, AttributeError):
            SemLock._cleanup(semaphore._semlock.name)  # type: ignore[attr-defined]
    with suppress(ProcessLookupError):
        os.kill(parent.pid, signal.SIGUSR1)


def _semaphores(thing: object) -> Iterator[Any]:
    for value in vars(thing).values():
        if isinstance(value, SemLock):
            yield value
        elif hasattr(value, "__dict__"):
            yield from _semaphores(value)

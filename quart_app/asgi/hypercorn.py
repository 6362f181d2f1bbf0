"""All uses of internal names of Hypercorn (0.18): the state of a worker, and the raw frames of a websocket.

Under another server, or if Hypercorn has renamed something, callers fall back to plain ASGI.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from math import inf
from multiprocessing.synchronize import SemLock
from operator import attrgetter
from typing import Any

log = logging.getLogger(__name__)

STREAM_NAMES = (
    *("_send_pings", "app_put", "closed", "config.websocket_ping_interval", "handle"),
    *("handshake.accepted", "handshake.extensions", "send", "stream_id"),
)
"""What a WSStream must have for its frames to be taken over."""


def stream_of(send: Any) -> Any | None:
    """Return Hypercorn's object for an ASGI call, given its ``send``; None under another server."""
    owner = getattr(send, "__self__", None)
    return owner if type(owner).__module__.startswith("hypercorn.") else None


class Worker:
    """The Hypercorn worker that this process is, if it is one."""

    def __init__(self) -> None:
        # Hypercorn passes the event and its configuration as arguments of a worker process. With
        # ``--workers 0`` there is no worker process.
        arguments = getattr(multiprocessing.current_process(), "_kwargs", None) or {}
        event = arguments.get("shutdown_event")
        is_event = hasattr(event, "is_set") and hasattr(event, "set")
        self.stop_event: Any | None = event if is_event else None
        """Stops all workers of the site. None with ``--workers 0``."""
        self._config: Any = arguments.get("config")
        self._context: Any = None

    def observe(self, send: Any) -> None:
        """Read configuration and context from the stream object of an ASGI call."""
        if self._context is None and (owner := stream_of(send)) is not None:
            self._config = getattr(owner, "config", self._config)
            self._context = getattr(owner, "context", None)  # the lifespan has none

    @property
    def is_present(self) -> bool:
        """Whether this process runs under Hypercorn."""
        return self.stop_event is not None or self._config is not None

    @property
    def is_stopping(self) -> bool:
        """Whether this worker takes no new connections and waits for the open ones to close."""
        if self.stop_event is not None and self.stop_event.is_set():
            return True
        terminated = getattr(self._context, "terminated", None)  # also after ``--max-requests``
        return terminated is not None and bool(terminated.is_set())

    @property
    def graceful_timeout(self) -> float:
        """Seconds for which Hypercorn waits for open connections."""
        return float(getattr(self._config, "graceful_timeout", 3.0))


def end_main_process() -> None:
    """End Hypercorn's main process with a status other than 0, because this worker cannot start.

    Hypercorn exits with 0 whatever the status of its workers: a process manager would see a normal exit. It
    does not handle SIGUSR1, which therefore ends it. Does nothing outside of a worker process.
    """
    event = Worker().stop_event
    parent = multiprocessing.parent_process()
    if event is None or parent is None or parent.pid is None:
        return
    for semaphore in _semaphores(event):
        # Otherwise Python warns that they leak. Another worker that failed may have done it.
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


class RawWebSocket:
    """The raw frames of one websocket. Raises AttributeError or ImportError if Hypercorn has changed.

    on_frames: called with what the browser sends once the websocket is accepted; Hypercorn does not see it.
    """

    def __init__(self, stream: Any, on_frames: Callable[[bytes], Awaitable[None]]) -> None:
        from hypercorn.protocol.events import Data

        for name in STREAM_NAMES:
            attrgetter(name)(stream)
        self._stream = stream
        self._on_frames = on_frames
        self._handle, self._data = stream.handle, partial(Data, stream.stream_id)
        self.ping_interval: float = stream.config.websocket_ping_interval or inf
        """Seconds between pings, as ``--websocket-ping-interval`` sets them."""
        # Hypercorn does not know where a frame ends, and would send its pings in the middle of one.
        stream._send_pings = _send_no_pings
        # Nothing is compressed: Hypercorn would do so on the event loop, and decompress without a limit.
        stream.handshake.extensions = None
        stream.handle = self._receive

    @property
    def is_closed(self) -> bool:
        return bool(self._stream.closed)

    async def write(self, data: bytes) -> bool:
        """Send bytes, and return when more can be sent; True if that had to be waited for.

        Raises OSError or RuntimeError when the connection is closed.
        """
        writer = connection_writer(self._stream)
        if writer is None:
            await self._stream.send(self._data(data))
            return False
        writer.write(data)
        had_to_wait: bool = writer.transport.get_write_buffer_size() > 0
        await writer.drain()
        return had_to_wait

    async def receive_close(self, close_frame: bytes) -> None:
        """Let Hypercorn answer the browser's close frame."""
        await self._handle(self._data(close_frame))

    def abort(self) -> None:
        """Drop the connection, with what is not sent yet. Does nothing over HTTP/2."""
        if (writer := connection_writer(self._stream)) is not None:
            writer.transport.abort()

    async def _receive(self, event: Any) -> None:
        frames = getattr(event, "data", None)
        if frames is not None and self._stream.handshake.accepted and not self._stream.closed:
            await self._on_frames(frames)
            return
        is_early = frames is not None and not self._stream.closed
        await self._handle(event)
        if is_early:  # before the websocket is accepted: Hypercorn answers 400, and sends no disconnect
            await self._stream.app_put({"type": "websocket.disconnect", "code": 1006})


def take_over_websocket(send: Any, on_frames: Callable[[bytes], Awaitable[None]]) -> RawWebSocket | None:
    """Return the raw frames of a websocket, given the ``send`` of its ASGI call; None if it has none."""
    stream = stream_of(send)
    if stream is None:
        return None
    try:
        return RawWebSocket(stream, on_frames)
    except (AttributeError, ImportError) as error:
        _warn(str(error))
        return None


@cache  # logs each message once
def _warn(error: str) -> None:
    log.warning("Hypercorn has changed (%s): websockets are forwarded message by message", error)


def connection_writer(stream: Any) -> Any | None:
    """Return the StreamWriter of a websocket's connection; None if it is shared with others (HTTP/2)."""
    protocol = getattr(stream.send, "__self__", None)
    server = getattr(getattr(protocol, "send", None), "__self__", None)
    return getattr(server, "writer", None) if type(protocol).__name__ == "H11Protocol" else None


async def _send_no_pings() -> None:
    """Take the place of WSStream._send_pings."""

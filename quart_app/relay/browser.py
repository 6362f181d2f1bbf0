"""The browser's end of a websocket: what ASGI shows of it, and what Hypercorn can do beyond that.

ASGI has no ping, no limit for a message, and no way to drop a connection that takes nothing more. Hypercorn
0.18 has them, under names that it does not promise; each access asks first. Under another server the relay
works with what that server does by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from time import monotonic
from typing import Any

from wsproto.events import Ping

from quart_app.relay.sockets import Wire

log = logging.getLogger(__name__)

PING_EVERY = 20.0
"""Seconds between pings."""
SILENCE = 50.0
"""Seconds without a pong or anything else from a browser after which it is gone."""
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]


class Gone(Exception):
    """The browser has closed the connection, or is taken to have. ``code`` is its close code, if known."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class TooLarge(Exception):
    """The browser has sent a message above the limit, and has been told so."""


class Browser:
    """One websocket as the ASGI server gives it to us, before and after it is accepted."""

    def __init__(self, receive: Receive, send: Send, max_message: int) -> None:
        self._receive = receive
        self._send = send
        self._heard_at = monotonic()
        self._room = asyncio.Semaphore(2)
        self._over = asyncio.Event()
        self._is_too_large = False
        self._stream = self._take_over(getattr(send, "__self__", None), max_message)
        writer = self._writer()
        self._wire = Wire(writer.get_extra_info("socket") if writer else None)

    async def receive(self) -> str | bytes:
        """Return the next message. Raises Gone."""
        event = await self._receive()
        while event["type"] == "websocket.connect":
            event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise Gone(event.get("code") or 1005)
        self._room.release()
        data: str | bytes | None = event.get("bytes")
        if data is None:
            data = event.get("text")
        return b"" if data is None else data

    async def send(self, data: str | bytes) -> None:
        """Send a message; returns when the connection can take the next one."""
        self._wire.cork()
        if isinstance(data, str):
            await self._send({"type": "websocket.send", "bytes": None, "text": data})
        else:
            await self._send({"type": "websocket.send", "bytes": data, "text": None})

    async def accept(self) -> None:
        await self._send({"type": "websocket.accept", "subprotocol": "bokeh", "headers": []})

    async def refuse(self, status: int, reason: str, retry_after: int | None, extensions: Any) -> None:
        """Answer with an HTTP error instead of a websocket."""
        if "websocket.http.response" not in (extensions or {}):
            await self._send({"type": "websocket.close"})  # which makes it a 403
            return
        body = f"{HTTPStatus(status).phrase}: {reason}\n".encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if retry_after is not None:
            headers.append((b"retry-after", str(retry_after).encode()))
        await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def close(self, code: int, reason: str, wait: float) -> None:
        """Say why, and wait so many seconds for the browser's goodbye; then drop the connection."""
        try:
            async with asyncio.timeout(wait):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
                while True:
                    await self.receive()
        except Gone:
            pass
        except TimeoutError:
            self._abort()
            # Hypercorn's reader may be waiting to hand on what came in the meantime, and must get to the end.
            with suppress(Gone, TimeoutError):
                async with asyncio.timeout(1):
                    while True:
                        await self.receive()

    async def watch(self) -> None:
        """Ping for as long as the browser answers. Raises Gone, or TooLarge."""
        stream = self._stream
        if stream is None:
            return
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_EVERY):
                    await self._over.wait()
            if self._is_too_large:
                raise TooLarge
            if self._over.is_set() or monotonic() - self._heard_at > SILENCE:
                raise Gone(1006)
            try:
                async with asyncio.timeout(SILENCE):
                    await stream._send_wsproto_event(Ping())
            except TimeoutError:
                raise Gone(1006) from None

    def _take_over(self, stream: Any, max_message: int) -> Any | None:
        """Set the limits of Hypercorn's stream object, and listen at it; None if there is no such object."""
        if not type(stream).__module__.startswith("hypercorn."):
            return None
        try:
            buffer, handle, put = stream.buffer, stream.handle, stream.app_put
            # Hypercorn's own limit is 16 MiB for all websockets of a site, Bokeh's 20.
            buffer.max_length = max_message
            # It would compress whatever a browser offers to take compressed, for up to a second a message
            # on the event loop, and inflate without a limit what a browser sends.
            stream.handshake.extensions = None

            async def listen(event: Any) -> None:
                self._heard_at = monotonic()
                await handle(event)
                if buffer.length > max_message:
                    buffer.clear()  # it has sent the 1009, but would go on collecting
                    self._is_too_large = True
                    self._over.set()
                elif stream.closed:  # told as a disconnect, except where data came before its time
                    self._over.set()

            async def put_when_there_is_room(event: Any) -> None:
                # Its queue takes ten messages, which may have the largest size each.
                if event["type"] == "websocket.receive":
                    await self._room.acquire()
                await put(event)

            stream.handle, stream.app_put = listen, put_when_there_is_room
            if stream.closed:
                self._over.set()
        except AttributeError as error:
            log.warning("This Hypercorn has no %s: its own limits hold for websockets", error.name)
            return None
        return stream

    def _abort(self) -> None:
        """Drop a connection whose browser takes nothing any more; closing it would wait for the browser."""
        if writer := self._writer():
            writer.transport.abort()

    def _writer(self) -> Any | None:
        """Return the writer of Hypercorn's connection, unless that is shared with others (HTTP/2)."""
        protocol = getattr(getattr(self._stream, "send", None), "__self__", None)
        server = getattr(getattr(protocol, "send", None), "__self__", None)
        return getattr(server, "writer", None) if type(protocol).__name__ == "H11Protocol" else None

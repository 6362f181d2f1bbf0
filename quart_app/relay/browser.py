"""The browser's end of a websocket: what ASGI shows of it, and what Hypercorn can do beyond that.

ASGI has whole messages only, no ping, and no way to drop a connection that takes nothing more. Hypercorn's
websockets (0.18) have all that, under names that it does not promise; each access asks first. Under another
server the relay makes frames of messages and messages of frames, and that server looks after the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Any

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, Message, TextMessage
from wsproto.events import Ping as PingEvent

log = logging.getLogger(__name__)

PING = b"\x89\x00"
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]


class Gone(Exception):
    """The browser has closed the connection, or is taken to have."""


class Browser:
    """One websocket as the ASGI server gives it to us, before and after it is accepted."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.forward: Callable[[bytes], Awaitable[None]] | None = None
        """Takes the frames of the browser once the websocket is accepted."""
        self.heard_at = monotonic()
        """When something came from the browser, or went to one that takes its time."""
        self.is_full = False
        """Whether the connection cannot take more now."""
        self._is_over = False
        self._messages = Connection(ConnectionType.CLIENT)
        """Makes frames of what ASGI gives, and the other way round, where there is no stream."""
        self._parts: list[Any] = []
        self._handle: Any = None
        self._data: Any = None
        self._stream = self._take_over(getattr(send, "__self__", None))

    async def leave(self) -> None:
        """Return when the browser has left."""
        while not self._is_over:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                self._is_over = True
            elif event["type"] == "websocket.receive" and self.forward is not None:
                binary: bytes | None = event.get("bytes")
                message = TextMessage(event["text"]) if binary is None else BytesMessage(binary)
                await self.forward(self._messages.send(message))

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

    async def write(self, data: bytes) -> None:
        """Send frames, or parts of them; returns when the connection can take more. Raises Gone."""
        self.is_full = True
        try:
            await self._write(data)
        finally:
            self.is_full = False

    async def ping(self) -> None:
        """Ask for a sign of life, which comes with whatever else the browser says."""
        if self._stream is not None:
            await self.write(PING)
        else:
            self.heard_at = monotonic()  # that is the other server's business

    async def say_goodbye(self, close_frame: bytes) -> None:
        """Hand the browser's last frame to Hypercorn, which answers it."""
        if self._stream is not None:
            await self._handle(self._data(close_frame))

    async def close(self, code: int, reason: str, wait: float) -> None:
        """Say why, and wait so many seconds for the browser's goodbye; then drop the connection."""
        try:
            async with asyncio.timeout(wait):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
                await self.leave()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Drop a connection whose browser takes nothing any more; closing it would wait for the browser."""
        if writer := self._writer():
            writer.transport.abort()

    async def _write(self, data: bytes) -> None:
        if (writer := self._writer()) is not None:
            try:
                writer.write(data)
                is_slow = writer.transport.get_write_buffer_size() > 0
                await writer.drain()
            except (OSError, RuntimeError):
                raise Gone from None
            if is_slow:
                self.heard_at = monotonic()
        elif self._stream is not None:
            await self._stream.send(self._data(data))
        else:
            await self._write_messages(data)

    def _take_over(self, stream: Any) -> Any | None:
        """Listen at Hypercorn's object for the websocket; None if there is no such object."""
        if not type(stream).__module__.startswith("hypercorn."):
            return None
        try:
            from hypercorn.protocol.events import Data

            handle, put, stream_id = stream.handle, stream.app_put, stream.stream_id
            # It would compress whatever a browser offers to take compressed, for up to a second a message
            # on the event loop, and inflate without a limit what a browser sends.
            stream.handshake.extensions = None
            self._is_over = stream.closed

            async def listen(event: Any) -> None:
                frames = getattr(event, "data", None)
                if frames is None or stream.closed:
                    await handle(event)
                elif self.forward is not None and stream.handshake.accepted:
                    self.heard_at = monotonic()
                    await self.forward(frames)
                else:  # before its time: Hypercorn answers that by itself, and tells nobody
                    await handle(event)
                    await put({"type": "websocket.disconnect", "code": 1006})

            stream.handle = listen
        except (AttributeError, ImportError) as error:
            log.warning("This Hypercorn has changed (%s): websockets are carried message by message", error)
            return None
        self._handle = handle
        self._data = partial(Data, stream_id)
        return stream

    def _writer(self) -> Any | None:
        """Return the writer of Hypercorn's connection, unless that is shared with others (HTTP/2)."""
        protocol = getattr(getattr(self._stream, "send", None), "__self__", None)
        server = getattr(getattr(protocol, "send", None), "__self__", None)
        return getattr(server, "writer", None) if type(protocol).__name__ == "H11Protocol" else None

    async def _write_messages(self, data: bytes) -> None:
        self._messages.receive_data(data)
        for event in self._messages.events():
            if isinstance(event, PingEvent) and self.forward is not None:
                await self.forward(self._messages.send(event.response()))
            elif isinstance(event, Message):
                self._parts.append(event.data)
                if event.message_finished:
                    kind = "text" if isinstance(event, TextMessage) else "bytes"
                    whole = self._parts[0][:0].join(self._parts)
                    self._parts.clear()
                    await self._send({"type": "websocket.send", kind: whole})

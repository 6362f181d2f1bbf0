"""The browser's side of a websocket: raw frames under Hypercorn, whole messages under other ASGI servers.

ASGI has no frames and no pings, and cannot abort a connection whose browser does not read. Under a server
other than Hypercorn, messages are converted to frames and back, and that server handles pings and timeouts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from math import inf
from time import monotonic
from typing import Any

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, Message, Ping, TextMessage

from quart_app.asgi.hypercorn import take_over_websocket
from quart_app.relay.frames import CloseReason

PING_FRAME = b"\x89\x00"
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]


class Disconnected(Exception):
    """The browser's connection is closed."""


class Browser:
    """One websocket of the ASGI server, before and after it is accepted."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.forward: Callable[[bytes], Awaitable[None]] | None = None
        """Called with the browser's frames. To be set before the websocket is accepted."""
        self.last_activity = monotonic()
        """When bytes came from the browser, or a write that had to wait was complete."""
        self.is_blocked = False
        """Whether a write waits for the browser to read."""
        self._is_disconnected = False
        self._codec = Connection(ConnectionType.CLIENT)
        """Converts between messages and frames where there are no raw frames."""
        self._fragments: list[Any] = []
        self._raw = take_over_websocket(send, self._receive_frames)
        self.ping_interval = self._raw.ping_interval if self._raw else inf
        """Seconds between pings, as the web server is set up to send them."""

    async def wait_disconnect(self) -> None:
        """Return when the browser has disconnected."""
        while not (self._is_disconnected or (self._raw and self._raw.is_closed)):
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                self._is_disconnected = True
            elif event["type"] == "websocket.receive" and self.forward is not None:
                binary: bytes | None = event.get("bytes")
                message = TextMessage(event["text"]) if binary is None else BytesMessage(binary)
                await self.forward(self._codec.send(message))

    async def accept(self) -> None:
        await self._send({"type": "websocket.accept", "subprotocol": "bokeh", "headers": []})

    async def refuse(self, status: int, reason: str, retry_after: int | None, extensions: Any) -> None:
        """Answer the handshake with an HTTP error. retry_after: in seconds."""
        if "websocket.http.response" not in (extensions or {}):
            await self._send({"type": "websocket.close"})  # the server answers 403
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
        """Send frames, or parts of frames, and return when the browser can take more. Raises Disconnected."""
        self.is_blocked = True
        try:
            if self._raw is None:
                await self._write_messages(data)
            elif await self._raw.write(data):
                self.last_activity = monotonic()
        except (OSError, RuntimeError):
            raise Disconnected from None
        finally:
            self.is_blocked = False

    async def ping(self) -> None:
        """Send a ping, whose pong counts as activity. Other servers than Hypercorn ping by themselves."""
        if self._raw is not None:
            await self.write(PING_FRAME)
        else:
            self.last_activity = monotonic()

    async def forward_close(self, close_frame: bytes) -> None:
        """Hand the browser's close frame to Hypercorn, which completes the close handshake."""
        if self._raw is not None:
            await self._raw.receive_close(close_frame)

    async def close(self, reason: CloseReason, max_wait: float) -> None:
        """Close with a close handshake. After ``max_wait`` seconds the connection is aborted."""
        try:
            async with asyncio.timeout(max_wait):
                await self._send({"type": "websocket.close", "code": reason.code, "reason": reason.reason})
                await self.wait_disconnect()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Drop the connection without waiting for the browser to read what was sent."""
        if self._raw is not None:
            self._raw.abort()

    async def _receive_frames(self, frames: bytes) -> None:
        self.last_activity = monotonic()
        if self.forward is not None:
            await self.forward(frames)

    async def _write_messages(self, data: bytes) -> None:
        self._codec.receive_data(data)
        for event in self._codec.events():
            if isinstance(event, Ping) and self.forward is not None:
                await self.forward(self._codec.send(event.response()))
            elif isinstance(event, Message):
                self._fragments.append(event.data)
                if event.message_finished:
                    key = "text" if isinstance(event, TextMessage) else "bytes"
                    message = self._fragments[0][:0].join(self._fragments)
                    self._fragments.clear()
                    await self._send({"type": "websocket.send", key: message})

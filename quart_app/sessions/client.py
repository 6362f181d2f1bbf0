"""A blocking websocket client of a Bokeh server, with one deadline for all that it does."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError

from quart_app.protocol.close_codes import INTERNAL_ERROR, NORMAL
from quart_app.protocol.messages import RawMessage

CHUNK = 256 * 1024
"""Bytes read at once."""
QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class ServerRejected(Exception):
    """The server answered the handshake with an HTTP status instead of a websocket."""

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        super().__init__(f"{status} {body}".strip())
        self.status = status
        self.headers = headers
        self.body = body.strip()


class ConnectionClosed(Exception):
    """The server closed the websocket. ``code`` is None if it did so without a close frame."""

    def __init__(self, code: int | None = None, reason: str | None = None) -> None:
        super().__init__(f"{code} {reason or ''}".rstrip() if code else "it closed the connection")
        self.code = code


class ReplyTooLarge(Exception):
    """A message has more bytes than the limit."""


class Client:
    """A websocket to one session of a Bokeh server.

    deadline: when every wait ends with TimeoutError, in seconds of ``time.monotonic()``.
    max_message: bytes of the largest websocket message to receive.

    ``open`` raises OSError or ServerRejected. ``abort`` may be called from any thread.
    """

    def __init__(self, *, deadline: float, max_message: int) -> None:
        self._websocket = WSConnection(ConnectionType.CLIENT)
        self._events: Iterator[Event] = iter(())
        self._socket: socket.socket | None = None
        self._deadline = deadline
        self._max_message = max_message

    def open(self, url: str, token: str) -> None:
        """Connect to ``ws://…/ws`` or ``wss://…/ws`` with the token of a session."""
        address = urlsplit(url)
        secure = address.scheme == "wss"
        port = address.port or (443 if secure else 80)
        self._socket = socket.create_connection((address.hostname or "", port), timeout=self._remaining())
        # A Bokeh message is three small frames: without this each waits for the other side's delayed ACK.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:
            context = ssl.create_default_context()
            self._socket = context.wrap_socket(self._socket, server_hostname=address.hostname)
        self._send(
            self._websocket.send(
                Request(host=address.netloc, target=address.path, subprotocols=["bokeh", token])
            )
        )
        event = self._next_event()
        if isinstance(event, RejectConnection):
            self._raise_refusal(event)
        if not isinstance(event, AcceptConnection):
            raise ConnectionClosed

    def receive(self) -> RawMessage:
        """Return the next message."""
        message = RawMessage(self._text(), self._text(), self._text())
        for _ in range(message.header.get("num_buffers", 0)):
            message.buffers.append((self._text(), self._bytes()))
        return message

    def ask(self, request: RawMessage) -> RawMessage:
        """Send a message and return the server's reply to it; skip all other messages."""
        fragments = (
            TextMessage(data=part) if isinstance(part, str) else BytesMessage(data=part)
            for part in request.fragments()
        )
        self._send(b"".join(map(self._websocket.send, fragments)))
        while True:
            reply = self.receive()
            header = reply.header
            if header.get("reqid") != request.header["msgid"]:
                continue
            if header["msgtype"] == "ERROR":
                raise ConnectionClosed(INTERNAL_ERROR, str(json.loads(reply.content_json)["text"]))
            return reply

    def close(self, code: int = NORMAL) -> None:
        """Send a close frame and close, and do not wait for the server's."""
        if self._socket is not None:
            with contextlib.suppress(Exception):
                self._socket.settimeout(0)
                self._socket.sendall(self._websocket.send(CloseConnection(code=code)))
            self._socket.close()

    def abort(self) -> None:
        """End the other thread's wait for the server; it gets ConnectionClosed or TimeoutError."""
        self._deadline = 0.0
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # The other direction stays open for the close frame, which tells why.
                # (Not SSLSocket.shutdown, which ends TLS.)
                socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def _remaining(self) -> float:
        remaining = self._deadline - monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def _send(self, data: bytes) -> None:
        assert self._socket is not None  # noqa: S101
        self._socket.settimeout(self._remaining())
        self._socket.sendall(data)

    def _text(self) -> str:
        fragment = self._fragment()
        if not isinstance(fragment, str):
            raise ValueError("not a Bokeh message: text was expected")
        return fragment

    def _bytes(self) -> bytes:
        fragment = self._fragment()
        if not isinstance(fragment, bytes):
            raise ValueError("not a Bokeh message: bytes were expected")
        return fragment

    def _fragment(self) -> str | bytes:
        """Return the next websocket message."""
        parts: list[Any] = []
        size = 0
        while True:
            event = self._next_event()
            if isinstance(event, CloseConnection):
                raise ConnectionClosed(event.code, event.reason)
            if isinstance(event, Ping):
                self._send(self._websocket.send(event.response()))
            elif isinstance(event, TextMessage | BytesMessage):
                parts.append(event.data)
                size += len(event.data)
                if size > self._max_message:
                    raise ReplyTooLarge
                if event.message_finished:
                    return "".join(parts) if isinstance(event, TextMessage) else b"".join(parts)

    def _next_event(self) -> Event:
        assert self._socket is not None  # noqa: S101
        while (event := next(self._events, None)) is None:
            self._socket.settimeout(self._remaining())
            data = self._socket.recv(CHUNK)
            if QUICKACK is not None:
                # A stock server sends its next small frame only when this one is acknowledged.
                self._socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
            if not data:
                raise ConnectionClosed
            try:
                self._websocket.receive_data(data)
            except RemoteProtocolError as error:
                raise ValueError(f"no websocket: {error}") from error
            self._events = self._websocket.events()
        return event

    def _raise_refusal(self, refusal: RejectConnection) -> None:
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in refusal.headers}
        body = b""
        if refusal.has_body:
            while isinstance(event := self._next_event(), RejectData):
                body += event.data
                if event.body_finished or len(body) > CHUNK:
                    break
        raise ServerRejected(refusal.status_code, headers, body.decode(errors="replace"))

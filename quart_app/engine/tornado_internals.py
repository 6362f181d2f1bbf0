"""All private names of Tornado that the engine uses, and the checks that they exist."""

from __future__ import annotations

from ipaddress import ip_address
from socket import MSG_PEEK

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream
from tornado.web import RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol13

from quart_app.engine.patches import Names, expect_names

ADMISSION_NAMES: Names = {RequestHandler: ["_log"], HTTP1Connection: ["stream", "context"]}
"""Names that the server must not run without."""
FRAME_NAMES: Names = {WebSocketHandler: ["ws_connection"], WebSocketProtocol13: ["is_closing", "stream"]}
"""Names that ``write_frames`` uses."""


def check() -> None:
    """Raise BokehChanged if a name that admission rests on has gone."""
    expect_names(ADMISSION_NAMES)


class ResponseLog(RequestHandler):
    """Base of handlers that write their own line into the log."""

    def log_response(self) -> bool:
        """Log the response, and return whether that has been done. If not, Tornado logs it."""
        return False

    def _log(self) -> None:
        if not self.log_response():
            super()._log()


def has_disconnected(request: HTTPServerRequest) -> bool:
    """Return whether the client has closed its connection.

    Peeks at the socket, because a blocked event loop has not updated the stream. Awaiting instead would let
    callbacks of the document run first.
    """
    stream: IOStream = request.connection.stream  # type: ignore[union-attr]
    if stream.closed():
        return True
    try:
        return not stream.socket.recv(1, MSG_PEEK)
    except (BlockingIOError, ValueError):  # nothing to read; TLS has no MSG_PEEK
        return False
    except OSError:
        return True


def is_local(request: HTTPServerRequest) -> bool:
    """Return whether the peer is on this machine. A Unix socket's always is."""
    address: object = request.connection.context.address  # type: ignore[union-attr]
    try:
        return not isinstance(address, tuple) or ip_address(address[0]).is_loopback
    except ValueError:
        return False


async def write_frames(socket: WebSocketHandler, frames: bytes) -> None:
    """Write complete websocket frames. Raises WebSocketClosedError or StreamClosedError."""
    connection = socket.ws_connection
    if connection is None or connection.is_closing():
        raise WebSocketClosedError
    await connection.stream.write(frames)  # type: ignore[union-attr]

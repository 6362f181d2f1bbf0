"""The relay's side towards the Bokeh servers: finds the server of a ticket, and connects to its session."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from time import monotonic
from urllib.parse import SplitResult, urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, RejectConnection, Request
from wsproto.utilities import ProtocolError

from quart_app.fleet.fleet import Fleet
from quart_app.fleet.server import Server
from quart_app.protocol.tokens import BROWSER, PURPOSE, mint_token
from quart_app.relay.ticket import Ticket
from quart_app.settings import Settings

TOKEN_LIFETIME = 30
"""Seconds for which the Bokeh token of one request is valid."""
CLOSE_TIMEOUT = 0.5
"""Seconds until a connection that is being closed is aborted."""
TCP_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class HandshakeRefused(Exception):
    """A browser's websocket is refused. ``status``: the HTTP status; ``retry_after``: in seconds."""

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.retry_after = status, retry_after


class ServerConnection:
    """A websocket to a Bokeh server: the handshake, and after it raw bytes in both directions.

    quick_ack: acknowledge every packet at once (Linux). A stock server sends a message in several small
    writes, and Nagle's algorithm holds each one back until the one before is acknowledged.
    """

    def __init__(self, *, quick_ack: bool) -> None:
        self._quick_ack = quick_ack and TCP_QUICKACK is not None
        self.last_activity = monotonic()
        """When bytes came from the server, or a write that had to wait was complete."""
        self.is_blocked = False
        """Whether a write waits for the server to read."""

    async def open(self, url: str, token: str) -> int:
        """Connect, and return the HTTP status of the answer: 101, or a refusal, after which it is closed.

        Raises OSError, EOFError, or ProtocolError.
        """
        address = urlsplit(url)
        self._reader, self._writer = await _open_connection(address)
        self._socket: socket.socket = self._writer.get_extra_info("socket")
        handshake = WSConnection(ConnectionType.CLIENT)
        request = Request(host=address.netloc, target=address.path, subprotocols=["bokeh", token])
        status = 0
        try:
            self._writer.write(handshake.send(request))
            # Only the head of the answer: the bytes after it are frames for the browser.
            handshake.receive_data(await self._reader.readuntil(b"\r\n\r\n"))
            answer = next(handshake.events(), None)
            if isinstance(answer, AcceptConnection):
                status = 101
            elif isinstance(answer, RejectConnection):
                status = answer.status_code
        except asyncio.LimitOverrunError:
            pass
        finally:
            if status != 101:
                self._writer.transport.abort()
        return status

    async def read(self, limit: int) -> bytes:
        """Return up to ``limit`` bytes from the server; none when the connection is closed."""
        try:
            data = await self._reader.read(limit)
            if self._quick_ack:
                self._socket.setsockopt(socket.IPPROTO_TCP, TCP_QUICKACK, 1)  # type: ignore[arg-type]
        except OSError:
            return b""
        self.last_activity = monotonic()
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes, and return when the server can take more. Raises OSError when it is closed."""
        self.is_blocked = True
        try:
            self._writer.write(data)
            had_to_wait = self._writer.transport.get_write_buffer_size() > 0
            await self._writer.drain()
            if had_to_wait:
                self.last_activity = monotonic()
        finally:
            self.is_blocked = False

    def close(self) -> None:
        """Close the connection when its last bytes are sent, or after CLOSE_TIMEOUT."""
        self._writer.close()
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._writer.transport.abort)


async def request_session(url: str, token: str) -> int:
    """Send a HEAD request to a websocket's URL, and return the HTTP status; 0 for a malformed answer.

    Our Bokeh servers answer it with 204 if the token's session exists. A stock server answers 405,
    and would create the session for a websocket handshake. Raises OSError or EOFError.
    """
    address = urlsplit(url)
    reader, writer = await _open_connection(address)
    head = (
        f"HEAD {address.path} HTTP/1.1",
        f"Host: {address.netloc}",
        f"Sec-WebSocket-Protocol: bokeh, {token}",
        "Connection: close",
    )
    try:
        writer.write("\r\n".join((*head, "", "")).encode())
        _, status, *_ = (await reader.readuntil(b"\r\n")).split()
        return int(status)
    except (ValueError, asyncio.LimitOverrunError):
        return 0
    finally:
        writer.transport.abort()


async def _open_connection(address: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    is_secure = address.scheme == "wss"
    port = address.port or (443 if is_secure else 80)
    return await asyncio.open_connection(address.hostname, port, ssl=is_secure or None)


class Upstream:
    """Finds the server of a ticket in a fleet, and connects to its session."""

    def __init__(self, settings: Settings, fleet: Fleet) -> None:
        self._fleet = fleet
        self._is_ours = not settings.servers
        self._timeout = settings.pull_timeout

    def find(self, ticket: Ticket) -> Server:
        """Return the server that has the ticket's session. Raises HandshakeRefused."""
        known = self._fleet.find(ticket.server)
        if known is not None and (known.url, known.generation) == (ticket.url, ticket.generation):
            if self._is_ours and not known.is_running:
                raise HandshakeRefused(410, f"{ticket.server}, which had this session, has ended")
            return known
        if not (self._is_ours and ticket.generation) or (known is not None and known.url == ticket.url):
            raise HandshakeRefused(410, f"{ticket.server}, which had this session, is not in use any more")
        # A server of another web process of this site, which has the same key, or of an earlier start.
        key = self._fleet.servers[0].secret_key
        return Server(ticket.server, ticket.url, secret_key=key, generation=ticket.generation)

    async def connect(self, ticket: Ticket, server: Server) -> ServerConnection:
        """Return a websocket to the ticket's session. Raises HandshakeRefused."""
        connection = ServerConnection(quick_ack=not self._is_ours)
        await self._request(ticket, server, connection.open, expected=101)
        return connection

    async def check(self, ticket: Ticket) -> None:
        """Raise HandshakeRefused unless the ticket's session exists; with 503 if this cannot be known."""
        await self._request(ticket, self.find(ticket), request_session, expected=204)

    async def _request(
        self, ticket: Ticket, server: Server, send: Callable[[str, str], Awaitable[int]], expected: int
    ) -> None:
        token = mint_token(ticket.session_id, server.secret_key, {PURPOSE: BROWSER}, lifetime=TOKEN_LIFETIME)
        failure = f"does not answer within {self._timeout:g} s (BOKEH_PULL_TIMEOUT)"
        try:
            async with asyncio.timeout(self._timeout):
                status = await send(server.websocket_url(ticket.application), token)
        except TimeoutError:
            status = 0
        except (OSError, EOFError, ProtocolError) as error:
            # A server of ours that refuses or drops a connection has ended, or is ending.
            if self._is_ours and isinstance(error, ConnectionError | EOFError):
                raise HandshakeRefused(410, f"{server.name}, which had this session, has ended") from None
            status, failure = 0, f"cannot be reached ({type(error).__name__})"
        if status == expected:
            return
        if status in (404, 410):
            raise HandshakeRefused(410, f"{server.name} does not have this session any more")
        if status == 403:
            raise HandshakeRefused(403, f"{server.name} refuses the connection with 403")
        failure = f"answers {status}" if status else failure
        raise HandshakeRefused(503, f"{server.name} {failure}", retry_after=2)

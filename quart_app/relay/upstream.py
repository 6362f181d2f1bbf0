"""The relay's way to the Bokeh servers: which one has a session, and a websocket to it."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, RejectConnection, Request
from wsproto.utilities import ProtocolError

from quart_app.fleet.fleet import Fleet
from quart_app.fleet.server import Server
from quart_app.protocol.tokens import BROWSER, PURPOSE, mint_token
from quart_app.relay.ticket import Ticket
from quart_app.settings import Settings

TOKEN_LIFETIME = 30
"""Seconds for which the Bokeh token of one connection is good."""
GOODBYE = 0.5
"""Seconds for the last words on a connection."""
QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class Refused(Exception):
    """A browser does not get its websocket; ``status`` is the HTTP status that says so."""

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.retry_after = status, retry_after


class ServerSocket:
    """A websocket to a Bokeh server, as the bytes that go over it.

    is_stock: whether it is one that sends a message in small writes, and waits for the ACK of each.
    """

    def __init__(self, *, is_stock: bool) -> None:
        self._is_stock = is_stock and QUICKACK is not None
        self.heard_at = monotonic()
        """When something came from the server, or went to one that takes its time."""
        self.is_full = False
        """Whether the server takes nothing now."""

    async def open(self, url: str, token: str) -> int:
        """Connect, and return the HTTP status of the answer: 101. Any other is a refusal, and closed.

        Raises OSError, EOFError, or ProtocolError.
        """
        address = urlsplit(url)
        is_secure = address.scheme == "wss"
        port = address.port or (443 if is_secure else 80)
        self._reader, self._writer = await asyncio.open_connection(
            address.hostname, port, ssl=is_secure or None
        )
        self._socket: socket.socket = self._writer.get_extra_info("socket")
        handshake = WSConnection(ConnectionType.CLIENT)
        request = Request(host=address.netloc, target=address.path, subprotocols=["bokeh", token])
        status = 0
        try:
            self._writer.write(handshake.send(request))
            # Not a byte more than the head of the answer: what comes then is for the browser.
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
        """Return some of what the server says; nothing when it has gone."""
        try:
            data = await self._reader.read(limit)
            if self._is_stock:
                self._socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)  # type: ignore[arg-type]
        except OSError:
            return b""
        self.heard_at = monotonic()
        return data

    async def write(self, data: bytes) -> None:
        """Say something; returns when the server can take more. Raises OSError when it has gone."""
        self.is_full = True
        try:
            self._writer.write(data)
            is_slow = self._writer.transport.get_write_buffer_size() > 0
            await self._writer.drain()
            if is_slow:
                self.heard_at = monotonic()
        finally:
            self.is_full = False

    def close(self) -> None:
        """Let go, when the last words have been sent or after a moment."""
        self._writer.close()
        asyncio.get_running_loop().call_later(GOODBYE, self._writer.transport.abort)


class Upstream:
    """Finds the server of a ticket in a fleet, and connects to its session."""

    def __init__(self, settings: Settings, fleet: Fleet) -> None:
        self._fleet = fleet
        self._ours = not settings.servers
        self._timeout = settings.pull_timeout

    def find(self, ticket: Ticket) -> Server:
        """Return the server that has the ticket's session. Raises Refused."""
        known = self._fleet.find(ticket.server)
        if known is not None and (known.url, known.generation) == (ticket.url, ticket.generation):
            if self._ours and not known.is_running:
                raise Refused(410, "the server of this session has ended")
            return known
        if not (self._ours and ticket.generation) or (known is not None and known.url == ticket.url):
            raise Refused(410, "the server of this session is not there any more")
        # One of another web process of this site, which shares our key; or an earlier start of ours.
        key = self._fleet.servers[0].secret_key
        return Server(ticket.server, ticket.url, secret_key=key, generation=ticket.generation)

    async def connect(self, ticket: Ticket, server: Server, purpose: str = BROWSER) -> ServerSocket:
        """Return a websocket to the ticket's session. Raises Refused."""
        token = mint_token(ticket.session_id, server.secret_key, {PURPOSE: purpose}, lifetime=TOKEN_LIFETIME)
        connection = ServerSocket(is_stock=not self._ours)
        reason = "does not answer"
        try:
            async with asyncio.timeout(self._timeout):
                status = await connection.open(server.websocket_url(ticket.application), token)
        except TimeoutError:
            status = 0
        except (OSError, EOFError, ProtocolError) as error:
            # Nobody there, or somebody who is just being killed.
            if self._ours and isinstance(error, ConnectionError | EOFError):
                raise Refused(410, "the server of this session has ended") from None
            status, reason = 0, "cannot be reached"
        if status == 101:
            return connection
        if status in (404, 410):
            raise Refused(410, "the session is gone")
        if status == 403:
            raise Refused(403, "the Bokeh server refuses it")
        raise Refused(503, f"the Bokeh server {f'answers {status}' if status else reason}", retry_after=2)

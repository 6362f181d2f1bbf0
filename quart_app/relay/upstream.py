"""The relay's way to the Bokeh servers: which one has a session, and a websocket to it."""

from __future__ import annotations

import asyncio
import errno

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    DummyCookieJar,
    TCPConnector,
    WSServerHandshakeError,
)
from bokeh.core.types import ID
from bokeh.util.token import generate_jwt_token

from quart_app.embed.ticket import Ticket
from quart_app.relay.carrying import GOODBYE
from quart_app.servers.fleet import Fleet
from quart_app.servers.server import Server
from quart_app.settings import Settings

TOKEN_LIFETIME = 30
"""Seconds for which the Bokeh token of one connection is good."""
HEARTBEAT = 60.0
"""Seconds between pings to a server; half of that is its time to answer, which a long callback uses up."""


class Refused(Exception):
    """A browser does not get its websocket; ``status`` is the HTTP status that says so."""

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.retry_after = status, retry_after


class Upstream:
    """Connects to the servers of a fleet, inside a running event loop; ``close`` it at the end."""

    def __init__(self, settings: Settings, fleet: Fleet) -> None:
        self._fleet = fleet
        self._ours = not settings.servers
        self._max_message = settings.max_message
        self._timeout = settings.pull_timeout
        self._session = ClientSession(
            connector=TCPConnector(limit=0, force_close=True),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )

    async def close(self) -> None:
        await self._session.close()

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

    async def connect(self, ticket: Ticket, server: Server) -> ClientWebSocketResponse:
        """Return a websocket to the ticket's session. Raises Refused."""
        key = server.secret_key
        token = generate_jwt_token(
            ID(ticket.session_id), key, signed=key is not None, expiration=TOKEN_LIFETIME
        )
        try:
            async with asyncio.timeout(self._timeout):
                return await self._session.ws_connect(
                    server.websocket_url(ticket.application),
                    protocols=("bokeh", token),
                    timeout=ClientWSTimeout(ws_close=GOODBYE),
                    heartbeat=HEARTBEAT,
                    max_msg_size=self._max_message + 1,
                )
        except WSServerHandshakeError as error:
            if error.status in (404, 410):
                raise Refused(410, "the session is gone") from None
            if error.status == 403:
                raise Refused(403, "the Bokeh server refuses it") from None
            raise Refused(503, f"the Bokeh server answers {error.status}", retry_after=2) from None
        except (ClientError, OSError, TimeoutError) as error:
            if self._ours and getattr(error, "errno", None) == errno.ECONNREFUSED:
                raise Refused(410, "the server of this session has ended") from None
            reason = "cannot be reached" if isinstance(error, OSError) else "does not answer"
            raise Refused(503, f"the Bokeh server {reason}", retry_after=2) from None

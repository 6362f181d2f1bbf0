"""The relay: a browser's websocket carried to the Bokeh server that has its session.

Raw ASGI in front of the application. Whoever comes is checked before the upgrade, the server is asked
first, and then each side is read only as fast as the other one takes it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import time
from contextlib import suppress
from posixpath import normpath
from typing import Any, TypeVar

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

from quart_app.browser import Browser, Gone, Receive, Send, TooLarge
from quart_app.carrying import GOODBYE, Closed, Patience, is_legal, leave, to_browser, to_server
from quart_app.embed.ticket import Ticket, TicketRefused, ticket_keys, verify
from quart_app.embed.visitor import foreign_origin, visitor_of
from quart_app.flood import Limit
from quart_app.proxies import ASGI
from quart_app.servers.fleet import Fleet
from quart_app.servers.server import Server
from quart_app.settings import Settings

log = logging.getLogger(__name__)
E = TypeVar("E", bound=BaseException)

PATH = re.compile(r"/bokeh/([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+)/ws")
TOKEN_LIFETIME = 30
"""Seconds for which the Bokeh token of one connection is good."""
HEARTBEAT = 60.0
"""Seconds between pings to a server; half of that is its time to answer, which a long callback uses up."""


class Refused(Exception):
    """A browser does not get its websocket; ``status`` is the HTTP status that says so."""

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.retry_after = status, retry_after


STOPPING = Refused(503, "the site is stopping", retry_after=1)
RESTART = Closed(1012, "the site restarts")


class Relay:
    """ASGI middleware that answers ``/bokeh/<server>/<application>/ws`` and passes on everything else."""

    def __init__(self, app: ASGI) -> None:
        self.app = app
        self._session: ClientSession | None = None
        self._is_open = False
        self._live: dict[str, asyncio.Future[Closed]] = {}
        """For each session with a browser, what ends the carrying."""
        self._connecting: set[asyncio.Task[ClientWebSocketResponse]] = set()
        self._carriers: set[asyncio.Task[Any]] = set()

    async def open(self, settings: Settings, fleet: Fleet) -> None:
        """Carry for the servers of this fleet from now on."""
        self._fleet = fleet
        self._keys = ticket_keys(settings.secret_keys)
        self._ours = not settings.servers
        self._max_message = settings.max_message
        self._connect_timeout = settings.pull_timeout
        self._connects = Limit(settings.max_connects)
        self._refusals = Limit(settings.max_connects)
        self._session = ClientSession(
            connector=TCPConnector(limit=0, force_close=True),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )
        self._is_open = True

    def stop(self) -> None:
        """Take no new websocket, and tell the browsers of the open ones to come back."""
        if self._is_open and self._live:
            log.info("The relay stops: %d websockets are told to come back", len(self._live))
        self._is_open = False
        for connecting in self._connecting:
            connecting.cancel()
        for ending in self._live.values():
            _end(ending, RESTART)

    async def close(self) -> None:
        """Stop, and return when every websocket is closed."""
        self.stop()
        if self._carriers:
            await asyncio.wait(self._carriers)
        if self._session is not None:
            await self._session.close()

    async def inquire(self, ticket: Ticket) -> str:
        """Return whether a browser with this ticket could attach now: alive, gone, refused or unavailable."""
        if not self._is_open:
            return "unavailable"
        try:
            upstream = await self._connect_upstream(ticket, self._server(ticket))
        except Refused as refused:
            return {410: "gone", 403: "refused"}.get(refused.status, "unavailable")
        await upstream.close()
        return "alive"

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "websocket" or not f"{normpath('/' + path.lstrip('/'))}/".startswith("/bokeh/"):
            await self.app(scope, receive, send)
            return
        browser = Browser(receive, send, getattr(self, "_max_message", 2**20))
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._carriers.add(task)
        try:
            await self._serve(scope, path, browser)
        finally:
            self._carriers.discard(task)

    async def _serve(self, scope: Any, path: str, browser: Browser) -> None:
        address = (scope.get("client") or ("a Unix socket",))[0]
        try:
            ticket, server = self._check(scope, path)
            upstream = await self._connect(ticket, server, browser)
        except Refused as refused:
            status, reason = refused.status, str(refused)
            if status == 403 and not self._refusals.take(address):
                status, reason = 429, f"too many refusals; the last one: {reason}"
            log.warning("Refused a websocket of %s with %d: %s", address, status, reason)
            await browser.refuse(status, reason, refused.retry_after, scope.get("extensions"))
            return
        except Gone:
            return
        try:
            await self._carry(ticket, browser, upstream)
        finally:
            await leave(upstream)

    def _check(self, scope: Any, path: str) -> tuple[Ticket, Server]:
        """Return what the browser may attach to. Raises Refused."""
        if not self._is_open:
            raise STOPPING
        where = PATH.fullmatch(path)
        if where is None or b"%" in (scope.get("raw_path") or b""):
            raise Refused(403, "there is nothing at this path")
        if any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]):
            raise Refused(403, "it has a body")
        subprotocols = scope.get("subprotocols", [])
        if len(subprotocols) != 2 or subprotocols[0] != "bokeh":
            raise Refused(403, "it does not ask for the subprotocol bokeh with a ticket")
        if stranger := foreign_origin(scope):
            raise Refused(403, stranger)
        visitor = visitor_of(scope["headers"])
        if visitor is None:
            raise Refused(403, "it has no visitor's cookie")
        try:
            ticket = verify(subprotocols[1], visitor, self._keys, time.time())
        except TicketRefused as error:
            raise Refused(error.status, str(error)) from None
        if (ticket.server, ticket.application) != where.groups():
            raise Refused(403, "the ticket is for another path")
        if not self._connects.take(visitor):
            raise Refused(429, "too many connections of one visitor", retry_after=10)
        return ticket, self._server(ticket)

    def _server(self, ticket: Ticket) -> Server:
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

    async def _connect(self, ticket: Ticket, server: Server, browser: Browser) -> ClientWebSocketResponse:
        """Connect to the server, unless the browser goes away meanwhile. Raises Refused, or Gone."""
        connecting = asyncio.create_task(self._connect_upstream(ticket, server))
        leaving = asyncio.create_task(browser.receive())
        self._connecting.add(connecting)
        try:
            await asyncio.wait((connecting, leaving), return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                leaving.result()
            if connecting.cancelled():
                raise STOPPING
            return connecting.result()
        except BaseException:
            connecting.cancel()
            with suppress(BaseException):
                await leave(await connecting)
            raise
        finally:
            self._connecting.discard(connecting)
            leaving.cancel()

    async def _connect_upstream(self, ticket: Ticket, server: Server) -> ClientWebSocketResponse:
        key = server.secret_key
        token = generate_jwt_token(
            ID(ticket.session_id), key, signed=key is not None, expiration=TOKEN_LIFETIME
        )
        session = self._session
        assert session is not None  # noqa: S101
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await session.ws_connect(
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

    async def _carry(self, ticket: Ticket, browser: Browser, upstream: ClientWebSocketResponse) -> None:
        """Carry until one side ends it, a newer browser comes, or the site stops."""
        ending: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        if older := self._live.get(ticket.session_id):
            _end(older, Closed(4409, "opened elsewhere"))
        self._live[ticket.session_id] = ending
        if not self._is_open:  # it stopped while we were connecting
            _end(ending, RESTART)
        name = f"{ticket.application} on {ticket.server}"
        patience = Patience()
        try:
            await browser.accept()
            log.debug("A browser is attached to %s", name)
            async with asyncio.TaskGroup() as group:
                group.create_task(to_server(browser, upstream, patience))
                group.create_task(to_browser(upstream, browser, patience))
                group.create_task(patience.watch())
                group.create_task(browser.watch())
                group.create_task(_until(ending))
        except* Gone as gone:
            code = _first(gone).code
            log.debug("The browser of %s has gone with %d", name, code)
            await leave(upstream, code if is_legal(code) else 1001)
        except* TooLarge:
            log.info("The browser of %s sent a message above %d bytes", name, self._max_message)
            await browser.close(1009, "message too large", GOODBYE)
        except* Closed as ended:
            closed = _first(ended)
            log.debug("The browser of %s is told %d %s", name, closed.code, closed.reason)
            await browser.close(closed.code, closed.reason, GOODBYE)
        finally:
            ending.cancel()
            if self._live.get(ticket.session_id) is ending:
                del self._live[ticket.session_id]


def _end(ending: asyncio.Future[Closed], closed: Closed) -> None:
    if not ending.done():
        ending.set_result(closed)


async def _until(ending: asyncio.Future[Closed]) -> None:
    closed = await ending
    raise Closed(closed.code, closed.reason)


def _first(group: BaseExceptionGroup[E]) -> E:
    """Return one of the exceptions of a group."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

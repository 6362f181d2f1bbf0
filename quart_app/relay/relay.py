"""The relay: a browser's websocket carried to the Bokeh server that has its session.

Raw ASGI in front of the application. Whoever comes is checked before the upgrade, the server is asked
first, and then each side is read only as fast as the other one takes it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from contextlib import suppress
from posixpath import normpath
from typing import Any

from quart_app.asgi.proxies import ASGI
from quart_app.fleet.fleet import Fleet
from quart_app.fleet.server import Server
from quart_app.relay.browser import Browser, Gone, Receive, Send
from quart_app.relay.ratelimit import Limit
from quart_app.relay.ticket import Ticket, TicketRefused, ticket_keys, verify
from quart_app.relay.tunnel import Carrying
from quart_app.relay.upstream import GOODBYE, Refused, ServerSocket, Upstream
from quart_app.relay.visitor import foreign_origin, visitor_of
from quart_app.settings import Settings

log = logging.getLogger(__name__)

PATH = re.compile(r"/bokeh/([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+)/ws")

STOPPING = Refused(503, "the site is stopping", retry_after=1)
RESTART = 1012, "the site restarts"


class Relay:
    """ASGI middleware that answers ``/bokeh/<server>/<application>/ws`` and passes on everything else."""

    def __init__(self, app: ASGI) -> None:
        self.app = app
        self._is_open = False
        self._live: dict[str, Carrying] = {}
        """By session."""
        self._connecting: set[asyncio.Task[ServerSocket]] = set()
        self._carriers: set[asyncio.Task[Any]] = set()

    async def open(self, settings: Settings, fleet: Fleet) -> None:
        """Carry for the servers of this fleet from now on."""
        self._upstream = Upstream(settings, fleet)
        self._keys = ticket_keys(settings.secret_keys)
        self._max_message = settings.max_message
        self._connects = Limit(settings.max_connects)
        self._refusals = Limit(settings.max_connects)
        self._is_open = True

    def stop(self) -> None:
        """Take no new websocket, and tell the browsers of the open ones to come back."""
        if self._is_open and self._live:
            log.info("The relay stops: %d websockets are told to come back", len(self._live))
        self._is_open = False
        for connecting in self._connecting:
            connecting.cancel()
        for carrying in self._live.values():
            carrying.end(*RESTART)

    async def close(self) -> None:
        """Stop, and return when every websocket is closed."""
        self.stop()
        if self._carriers:
            await asyncio.wait(self._carriers)

    async def inquire(self, ticket: Ticket) -> str:
        """Return whether a browser with this ticket could attach now: alive, gone, refused or unavailable."""
        if not self._is_open:
            return "unavailable"
        try:
            upstream = await self._upstream.connect(ticket, self._upstream.find(ticket), "inquire")
        except Refused as refused:
            return {410: "gone", 403: "refused"}.get(refused.status, "unavailable")
        upstream.close()
        return "alive"

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "websocket" or not f"{normpath('/' + path.lstrip('/'))}/".startswith("/bokeh/"):
            await self.app(scope, receive, send)
            return
        browser = Browser(receive, send)
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
            upstream.close()

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
        return ticket, self._upstream.find(ticket)

    async def _connect(self, ticket: Ticket, server: Server, browser: Browser) -> ServerSocket:
        """Connect to the server, unless the browser goes away meanwhile. Raises Refused, or Gone."""
        connecting = asyncio.create_task(self._upstream.connect(ticket, server))
        leaving = asyncio.create_task(browser.leave())
        self._connecting.add(connecting)
        try:
            await asyncio.wait((connecting, leaving), return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                raise Gone
            if connecting.cancelled():
                raise STOPPING
            return connecting.result()
        except BaseException:
            connecting.cancel()
            with suppress(BaseException):
                (await connecting).close()
            raise
        finally:
            self._connecting.discard(connecting)
            leaving.cancel()

    async def _carry(self, ticket: Ticket, browser: Browser, upstream: ServerSocket) -> None:
        """Carry until one side ends it, a newer browser comes, or the site stops."""
        name = f"{ticket.application} on {ticket.server}"
        carrying = Carrying(browser, upstream, self._max_message)
        if older := self._live.get(ticket.session_id):
            older.end(4409, "opened elsewhere")
        self._live[ticket.session_id] = carrying
        if not self._is_open:  # it stopped while we were connecting
            carrying.end(*RESTART)
        try:
            await browser.accept()
            log.debug("A browser is attached to %s", name)
            closed = await carrying.run()
            upstream.close()
            if closed is None:
                log.debug("The browser of %s has gone", name)
            else:
                log.debug("The browser of %s is told %d %s", name, closed.code, closed.reason)
                await browser.close(closed.code, closed.reason, GOODBYE)
        finally:
            if self._live.get(ticket.session_id) is carrying:
                del self._live[ticket.session_id]

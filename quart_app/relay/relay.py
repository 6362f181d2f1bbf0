"""The relay: connects a browser's websocket to the Bokeh server that has its session.

It is ASGI middleware in front of the application. A client is checked, and its server connected, before the
upgrade; then a tunnel forwards bytes in both directions.
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
from quart_app.protocol import close_codes
from quart_app.relay.browser import Browser, Disconnected, Receive, Send
from quart_app.relay.frames import CloseReason
from quart_app.relay.ratelimit import TokenBuckets
from quart_app.relay.ticket import Ticket, TicketRefused, verify
from quart_app.relay.tunnel import Tunnel
from quart_app.relay.upstream import CLOSE_TIMEOUT, HandshakeRefused, ServerConnection, Upstream
from quart_app.relay.visitor import origin_error, visitor_of
from quart_app.settings import Settings

log = logging.getLogger(__name__)

PATH = re.compile(r"/bokeh/([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+)/ws")

STOPPING = "the site is stopping"
RESTART = CloseReason(close_codes.RESTART, "the site restarts")
OPENED_ELSEWHERE = CloseReason(close_codes.OPENED_ELSEWHERE, "opened elsewhere")


class Relay:
    """ASGI middleware that answers ``/bokeh/<server>/<application>/ws`` and leaves the rest to ``app``."""

    def __init__(self, app: ASGI) -> None:
        self.app = app
        self._is_open = False
        self._tunnels: dict[str, Tunnel] = {}
        """By session."""
        self._connecting: set[asyncio.Task[ServerConnection]] = set()
        self._requests: set[asyncio.Task[Any]] = set()

    async def open(self, settings: Settings, fleet: Fleet) -> None:
        """Accept websockets for the servers of this fleet."""
        self._upstream = Upstream(settings, fleet)
        self._secret_keys = settings.secret_keys
        self._max_message = settings.max_message
        self._connects = TokenBuckets(settings.max_connects)
        """By visitor."""
        self._refusals = TokenBuckets(settings.max_connects)
        """By address."""
        self._is_open = True

    def stop(self) -> None:
        """Refuse new websockets, and close the open ones with 1012: browsers then connect again."""
        if self._is_open and self._tunnels:
            log.info("The relay stops: closing %d websockets", len(self._tunnels))
        self._is_open = False
        for connecting in self._connecting:
            connecting.cancel()
        for tunnel in self._tunnels.values():
            tunnel.end(RESTART)

    async def close(self) -> None:
        """Stop, and return when all websockets are closed."""
        self.stop()
        if self._requests:
            await asyncio.wait(self._requests)

    async def session_state(self, ticket: Ticket) -> str:
        """Return ``alive``, ``gone``, ``refused``, or ``unavailable`` if that cannot be known now.

        Always ``unavailable`` for a stock server, which would create the session for such a request.
        """
        if not self._is_open:
            return "unavailable"
        try:
            await self._upstream.check(ticket)
        except HandshakeRefused as refused:
            return {410: "gone", 403: "refused"}.get(refused.status, "unavailable")
        return "alive"

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "websocket" or not f"{normpath('/' + path.lstrip('/'))}/".startswith("/bokeh/"):
            await self.app(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._requests.add(task)
        try:
            await self._serve(scope, path, Browser(receive, send))
        finally:
            self._requests.discard(task)

    async def _serve(self, scope: Any, path: str, browser: Browser) -> None:
        address = (scope.get("client") or ("a Unix socket",))[0]
        try:
            ticket, server = self._authorize(scope, path)
            upstream = await self._connect(ticket, server, browser)
        except HandshakeRefused as refused:
            status, reason = refused.status, str(refused)
            if status == 403 and not self._refusals.take(address):
                status, reason = 429, f"too many refused websockets from one address; the last one: {reason}"
            log.warning("Refused a websocket from %s with %d: %s", address, status, reason)
            await browser.refuse(status, reason, refused.retry_after, scope.get("extensions"))
            return
        except Disconnected:
            return
        try:
            await self._run_tunnel(ticket, browser, upstream)
        finally:
            upstream.close()

    def _authorize(self, scope: Any, path: str) -> tuple[Ticket, Server]:
        """Return the ticket of a handshake and the server of its session. Raises HandshakeRefused."""
        if not self._is_open:
            raise HandshakeRefused(503, STOPPING, retry_after=1)
        match = PATH.fullmatch(path)
        if match is None or b"%" in (scope.get("raw_path") or b""):
            raise HandshakeRefused(403, "there is no websocket at this path")
        if any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]):
            raise HandshakeRefused(403, "the request has a body")
        subprotocols = scope.get("subprotocols", [])
        if len(subprotocols) != 2 or subprotocols[0] != "bokeh":
            raise HandshakeRefused(403, "Sec-WebSocket-Protocol must be 'bokeh' and a ticket")
        if error := origin_error(scope):
            raise HandshakeRefused(403, error)
        visitor = visitor_of(scope["headers"])
        if visitor is None:
            raise HandshakeRefused(403, "the request has no visitor's cookie")
        try:
            ticket = verify(subprotocols[1], visitor, self._secret_keys, time.time())
        except TicketRefused as refused:
            raise HandshakeRefused(refused.status, str(refused)) from None
        if (ticket.server, ticket.application) != match.groups():
            raise HandshakeRefused(403, "the ticket is for another path")
        if not self._connects.take(visitor):
            quota = f"{self._connects.per_minute} a minute (BOKEH_MAX_CONNECTS)"
            raise HandshakeRefused(429, f"too many websockets of one visitor, above {quota}", retry_after=10)
        return ticket, self._upstream.find(ticket)

    async def _connect(self, ticket: Ticket, server: Server, browser: Browser) -> ServerConnection:
        """Connect to the server while the browser waits. Raises HandshakeRefused or Disconnected."""
        connecting = asyncio.create_task(self._upstream.connect(ticket, server))
        disconnecting = asyncio.create_task(browser.wait_disconnect())
        self._connecting.add(connecting)
        try:
            await asyncio.wait((connecting, disconnecting), return_when=asyncio.FIRST_COMPLETED)
            if disconnecting.done():
                raise Disconnected
            if connecting.cancelled():
                raise HandshakeRefused(503, STOPPING, retry_after=1)
            return connecting.result()
        except BaseException:
            connecting.cancel()
            with suppress(BaseException):
                (await connecting).close()
            raise
        finally:
            self._connecting.discard(connecting)
            disconnecting.cancel()

    async def _run_tunnel(self, ticket: Ticket, browser: Browser, upstream: ServerConnection) -> None:
        """Accept the websocket, and forward until a side ends, a newer browser comes, or the site stops."""
        name = f"{ticket.application} on {ticket.server}"
        tunnel = Tunnel(browser, upstream, self._max_message)
        if older := self._tunnels.get(ticket.session_id):
            older.end(OPENED_ELSEWHERE)
        self._tunnels[ticket.session_id] = tunnel
        if not self._is_open:  # it has stopped during the connect
            tunnel.end(RESTART)
        try:
            await browser.accept()
            log.debug("A browser is attached to %s", name)
            reason = await tunnel.run()
            upstream.close()
            if reason is None:
                log.debug("The browser of %s has disconnected", name)
            else:
                if reason.code == close_codes.TOO_LARGE:
                    log.warning(
                        "Closing a websocket of %s: a message of the browser has more bytes than "
                        "BOKEH_MAX_MESSAGE (%d) or the Bokeh server's --websocket-max-message-size allows",
                        *(name, self._max_message),
                    )
                log.debug("Closing the websocket of %s: %d %s", name, reason.code, reason.reason)
                await browser.close(reason, CLOSE_TIMEOUT)
        finally:
            if self._tunnels.get(ticket.session_id) is tunnel:
                del self._tunnels[ticket.session_id]

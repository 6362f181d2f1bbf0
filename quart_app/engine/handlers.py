"""Our Tornado handlers for the URLs of an application, each a small subclass of Bokeh's own.

They decide who gets a session before a websocket is upgraded or a page is rendered, and refuse in plain
words: a status, one line of text, one line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from time import time
from typing import Any
from urllib.parse import urlsplit

from bokeh.core.types import ID
from bokeh.protocol.message import Message
from bokeh.server import urls
from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession
from bokeh.server.util import check_allowlist
from bokeh.server.views.autoload_js_handler import AutoloadJsHandler as BokehAutoloadJsHandler
from bokeh.server.views.doc_handler import DocHandler as BokehDocHandler
from bokeh.server.views.session_handler import SessionHandler
from bokeh.server.views.ws import WSHandler as BokehWSHandler
from bokeh.settings import settings as bokeh_settings
from bokeh.util.token import generate_jwt_token
from tornado.web import RequestHandler

from quart_app.engine.admission import DISCARD, PURPOSE, Claim, Refused, read_session_id, read_token
from quart_app.engine.coalesce import send_whole
from quart_app.engine.extensions import compiled, implemented_in
from quart_app.engine.guarded import Guarded
from quart_app.engine.patches import corrections
from quart_app.protocol.outline import Outline

log = logging.getLogger(__name__)


class WSHandler(Guarded, BokehWSHandler):
    """A websocket that is open only when its session is there."""

    _held: ServerSession | None = None
    _is_pull = False
    """Whether the other side has made the session, and takes it for a browser that is still to come."""
    _is_browser = False

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Refuse before the upgrade. Bokeh accepts first and then closes, with a traceback for each."""
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            if not self.current_user:
                raise Refused(403, "sign in first")
            self._check_origin()
            session = await self._admit()
            if self.request.connection.stream.closed():  # type: ignore[union-attr]
                return  # gone while its session was made, which waits and expires
            self._held = session
            session.block_expiration()  # else it may end between here and open()
        try:
            await super().get(*args, **kwargs)
        finally:
            self._let_go()

    async def head(self) -> None:
        """Answer 204 if the session of the request's token exists, without creating one."""
        if not self.current_user:
            raise Refused(403, "sign in first")
        session_id, context = self._claim()[1].session_id, self.application_context
        if session_id not in context._sessions and session_id not in context._pending_sessions:
            raise Refused(410, "this session is gone")
        self.set_status(204)

    async def open(self, *args: Any, **kwargs: Any) -> None:
        assert self._token is not None  # noqa: S101
        self.gate.enter(self)
        # On all versions of Bokeh Nagle's algorithm holds the second of two small writes until the other
        # side's delayed ACK: 40 ms an exchange. (Tornado sees to HTTP.)
        self.set_nodelay(True)
        log.info("WebSocket connection opened")
        try:
            await self._async_open(self._token)
            self._take_place()
        finally:
            self._let_go()

    def _take_place(self) -> None:
        """Close the websocket of another browser of this session: the newer one wins.

        A relay sees to that for those that it carries itself; they may come through several web processes.
        """
        if not self._is_browser:
            return
        own = _session(self)
        for other in list(self.gate.sockets):
            if not (isinstance(other, WSHandler) and other._is_browser) or other is self:
                continue
            if own is not None and _session(other) is own:
                other.close(4409, "opened elsewhere")

    async def send_message(self, message: Message[Any]) -> None:
        """Tell whoever pulls the outline of the document, in the ACK, whose content is otherwise empty."""
        if message.msgtype == "ACK" and self._is_pull and self.connection is not None:
            document = self.connection.session.document
            outline = Outline.of(document)
            if own := implemented_in(document):
                outline = replace(outline, code=await asyncio.to_thread(compiled, own))
            message.content = {PURPOSE: outline.to_json()}
        elif message.msgtype == "ERROR":  # a callback's: where it comes from is for the log alone
            message.content = {"text": message.content["text"], "traceback": None}
        if self.get_compression_options() is None:
            await send_whole(message, self)
        else:
            await super().send_message(message)

    def on_close(self) -> None:
        self.gate.leave(self)
        if self._is_pull and self.close_code == DISCARD and self.connection is not None:
            self.connection.session.request_expiration()
        super().on_close()

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close with a code that exists and a reason that fits its frame.

        Bokeh (all versions up to 3.10) closes with 10000 and 10001: browsers see a broken connection.
        """
        code = {10000: 1011, 10001: 1002}.get(code or 0, code)
        if reason is not None:
            reason = reason.encode()[:123].decode(errors="ignore")
        super().close(code, reason)

    def _check_origin(self) -> None:
        """Hold every browser to Bokeh's list. Tornado since 6.6 does not ask where Origin equals Host."""
        origin = self.request.headers.get("Origin") or self.request.headers.get("Sec-Websocket-Origin")
        allowed = bokeh_settings.allowed_ws_origin() or list(self.application.websocket_origins)
        if origin is not None and not check_allowlist(urlsplit(origin).netloc.lower(), list(allowed)):
            raise Refused(
                403, f"pages of {origin} may not connect (--allow-websocket-origin, BOKEH_ALLOW_WS_ORIGIN)"
            )

    def _claim(self) -> tuple[str, Claim]:
        """Return the token in the subprotocols, and what it allows. Raises Refused."""
        words = [word.strip() for word in self.request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        if len(words) != 2 or words[0] != "bokeh":
            raise Refused(403, "there is no token in Sec-WebSocket-Protocol")
        app, token = self.application, words[1]
        return token, read_token(token, key=app.secret_key, signed=app.sign_sessions, now=time())

    async def _admit(self) -> ServerSession:
        context = self.application_context
        token, claim = self._claim()
        self._is_pull = claim.creates and self.application.sign_sessions
        self._is_browser = claim.is_browser
        session = await self.obtain(
            claim,
            lambda: context.create_session_if_needed(ID(claim.session_id), self.request, token),
            takes_failed=False,
        )
        if self._is_pull:
            self.gate.wait_for_browser(session, context)
        return session

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.unblock_expiration()
            self._held = None


def _session(socket: WSHandler) -> ServerSession | None:
    return socket.connection.session if socket.connection else None


class GuardedSessionHandler(Guarded, SessionHandler):
    """The session of an HTTP request."""

    async def get_session(self) -> ServerSession:  # type: ignore[override]
        if not self.current_user:
            raise Refused(403, "sign in first")
        app = self.application
        claim = self._claim()
        # A page opened at the server itself shows what there is of a failed application, as Bokeh does.
        session = await self.obtain(claim, self._make, takes_failed=True)
        if app.sign_sessions:
            # What the page gets attaches and does no more. Bokeh hands on the token that made the
            # session, with everything in it: headers, cookies, and the right to make it again.
            session._token = generate_jwt_token(
                session.id, app.secret_key, signed=True, expiration=app.session_token_expiration
            )
        return session

    async def _make(self) -> Any:
        return await super().get_session()  # type: ignore[misc]

    def _claim(self) -> Claim:
        app = self.application
        token = self.get_argument("bokeh-token", None, strip=False)
        asked = self.get_argument("bokeh-session-id", None, strip=False)
        names = [name for name in (asked, self.request.headers.get("Bokeh-Session-Id")) if name is not None]
        if len(names) + (token is not None) > 1:
            raise Refused(403, "more than one session is named")
        if token is not None:
            return read_token(token, key=app.secret_key, signed=app.sign_sessions, now=time())
        if names:
            return read_session_id(names[0], key=app.secret_key, signed=app.sign_sessions)
        if not app.generate_session_ids:
            raise Refused(403, "no session is named")
        return Claim("", creates=True)


class DocHandler(GuardedSessionHandler, BokehDocHandler):
    """The application's own page."""


class AutoloadJsHandler(GuardedSessionHandler, BokehAutoloadJsHandler):
    """The script of the classic recipe."""


def install() -> None:
    """Put our handlers in the place of Bokeh's in every server that is made from now on."""
    ours: dict[type[RequestHandler], type[RequestHandler]] = {
        BokehWSHandler: WSHandler,
        BokehDocHandler: DocHandler,
        BokehAutoloadJsHandler: AutoloadJsHandler,
    }
    corrections.require(
        "the handlers of an application's URLs",
        all(len(pattern) == 2 for pattern in urls.per_app_patterns),
        ours.keys() <= {pattern[1] for pattern in urls.per_app_patterns},
        hasattr(BokehWSHandler, "_async_open"),
        hasattr(SessionHandler, "get_session"),
        hasattr(ServerSession, "block_expiration"),
        {"_sessions", "_pending_sessions"} <= ApplicationContext.__annotations__.keys(),
        hasattr(ApplicationContext, "_discard_session"),
    )
    urls.per_app_patterns[:] = [
        (pattern[0], ours.get(pattern[1], pattern[1])) for pattern in urls.per_app_patterns
    ]

"""Subclasses of Bokeh's Tornado handlers that check a request before it gets a session.

A refused request gets a status and one line of text, before a websocket is upgraded or a page is rendered.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from bokeh.core.types import ID
from bokeh.document import Document
from bokeh.protocol.message import Message
from bokeh.server import urls
from bokeh.server.session import ServerSession
from bokeh.server.util import check_allowlist
from bokeh.server.views.autoload_js_handler import AutoloadJsHandler as BokehAutoloadJsHandler
from bokeh.server.views.doc_handler import DocHandler as BokehDocHandler
from bokeh.server.views.session_handler import SessionHandler as BokehSessionHandler
from bokeh.server.views.ws import WSHandler as BokehWSHandler
from bokeh.settings import settings as bokeh_settings
from tornado.web import RequestHandler

from quart_app.engine.admission import RequestRefused
from quart_app.engine.base_handler import BaseHandler
from quart_app.engine.models_script import compile_models, compiled_types
from quart_app.engine.patches import expect
from quart_app.engine.template import own_template
from quart_app.engine.tornado_internals import has_disconnected
from quart_app.protocol.close_codes import DISCARD, OPENED_ELSEWHERE
from quart_app.protocol.describe import describe
from quart_app.protocol.outline import Outline
from quart_app.protocol.tokens import PURPOSE, Claim, mint_token

log = logging.getLogger(__name__)


class WSHandler(BaseHandler, BokehWSHandler):
    """A websocket that is upgraded only when its session exists.

    Bokeh upgrades first and then closes, with a traceback in the log for every refusal.
    """

    _blocked: ServerSession | None = None
    """The session that must not expire until the websocket is open."""
    _is_pull = False
    """Whether the client creates the session for a browser that is still to come."""
    _is_browser = False

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            if not self.current_user:
                raise RequestRefused(403, "sign in first")
            self._check_origin()
            session = await self._get_session()
            if self._is_pull and has_disconnected(self.request):
                await self.admission.discard(session, self.application_context)
                return
            self._blocked = session
            session.block_expiration()
        try:
            await super().get(*args, **kwargs)
        finally:
            self._unblock_expiration()

    async def head(self) -> None:
        """Answer 204 if the session of the request's token exists, without creating one."""
        if not self.current_user:
            raise RequestRefused(403, "sign in first")
        session_id, context = self._claim()[1].session_id, self.application_context
        if session_id not in context._sessions and session_id not in context._pending_sessions:
            raise RequestRefused(410, "this session is gone")
        self.set_status(204)

    async def open(self, *args: Any, **kwargs: Any) -> None:
        assert self._token is not None  # noqa: S101
        self.admission.add_websocket(self)
        log.info("WebSocket connection opened")
        try:
            await self._async_open(self._token)
            self._close_older_browser()
        finally:
            self._unblock_expiration()

    async def send_message(self, message: Message[Any]) -> None:
        """Put the document's outline into the ACK of a pull, whose content is empty otherwise."""
        if message.msgtype == "ACK" and self._is_pull and self.connection is not None:
            outline = await outline_of(self.connection.session.document)
            message.content = {PURPOSE: outline.to_json()}
        elif message.msgtype == "ERROR":  # of a callback: only the log has the traceback
            message.content = {"text": message.content["text"], "traceback": None}
        await super().send_message(message)

    def on_close(self) -> None:
        self.admission.remove_websocket(self)
        if self._is_pull and self.close_code == DISCARD and self.connection is not None:
            self.connection.session.request_expiration()
        super().on_close()

    def _check_origin(self) -> None:
        """Check the origin of every browser. Tornado 6.6 does not ask Bokeh where Origin equals Host."""
        origin = self.request.headers.get("Origin") or self.request.headers.get("Sec-Websocket-Origin")
        allowed = bokeh_settings.allowed_ws_origin() or list(self.application.websocket_origins)
        if origin is not None and not check_allowlist(urlsplit(origin).netloc.lower(), list(allowed)):
            raise RequestRefused(
                403, f"pages of {origin} may not connect (--allow-websocket-origin, BOKEH_ALLOW_WS_ORIGIN)"
            )

    def _claim(self) -> tuple[str, Claim]:
        """Return the token in the subprotocols, and what it allows. Raises RequestRefused."""
        protocols = self.request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        if len(protocols) != 2 or protocols[0].strip() != "bokeh":
            raise RequestRefused(403, "there is no token in Sec-WebSocket-Protocol")
        token = protocols[1].strip()
        return token, self.claim_of(token=token)

    async def _get_session(self) -> ServerSession:
        context = self.application_context
        token, claim = self._claim()
        self._is_pull = claim.creates and self.application.sign_sessions
        self._is_browser = claim.is_browser
        session = await self.get_or_create_session(
            claim,
            lambda: context.create_session_if_needed(ID(claim.session_id), self.request, token),
            allow_failed=False,
        )
        if self._is_pull:
            self.admission.mark_unattached(session, context)
        return session

    def _unblock_expiration(self) -> None:
        if self._blocked is not None:
            self._blocked.unblock_expiration()
            self._blocked = None

    def _close_older_browser(self) -> None:
        """Close the websocket of another browser of this session.

        A relay does so for those it carries itself, but the two may come through different web processes.
        """
        session = self.connection.session if self.connection else None
        if not self._is_browser or session is None:
            return
        for other in list(self.admission.websockets):
            if other is self or not isinstance(other, WSHandler) or not other._is_browser:
                continue
            if other.connection is not None and other.connection.session is session:
                other.close(OPENED_ELSEWHERE, "opened elsewhere")


async def outline_of(document: Document) -> Outline:
    """Return the outline of a document, with the script of its own models and its template.

    Reads the document without its lock, as Bokeh's own page does: a callback may hold that for long.
    """
    outline = replace(describe(document), template=own_template(document))
    if own := compiled_types(document):
        outline = replace(outline, models_script=await asyncio.to_thread(compile_models, own))
    return outline


class SessionHandler(BaseHandler, BokehSessionHandler):
    """An HTTP request that needs a session."""

    async def get_session(self) -> ServerSession:  # type: ignore[override]
        if not self.current_user:
            raise RequestRefused(403, "sign in first")
        app = self.application
        claim = self._claim()
        # A page opened at the server itself shows what a failed application has left, as Bokeh's does.
        session = await self.get_or_create_session(claim, self._create_session, allow_failed=True)
        if app.sign_sessions:
            # Bokeh would give the page the token that created the session: with its headers, its cookies
            # and the right to create. This token attaches only.
            session._token = mint_token(session.id, app.secret_key, lifetime=app.session_token_expiration)
        return session

    async def _create_session(self) -> Any:
        return await super().get_session()  # type: ignore[misc]

    def _claim(self) -> Claim:
        token = self.get_argument("bokeh-token", None, strip=False)
        argument = self.get_argument("bokeh-session-id", None, strip=False)
        ids = [
            value for value in (argument, self.request.headers.get("Bokeh-Session-Id")) if value is not None
        ]
        if len(ids) + (token is not None) > 1:
            raise RequestRefused(403, "more than one session is named")
        if token is not None or ids:
            return self.claim_of(token=token, session_id="".join(ids))
        if not self.application.generate_session_ids:
            raise RequestRefused(403, "no session is named")
        return Claim("", creates=True)


class DocHandler(SessionHandler, BokehDocHandler):
    """The application's own page."""


class AutoloadJsHandler(SessionHandler, BokehAutoloadJsHandler):
    """The script of ``bokeh.embed.server_document`` and ``server_session``."""


HANDLERS: dict[str, type[RequestHandler]] = {
    "/?": DocHandler,
    "/ws": WSHandler,
    "/autoload.js": AutoloadJsHandler,
}
"""By Bokeh's pattern for the URL."""


def install() -> None:
    """Use our handlers in every server that is created from now on.

    Call it when applications are loaded, because importing Panel puts Panel's handlers there.
    """
    patterns = urls.per_app_patterns
    expect(
        "the URLs of an application (bokeh.server.urls.per_app_patterns)",
        {pattern[0] for pattern in patterns} == {*HANDLERS, "/metadata"},  # which needs no session
        all(len(pattern) == 2 for pattern in patterns),
    )
    patterns[:] = [(pattern[0], HANDLERS.get(pattern[0], pattern[1])) for pattern in patterns]

"""Base class of our Tornado handlers: get or create a session, or refuse with one line of text."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from time import time
from typing import Any

from bokeh.core.types import ID
from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession
from bokeh.server.tornado import BokehTornado
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import HTTPError

from quart_app.engine.admission import Admission, RequestRefused
from quart_app.engine.patches.script_failures import failure_of
from quart_app.engine.tornado_internals import ResponseLog
from quart_app.protocol.tokens import Claim, TokenRefused, read_session_id, read_token

log = logging.getLogger(__name__)

ADMISSION = "quart_bokeh_admission"
"""Key of the Admission in Tornado's settings."""


class BaseHandler(ResponseLog, AuthRequestHandler):
    """Reads claims, asks admission for new sessions, and writes refusals."""

    application: BokehTornado
    application_context: ApplicationContext
    _refusal: RequestRefused | None = None

    @property
    def admission(self) -> Admission:
        admission: Admission = self.application.settings[ADMISSION]
        return admission

    def claim_of(self, *, token: str | None = None, session_id: str = "") -> Claim:
        """Return what a token or, without one, a session id allows. Raises RequestRefused."""
        key, signed = self.application.secret_key, self.application.sign_sessions
        try:
            if token is not None:
                return read_token(token, key=key, signed=signed, now=time())
            return read_session_id(session_id, key=key, signed=signed)
        except TokenRefused as error:
            raise RequestRefused(403, str(error)) from None

    async def get_or_create_session(
        self, claim: Claim, create: Callable[[], Awaitable[Any]], *, allow_failed: bool
    ) -> ServerSession:
        """Return the session of a claim, created with ``create`` if the claim allows that.

        Raises RequestRefused. allow_failed: also return a new session whose application's script has raised.
        """
        context, path = self.application_context, self.application_context.url or "/"
        exists = claim.session_id in context._sessions
        is_new = not exists and claim.session_id not in context._pending_sessions
        if is_new and not claim.creates:
            raise RequestRefused(410, "this session is gone")
        async with self.admission.reserve() if is_new else nullcontext():
            try:
                session: ServerSession | None = await (
                    create() if is_new else context.create_session_if_needed(ID(claim.session_id))
                )
            except HTTPError:
                raise
            except Exception as error:  # Bokeh has logged it
                self.admission.last_start[path] = "error"
                raise self._application_failed(claim, f"{type(error).__name__}: {error}") from None
        if session is None or session.destroyed:
            raise RequestRefused(410, "this session is gone")
        failure = None if exists else failure_of(session.document)
        if is_new:
            self.admission.last_start[path] = "error" if failure else "ok"
        if failure and not allow_failed:
            if is_new:
                await self.admission.discard(session, context)
            raise self._application_failed(claim, failure)
        if exists:
            self.admission.mark_attached(session)
        return session

    def _application_failed(self, claim: Claim, failure: str) -> RequestRefused:
        """Return the refusal, with the reason only for a token that creates sessions, which takes the key."""
        may_know = claim.creates and self.application.sign_sessions
        reason = failure if may_know else "the server's log has the error"
        return RequestRefused(
            500, f"the application failed: {' '.join(reason.split())}", {"X-Bokeh-Error": "application"}
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if not isinstance(error, RequestRefused):
            super().write_error(status_code, **kwargs)
            return
        self._refusal = error
        for name, value in error.headers.items():
            self.set_header(name, value)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(error.reason_text + "\n")

    def log_response(self) -> bool:
        if self._refusal is None:
            return False
        # Without the query, which has ids and tokens.
        log.warning(
            "Refused %s: %d, %s", self.request.path, self._refusal.status_code, self._refusal.reason_text
        )
        return True

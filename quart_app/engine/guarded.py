"""What our Tornado handlers share: who gets a session, and refusals in plain words."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

from bokeh.core.types import ID
from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession
from bokeh.server.tornado import BokehTornado
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import HTTPError

from quart_app.engine.admission import Gate, Refused
from quart_app.engine.patches import corrections
from quart_app.protocol.tokens import Claim

log = logging.getLogger(__name__)

GATE = "quart_bokeh_gate"
"""Where Tornado's settings have the Gate."""


class Guarded(AuthRequestHandler):
    """What the handlers share: the gate, and refusals that say why."""

    application: BokehTornado
    application_context: ApplicationContext
    _refused: Refused | None = None

    @property
    def gate(self) -> Gate:
        gate: Gate = self.application.settings[GATE]
        return gate

    async def obtain(
        self, claim: Claim, make: Callable[[], Awaitable[Any]], *, takes_failed: bool
    ) -> ServerSession:
        """Return the session that is claimed, made with ``make`` if the claim allows that. Raises Refused.

        takes_failed: whether a new session counts though its application's script has raised.
        """
        context, path = self.application_context, self.application_context.url or "/"
        was_there = claim.session_id in context._sessions
        is_new = not was_there and claim.session_id not in context._pending_sessions
        if is_new and not claim.creates:
            raise Refused(410, "this session is gone")
        async with self.gate.making() if is_new else nullcontext():
            try:
                session: ServerSession | None = await (
                    make() if is_new else context.create_session_if_needed(ID(claim.session_id))
                )
            except HTTPError:
                raise
            except Exception as error:  # in the log already
                self.gate.starts[path] = "error"
                raise self._application_failed(claim, f"{type(error).__name__}: {error}") from None
        if session is None or session.destroyed:
            raise Refused(410, "this session is gone")
        failure = None if was_there else corrections.failure_of(session.document)
        if is_new:
            self.gate.starts[path] = "error" if failure else "ok"
        if failure and not takes_failed:
            if is_new:
                await context._discard_session(session, lambda session: session.connection_count == 0)
            raise self._application_failed(claim, failure)
        if was_there:
            self.gate.has_browser(session)
        return session

    def _application_failed(self, claim: Claim, failure: str) -> Refused:
        """Return the refusal that says so; what failed is for holders of the key, who made the claim."""
        may_know = claim.creates and self.application.sign_sessions
        reason = failure if may_know else "its server's log has the error"
        return Refused(
            500, f"the application failed: {' '.join(reason.split())}", {"X-Bokeh-Error": "application"}
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if not isinstance(error, Refused):
            super().write_error(status_code, **kwargs)
            return
        self._refused = error
        for name, value in error.headers.items():
            self.set_header(name, value)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(error.reason_text + "\n")

    def _log(self) -> None:
        if self._refused is None:
            super()._log()
        else:  # without the query: ids and tokens are in it
            what = self.request.path, self._refused.status_code, self._refused.reason_text
            log.warning("Refused %s: %d, %s", *what)

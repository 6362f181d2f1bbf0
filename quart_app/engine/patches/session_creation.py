"""End a session's creation when its application raises, and free the session's id.

What is wrong: when a function application raises, its session's id stays pending for ever, and every later
request for that id waits for ever.
Since: 3.9.2 and before. Bokeh 3.10 creates the session in a task that cleans up after itself
(https://github.com/bokeh/bokeh/pull/15239); there the patch does nothing.
Upstream: https://github.com/bokeh/bokeh/issues/15293 (closed by that change); none known about the hang.
Can go: with support for Bokeh 3.9.
"""

from __future__ import annotations

import logging
from typing import Any

from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession

from quart_app.engine.patches import expect, names_used

log = logging.getLogger(__name__)


def free_failed_ids() -> None:
    """Wrap ``ApplicationContext.create_session_if_needed`` of Bokeh 3.9."""
    if hasattr(ApplicationContext, "_session_creation_done"):
        return
    stock = ApplicationContext.create_session_if_needed
    expect(
        "how a session is created (ApplicationContext.create_session_if_needed)",
        "_pending_sessions" in names_used(stock),
    )

    async def create_session_if_needed(
        self: ApplicationContext, session_id: Any, request: Any = None, token: Any = None
    ) -> ServerSession:
        is_creator = session_id not in self._pending_sessions
        try:
            return await stock(self, session_id, request, token)
        except BaseException as error:
            pending = self._pending_sessions.pop(session_id, None) if is_creator else None
            if pending is not None:
                log.error("Cannot create a session of %s", self.url, exc_info=error)
                if isinstance(error, Exception):
                    pending.set_exception(error)
                    pending.exception()  # no other request may be waiting for it
                else:
                    pending.cancel()
            raise

    ApplicationContext.create_session_if_needed = create_session_if_needed  # type: ignore[method-assign]

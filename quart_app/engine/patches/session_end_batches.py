"""Discard expired sessions in small batches, so that requests are answered in between.

What is wrong: ``ApplicationContext._cleanup_sessions`` discards all expired sessions without returning to
the event loop (up to Bokeh 3.9): 300 of them block a server for a minute. In 3.10 each session takes several
turns of the loop, one session after the other: where sessions are created meanwhile, fewer end than are
created.
Since: 3.9.2 and before; the sequential form since 3.10.
Upstream: none known. https://github.com/holoviz/panel/pull/3259 describes the blocking.
Can go: when Bokeh discards several expired sessions at a time and yields in between.
"""

from __future__ import annotations

import asyncio

from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession

from quart_app.engine.patches import expect, names_used

MIN_BATCH = 8
MAX_BATCHES = 16


def discard_in_batches() -> None:
    """Replace ``ApplicationContext._cleanup_sessions``."""
    used = {"connection_count", "milliseconds_since_last_unsubscribe", "expiration_requested"}
    expect(
        "how expired sessions are discarded (ApplicationContext._cleanup_sessions)",
        used | {"expiration_blocked", "_discard_session"} <= names_used(ApplicationContext._cleanup_sessions),
    )

    async def cleanup_sessions(self: ApplicationContext, unused_session_linger_milliseconds: int) -> None:
        def has_expired(session: ServerSession) -> bool:
            return session.connection_count == 0 and (
                session.milliseconds_since_last_unsubscribe > unused_session_linger_milliseconds
                or session.expiration_requested
            )

        def is_discardable(session: ServerSession) -> bool:
            return not session.destroyed and not session.expiration_blocked and has_expired(session)

        expired = [session for session in self.sessions if is_discardable(session)]
        size = max(MIN_BATCH, len(expired) // MAX_BATCHES)
        for start in range(0, len(expired), size):
            batch = [session for session in expired[start : start + size] if is_discardable(session)]
            await asyncio.gather(*(self._discard_session(session, has_expired) for session in batch))

    ApplicationContext._cleanup_sessions = cleanup_sessions  # type: ignore[method-assign]

"""Admission: counts the sessions and websockets of a server process and limits new sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler

if TYPE_CHECKING:
    from bokeh.server.contexts import ApplicationContext
    from bokeh.server.session import ServerSession

MIN_WAIT_FOR_BROWSER = 2.0
"""Seconds for which a new session without a browser is safe from eviction."""


class RequestRefused(HTTPError):
    """A request gets no session. ``reason_text`` is the body of the response: one line."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.reason_text = reason
        self.headers = headers or {}


class Admission:
    """Decides whether a session may be created.

    max_sessions: limit of live sessions; 0: no limit.
    """

    def __init__(self, max_sessions: int = 0) -> None:
        self.max_sessions = max_sessions
        self.is_draining = False
        self.contexts: Collection[ApplicationContext] = ()
        """Bokeh's contexts, one for each application: they hold the sessions."""
        self.websockets: set[WebSocketHandler] = set()
        """The open websockets."""
        self.all_closed = asyncio.Event()
        """Set while no websocket is open."""
        self.all_closed.set()
        self.last_start: dict[str, str] = {}
        """By path of an application, how the last creation of a session ended: ``ok`` or ``error``."""
        self._reserved = 0
        self._unattached: WeakKeyDictionary[ServerSession, tuple[ApplicationContext, float]] = (
            WeakKeyDictionary()
        )
        """Sessions that no browser has connected to yet, the oldest first, with the time of creation. Weak
        keys, because most of them expire."""

    @property
    def session_count(self) -> int:
        return sum(len(context._sessions) for context in self.contexts)

    def add_websocket(self, websocket: WebSocketHandler) -> None:
        self.websockets.add(websocket)
        self.all_closed.clear()

    def remove_websocket(self, websocket: WebSocketHandler) -> None:
        self.websockets.discard(websocket)
        if not self.websockets:
            self.all_closed.set()

    def mark_unattached(self, session: ServerSession, context: ApplicationContext) -> None:
        """Note that a session has been created whose browser is still to come."""
        self._unattached[session] = context, monotonic()

    def mark_attached(self, session: ServerSession) -> None:
        """Note that a client has come for a session: it is not evicted any more."""
        self._unattached.pop(session, None)

    async def discard(self, session: ServerSession, context: ApplicationContext) -> None:
        """End a session now, unless a client is attached to it."""
        if session.connection_count == 0:
            await context._discard_session(session, lambda session: session.connection_count == 0)

    async def evict_unattached(self) -> bool:
        """End the session that has been without a browser for longest, and return whether there was one.

        Otherwise clients that open pages and leave, such as crawlers, would use up the limit.
        """
        for session, (context, since) in list(self._unattached.items()):
            if session.destroyed:
                del self._unattached[session]
            elif session.connection_count == 0:
                if monotonic() - since <= MIN_WAIT_FOR_BROWSER:
                    return False
                del self._unattached[session]
                await self.discard(session, context)
                return True
        return False

    @asynccontextmanager
    async def reserve(self) -> AsyncGenerator[None]:
        """Reserve the place of a session while it is created. Raises RequestRefused if there is none."""
        if self.is_draining:
            raise RequestRefused(503, "the server is shutting down", {"Retry-After": "2"})
        while 0 < self.max_sessions <= self.session_count + self._reserved:
            if not await self.evict_unattached():
                reason = f"the server has reached its limit of {self.max_sessions} sessions (--max-sessions)"
                raise RequestRefused(503, reason, {"Retry-After": "10"})
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1

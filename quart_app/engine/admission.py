"""Who gets a session: what a request shows, what that allows, and how many there may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler

from quart_app.protocol import tokens
from quart_app.protocol.tokens import Claim

if TYPE_CHECKING:
    from bokeh.server.contexts import ApplicationContext
    from bokeh.server.session import ServerSession

WAIT = 2.0
"""Seconds that a new session may wait for its browser before it can lose its place to another new one."""


class Refused(HTTPError):
    """A request gets no session. ``reason_text`` is for whoever asked: one line, the whole body."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.reason_text = reason
        self.headers = headers or {}


def read_token(token: str, *, key: bytes | None, signed: bool, now: float) -> Claim:
    """As ``protocol.tokens.read_token``. Raises Refused."""
    try:
        return tokens.read_token(token, key=key, signed=signed, now=now)
    except tokens.TokenRefused as error:
        raise Refused(403, str(error)) from None


def read_session_id(session_id: str, *, key: bytes | None, signed: bool) -> Claim:
    """As ``protocol.tokens.read_session_id``. Raises Refused."""
    try:
        return tokens.read_session_id(session_id, key=key, signed=signed)
    except tokens.TokenRefused as error:
        raise Refused(403, str(error)) from None


class Gate:
    """Counts the sessions of one server process, and stops new ones when there are enough or it is ending.

    max_sessions: live sessions above which nothing new is made; 0: no limit.
    """

    def __init__(self, max_sessions: int = 0) -> None:
        self.max_sessions = max_sessions
        self.is_draining = False
        self.contexts: Collection[ApplicationContext] = ()
        """Bokeh's holders of the sessions, one for each application."""
        self.sockets: set[WebSocketHandler] = set()
        """The open websockets."""
        self.is_empty = asyncio.Event()
        """Set while no websocket is open."""
        self.is_empty.set()
        self.starts: dict[str, str] = {}
        """By path of an application, how its last session's creation ended: ``ok`` or ``error``."""
        self._making = 0
        self._waiting: WeakKeyDictionary[ServerSession, tuple[ApplicationContext, float]] = (
            WeakKeyDictionary()
        )
        """Sessions that no browser has come for yet, the oldest first, and since when they wait.

        Weak, for most of them expire: pages of crawlers, and warm sessions that have been renewed.
        """

    @property
    def live(self) -> int:
        """How many sessions there are."""
        return sum(len(context._sessions) for context in self.contexts)

    def enter(self, socket: WebSocketHandler) -> None:
        self.sockets.add(socket)
        self.is_empty.clear()

    def leave(self, socket: WebSocketHandler) -> None:
        self.sockets.discard(socket)
        if not self.sockets:
            self.is_empty.set()

    def wait_for_browser(self, session: ServerSession, context: ApplicationContext) -> None:
        """Note that a session has been made for a browser that is still to come."""
        self._waiting[session] = context, monotonic()

    def has_browser(self, session: ServerSession) -> None:
        """Note that somebody has come for a session: from now on it keeps its place."""
        self._waiting.pop(session, None)

    async def make_room(self) -> bool:
        """End the session that has waited for its browser for longest, if that is long enough.

        Else whoever opens pages and leaves them, as a crawler does, would keep everybody else out.
        """
        for session, (context, since) in list(self._waiting.items()):
            if session.destroyed:
                del self._waiting[session]
            elif session.connection_count == 0:
                if monotonic() - since <= WAIT:
                    return False
                del self._waiting[session]
                await context._discard_session(session, lambda session: session.connection_count == 0)
                return True
        return False

    @asynccontextmanager
    async def making(self) -> AsyncGenerator[None]:
        """Hold the place of a session that is being made. Raises Refused if there is none."""
        if self.is_draining:
            raise Refused(503, "the server is about to end", {"Retry-After": "2"})
        while 0 < self.max_sessions <= self.live + self._making:
            if not await self.make_room():
                reason = f"there are {self.max_sessions} sessions, and no room for more"
                raise Refused(503, reason, {"Retry-After": "10"})
        self._making += 1
        try:
            yield
        finally:
            self._making -= 1

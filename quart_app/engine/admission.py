"""Who gets a session: what a request shows, what that allows, and how many there may be."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from bokeh.util.token import (
    check_session_id_signature,
    check_token_signature,
    get_session_id,
    get_token_payload,
)
from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler

if TYPE_CHECKING:
    from bokeh.server.contexts import ApplicationContext
    from bokeh.server.session import ServerSession

PURPOSE = "quart_bokeh"
"""The key in a token's payload that says what the token is for."""
CREATE = "create"
"""The purpose of the only tokens that make a session on a server that signs."""
BROWSER = "browser"
"""The purpose of those with which a site carries a browser's websocket: a session has one of these."""
DISCARD = 4410
"""The close code with which whoever made a session says that nobody will come for it."""
WAIT = 2.0
"""Seconds that a new session may wait for its browser before it can lose its place to another new one."""


class Refused(HTTPError):
    """A request gets no session. ``reason_text`` is for whoever asked: one line, the whole body."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.reason_text = reason
        self.headers = headers or {}


@dataclass(frozen=True)
class Claim:
    """The session that a request names, and whether the request may make it."""

    session_id: str
    creates: bool
    is_browser: bool = False
    """Whether a site carries the websocket of a session's browser with it."""


def read_token(token: str, *, key: bytes | None, signed: bool, now: float) -> Claim:
    """Return what a Bokeh token claims. ``now`` as ``time.time()`` counts. Raises Refused."""
    try:
        is_genuine = check_token_signature(token, key, signed)
        payload: Mapping[str, Any] = get_token_payload(token) if is_genuine else {}
        session_id = get_session_id(token) if is_genuine else ""
        has_expired = is_genuine and now >= payload["session_expiry"]
    except Exception:
        raise Refused(403, "the token cannot be read") from None
    if not is_genuine:
        raise Refused(403, "the token's signature is wrong")
    if has_expired:
        raise Refused(403, "the token has expired")
    _check_id(session_id)
    purpose = payload.get(PURPOSE)
    return Claim(session_id, creates=not signed or purpose == CREATE, is_browser=purpose == BROWSER)


def read_session_id(session_id: str, *, key: bytes | None, signed: bool) -> Claim:
    """Return what a bare session id claims: its session, if there is one. Raises Refused."""
    try:
        is_genuine = check_session_id_signature(session_id, key, signed)
    except Exception:  # not ASCII
        is_genuine = False
    if not is_genuine:
        raise Refused(403, "the session id's signature is wrong")
    _check_id(session_id)
    return Claim(session_id, creates=not signed)


def _check_id(session_id: object) -> None:
    """Refuse what is no session id, above all a token: it carries the same key's signature.

    Whoever has a page has its token; taken as an id it would be a second session of one's own making.
    """
    if not isinstance(session_id, str) or not session_id:
        raise Refused(403, "that is not a session id")
    head = session_id.partition(".")[0]
    try:
        content = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        return
    if isinstance(content, dict):
        raise Refused(403, "a token is not a session id")


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

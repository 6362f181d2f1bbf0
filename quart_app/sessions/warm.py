"""Sessions pulled ahead of time, for pages that pass nothing of their own to the application."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from types import TracebackType
from typing import Self

from quart_app.fleet.supervisor import backoff
from quart_app.page.delivery import PulledSession
from quart_app.sessions.errors import ApplicationFailed

log = logging.getLogger(__name__)

LOOK = 0.1
"""Seconds until the pool looks again for sessions that grow old, and whether pages wait: they come first."""


@dataclass
class Shelf:
    """The warm sessions of one application, the oldest first, each with the time when it is too old."""

    size: int
    sessions: deque[tuple[float, PulledSession]] = field(default_factory=deque)
    failures: int = 0
    not_before: float = 0.0
    """After a failure: when to try again."""
    requests: int = 0
    hits: int = 0
    made: int = 0
    errors: int = 0

    def drop_old(self) -> None:
        """Forget sessions that are too old, or whose server has gone; their servers end them."""
        now = monotonic()
        fresh = [(end, session) for end, session in self.sessions if now < end and session.is_usable]
        self.sessions = deque(fresh)

    def wants_one(self, renew_before: float) -> bool:
        """Whether a session is missing, or will be too old within ``renew_before`` seconds."""
        now = monotonic()
        young = sum(now + renew_before < end for end, _ in self.sessions)
        return young < self.size and now >= self.not_before


class Warm:
    """A pool that keeps ``sizes[name]`` sessions ready for each application.

    make: pulls one session of an application.
    max_age: seconds after which a session is not given to a page any more; each a random tenth less, so
        that sessions made together are not renewed together. Each is replaced before it is that old.
    is_busy: whether pages are waiting for sessions of their own; the pool then waits too.

    Use it with ``async with``: outside of it ``take`` gives nothing.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        make: Callable[[str], Awaitable[PulledSession]],
        *,
        max_age: float,
        is_busy: Callable[[], bool],
    ) -> None:
        self._shelves = {name: Shelf(size) for name, size in sizes.items()}
        self._make = make
        self._max_age = max_age
        self._is_busy = is_busy
        self._taken = asyncio.Event()
        self._filling: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        ready = ", ".join(
            f"{name} {len(shelf.sessions)} of {shelf.size}" for name, shelf in self._shelves.items()
        )
        return f"<Warm {ready or 'nothing'}>"

    async def __aenter__(self) -> Self:
        if self._shelves:
            self._filling = asyncio.create_task(self._keep_filled())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait([self._filling])

    def take(self, name: str) -> PulledSession | None:
        """Return a session for one page, or None if none is ready."""
        shelf = self._shelves.get(name)
        if shelf is None:
            return None
        shelf.requests += 1
        shelf.drop_old()
        if not shelf.sessions:
            return None
        shelf.hits += 1
        self._taken.set()
        return shelf.sessions.popleft()[1]

    def get_stats(self) -> dict[str, dict[str, int]]:
        """Return for each application: its size, the sessions available, and counts since the start."""
        return {
            name: {
                "size": shelf.size,
                "available": len(shelf.sessions),
                "requests": shelf.requests,
                "hits": shelf.hits,
                "made": shelf.made,
                "errors": shelf.errors,
            }
            for name, shelf in self._shelves.items()
        }

    async def _keep_filled(self) -> None:
        while True:
            self._taken.clear()
            for name, shelf in self._shelves.items():
                shelf.drop_old()
                while shelf.wants_one(self._max_age / 4):
                    if self._is_busy():
                        break
                    await self._add(name, shelf)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._taken.wait()

    async def _add(self, name: str, shelf: Shelf) -> None:
        end = monotonic() + self._max_age * random.uniform(0.9, 1.0)  # noqa: S311
        try:
            session = await self._make(name)
        except Exception as error:  # whatever it is, a page will meet it too; the pool must go on
            if not shelf.failures:
                reason = error.reason if isinstance(error, ApplicationFailed) else error
                log.warning("No warm session of %s: %s", name, reason)
            shelf.failures += 1
            shelf.errors += 1
            shelf.not_before = monotonic() + backoff(shelf.failures)
            return
        shelf.failures = 0
        shelf.made += 1
        shelf.sessions.append((end, session))
        while len(shelf.sessions) > shelf.size:
            shelf.sessions.popleft()

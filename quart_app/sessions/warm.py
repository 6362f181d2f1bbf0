"""The warm pool: sessions pulled ahead of time, for pages that pass nothing to the application."""

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
from quart_app.sessions.errors import ApplicationFailed
from quart_app.sessions.session import Session

log = logging.getLogger(__name__)

POLL_INTERVAL = 0.1
"""Seconds between two attempts to refill the pool. It is not refilled while pages wait for sessions."""


@dataclass
class Queue:
    """The warm sessions of one application, the oldest first, each with the time when it expires."""

    size: int
    sessions: deque[tuple[float, Session]] = field(default_factory=deque)
    failures: int = 0
    not_before: float = 0.0
    """When to try again after a failure, in seconds of ``time.monotonic()``."""
    requests: int = 0
    hits: int = 0
    made: int = 0
    errors: int = 0

    def drop_expired(self) -> None:
        """Remove sessions that have expired or whose server has ended."""
        now = monotonic()
        fresh = [(end, session) for end, session in self.sessions if now < end and session.is_usable]
        self.sessions = deque(fresh)

    def is_missing_one(self, renew_before: float) -> bool:
        """Whether a session is missing, or will be too old within ``renew_before`` seconds."""
        now = monotonic()
        young = sum(now + renew_before < end for end, _ in self.sessions)
        return young < self.size and now >= self.not_before


class WarmPool:
    """A pool that keeps ``sizes[name]`` sessions ready for each application.

    make: pulls one session of an application.
    max_age: seconds after which a session is not given to a page any more, less a jitter of up to 10 %. It
        is replaced before it is that old.
    is_busy: whether pages are waiting for sessions of their own; the pool then waits too.

    Use it with ``async with``: outside of it ``take`` gives nothing.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        make: Callable[[str], Awaitable[Session]],
        *,
        max_age: float,
        is_busy: Callable[[], bool],
    ) -> None:
        self._queues = {name: Queue(size) for name, size in sizes.items()}
        self._make = make
        self._max_age = max_age
        self._is_busy = is_busy
        self._taken = asyncio.Event()
        self._filling: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        ready = ", ".join(
            f"{name} {len(queue.sessions)} of {queue.size}" for name, queue in self._queues.items()
        )
        return f"<WarmPool {ready or 'nothing'}>"

    async def __aenter__(self) -> Self:
        if self._queues:
            self._filling = asyncio.create_task(self._keep_filled())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait([self._filling])

    def take(self, name: str) -> Session | None:
        """Return a session for one page, or None if none is ready."""
        queue = self._queues.get(name)
        if queue is None:
            return None
        queue.requests += 1
        queue.drop_expired()
        if not queue.sessions:
            return None
        queue.hits += 1
        self._taken.set()
        return queue.sessions.popleft()[1]

    def get_stats(self) -> dict[str, dict[str, int]]:
        """Return for each application: its size, the sessions available, and counts since the start."""
        return {
            name: {
                "size": queue.size,
                "available": len(queue.sessions),
                "requests": queue.requests,
                "hits": queue.hits,
                "made": queue.made,
                "errors": queue.errors,
            }
            for name, queue in self._queues.items()
        }

    async def _keep_filled(self) -> None:
        while True:
            self._taken.clear()
            for name, queue in self._queues.items():
                queue.drop_expired()
                while queue.is_missing_one(self._max_age / 4):
                    if self._is_busy():
                        break
                    await self._add(name, queue)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_INTERVAL):
                    await self._taken.wait()

    async def _add(self, name: str, queue: Queue) -> None:
        end = monotonic() + self._max_age * random.uniform(0.9, 1.0)  # noqa: S311
        try:
            session = await self._make(name)
        except Exception as error:  # whatever it is, a page will meet it too; the pool must go on
            if not queue.failures:
                reason = error.reason if isinstance(error, ApplicationFailed) else error
                log.warning("No warm session of %s: %s", name, reason)
            queue.failures += 1
            queue.errors += 1
            queue.not_before = monotonic() + backoff(queue.failures)
            return
        queue.failures = 0
        queue.made += 1
        queue.sessions.append((end, session))
        while len(queue.sessions) > queue.size:
            queue.sessions.popleft()

"""Gets pages their sessions: within limits, from the warm pool or from a server, pulled in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from quart_app.catalogue import BokehApp
from quart_app.fleet.fleet import Fleet
from quart_app.sessions.errors import (
    ApplicationFailed,
    EmbedError,
    NoServer,
    PullTimedOut,
    TooManySessions,
    UnknownApplication,
)
from quart_app.sessions.limits import Place, Waiting
from quart_app.sessions.pull import Pull, ServerFull, Unreachable
from quart_app.sessions.session import RequestData, Session
from quart_app.sessions.warm import WarmPool
from quart_app.settings import Settings

if TYPE_CHECKING:
    from quart_app.sessions.customize import Customize

log = logging.getLogger(__name__)


class SessionPool:
    """Pulls the sessions of a site's pages. Works inside ``async with``."""

    def __init__(self, settings: Settings, fleet: Fleet, applications: Mapping[str, BokehApp]) -> None:
        self._settings = settings
        self._fleet = fleet
        self._applications = applications
        self._stack = AsyncExitStack()
        self.waiting = Waiting(
            total=settings.max_waiting,
            per_visitor=settings.max_waiting_per_visitor,
            per_address=settings.max_waiting_per_address,
        )
        # Servers that others run may have applications that our folder has not.
        known = applications if not settings.servers else settings.warm
        self.warm = WarmPool(
            {name: size for name, size in settings.warm.items() if name in known},
            lambda name: self._create(name, RequestData(), None),
            max_age=settings.session_lifetime / 2,
            is_busy=lambda: self.waiting.count > 0,
        )

    async def __aenter__(self) -> Self:
        for name in self._settings.warm:
            if not self._settings.servers and name not in self._applications:
                log.warning("BOKEH_WARM: there is no application %r", name)
        self._executor = ThreadPoolExecutor(self._settings.pull_threads, "bokeh-pull")
        self._stack.callback(self._executor.shutdown, wait=False, cancel_futures=True)
        await self._stack.enter_async_context(self.warm)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def admit(self, name: str, *, visitor: str | None, address: str | None) -> Place:
        """Let a page wait for a session of the application, or raise at once what is known against it."""
        if not self._settings.servers:
            app = self._applications.get(name)
            if app is None:
                raise UnknownApplication(name)
            if error := self._fleet.load_error(name):
                raise self.log_failure(name, ApplicationFailed(name, error))
        if not any(server.is_running for server in self._fleet.servers):
            raise NoServer
        return self.waiting.admit(visitor=visitor, address=address)

    async def get(self, name: str, data: RequestData, customize: Customize | None, place: Place) -> Session:
        """Return a session for the page that holds this place, and release the place.

        Takes BOKEH_PULL_TIMEOUT seconds at most. Raises one of ``quart_app.sessions.errors``, or what
        ``customize`` raises.
        """
        with place:
            if data == RequestData() and customize is None and (session := self.warm.take(name)):
                return session
            try:
                return await self._create(name, data, customize)
            except ApplicationFailed as failed:
                raise self.log_failure(name, failed) from None
            except PullTimedOut:
                log.warning("%s was not ready within %g s", name, self._settings.pull_timeout)
                raise

    def log_failure(self, name: str, failed: ApplicationFailed) -> ApplicationFailed:
        """Log the reason under the id that the page shows; with BOKEH_DEV, show it in the page too."""
        log.error("[%s] %s: %s", failed.id, name, failed.reason)
        if self._settings.dev:
            failed.show_reason()
        return failed

    async def _create(self, name: str, data: RequestData, customize: Customize | None) -> Session:
        """Pull a session from the first server that can take one."""
        seconds, max_message = self._settings.pull_timeout, self._settings.max_message
        deadline = monotonic() + seconds
        refusal: EmbedError = NoServer()
        try:
            async with asyncio.timeout(seconds):
                for server in self._fleet.candidates(name):
                    pull = Pull(server, name, data, customize, deadline=deadline, max_message=max_message)
                    try:
                        return await self._run(pull)
                    except Unreachable as error:
                        server.mark_unreachable(str(error))
                    except ServerFull:
                        refusal = TooManySessions()
        except TimeoutError:
            if monotonic() < deadline:  # it is one that customize has raised
                raise
            raise PullTimedOut(name, seconds) from None
        raise refusal

    async def _run(self, pull: Pull) -> Session:
        """Run a pull in one of our threads. Cancellation aborts the pull and frees the thread."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, pull.run)
        except asyncio.CancelledError:
            pull.abort()
            raise

"""Who may wait for a session, which server makes it, and in which thread it is pulled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Self

from bokeh.core.types import ID
from bokeh.util.token import generate_jwt_token

from quart_app.catalogue import BokehApp
from quart_app.fleet.fleet import Fleet
from quart_app.page.delivery import Delivery, PulledSession
from quart_app.page.template import Template, fetch_template
from quart_app.sessions.errors import (
    ApplicationFailed,
    EmbedError,
    NoServer,
    PullTimedOut,
    TooManySessions,
    UnknownApplication,
)
from quart_app.sessions.limits import Place, Waiting
from quart_app.sessions.pull import Customize, Full, Passed, Pull, Pulled, Unreachable
from quart_app.sessions.warm import Warm
from quart_app.settings import Settings

log = logging.getLogger(__name__)


class Puller:
    """Pulls the sessions of a site's pages, within its limits. Works inside ``async with``."""

    def __init__(
        self, settings: Settings, fleet: Fleet, applications: Mapping[str, BokehApp], delivery: Delivery
    ) -> None:
        self._settings = settings
        self._fleet = fleet
        self._applications = applications
        self._delivery = delivery
        self._stack = AsyncExitStack()
        self.waiting = Waiting(
            total=settings.max_waiting,
            per_visitor=settings.max_waiting_per_visitor,
            per_address=settings.max_waiting_per_address,
        )
        # Others may serve what our folder does not have.
        known = applications if not settings.servers else settings.warm
        self.warm = Warm(
            {name: size for name, size in settings.warm.items() if name in known},
            lambda name: self._pull_from_any(name, Passed(), None),
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
        if not self._settings.servers:  # others may serve what our folder does not have
            app = self._applications.get(name)
            if app is None:
                raise UnknownApplication(name)
            if error := self._fleet.error_of(name):
                raise self.logged(name, ApplicationFailed(name, error))
        if not any(server.is_running for server in self._fleet.servers):
            raise NoServer
        return self.waiting.admit(visitor=visitor, address=address)

    async def pull(
        self, name: str, passed: Passed, customize: Customize | None, place: Place
    ) -> PulledSession:
        """Return a session for the page that has this place, and give the place back.

        Takes BOKEH_PULL_TIMEOUT seconds at most. Raises one of ``quart_app.sessions.errors``, or what
        ``customize`` raises.
        """
        with place:
            if passed == Passed() and customize is None and (session := self.warm.take(name)):
                return session
            try:
                return await self._pull_from_any(name, passed, customize)
            except ApplicationFailed as failed:
                raise self.logged(name, failed) from None
            except PullTimedOut:
                log.warning("%s was not ready within %g s", name, self._settings.pull_timeout)
                raise

    def logged(self, name: str, failed: ApplicationFailed) -> ApplicationFailed:
        """Write the reason into the log, under the id that the page shows; with BOKEH_DEV into the page."""
        log.error("[%s] %s: %s", failed.id, name, failed.reason)
        if self._settings.dev:
            failed.tell_reason()
        return failed

    async def template(self, session: PulledSession, deadline: float) -> Template | None:
        """Return the application's own page for a session, None if it has none, or its server cannot tell.

        deadline: when its server cannot tell any more, as ``time.monotonic()`` counts, in seconds.
        """
        server, key = session.server, session.server.secret_key
        token = generate_jwt_token(ID(session.id), key, signed=key is not None)
        url = f"{server.url}/{session.application}"
        work = partial(fetch_template, url, token, deadline=deadline)
        try:
            async with asyncio.timeout(deadline - monotonic()):
                return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except OSError as error:  # or TimeoutError, which is one
            log.warning("The template of %s on %s: %r", session.application, server, error)
            return None

    async def _pull_from_any(self, name: str, passed: Passed, customize: Customize | None) -> PulledSession:
        """Pull from the server whose turn it is, or from the next one that can take a session."""
        seconds = self._settings.pull_timeout
        deadline = monotonic() + seconds
        nothing: EmbedError = NoServer()
        try:
            async with asyncio.timeout(seconds):
                for server in self._fleet.candidates(name):
                    generation = server.generation
                    work = Pull(
                        server,
                        name,
                        deadline=deadline,
                        max_message=self._settings.max_message,
                        passed=passed,
                        customize=customize,
                    )
                    try:
                        pulled = await self._run(work)
                    except Unreachable as error:
                        server.mark_unreachable(str(error))
                    except Full:
                        nothing = TooManySessions()
                    else:
                        return PulledSession(
                            pulled.session_id,
                            name,
                            server,
                            generation,
                            pulled.outline,
                            self._delivery,
                            renewable=passed.is_of_request and customize is None,
                        )
        except TimeoutError:
            if monotonic() < deadline:  # it is one of customize
                raise
            raise PullTimedOut(name, seconds) from None
        raise nothing

    async def _run(self, work: Pull) -> Pulled:
        """Run a pull in one of our threads; the thread comes back at once when nobody waits any more."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work.run)
        except asyncio.CancelledError:
            work.abandon()
            raise

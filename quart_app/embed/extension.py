"""The extension: in any Quart application, ``script = await embed.script("sliders")``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, time

from markupsafe import Markup
from quart import Quart, has_request_context, request

from quart_app.catalogue import BokehApp, discover
from quart_app.embed.assets import Assets
from quart_app.embed.delivery import Delivery
from quart_app.embed.errors import (
    ApplicationFailed,
    NoServer,
    OriginNotAllowed,
    PullTimedOut,
    UnknownApplication,
)
from quart_app.embed.pull import Arguments, Customize, Outline, Pulled, Unreachable, pull
from quart_app.embed.routes import routes
from quart_app.embed.ticket import LIFETIME, Ticket, mint, ticket_keys
from quart_app.embed.visitor import current_visitor, give_cookie
from quart_app.proxies import TrustedProxies
from quart_app.relay import Relay
from quart_app.servers.fleet import Fleet
from quart_app.servers.server import Server
from quart_app.servers.supervisor import StartFailed
from quart_app.settings import Settings, SettingsError
from quart_app.stopping import watch_for_stop

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PulledSession:
    """A session that waits on its server for the browser of one page."""

    id: str
    """Bokeh's session id. Whoever knows it has the session: it belongs in one page and in no log."""
    application: str
    server: Server
    outline: Outline
    delivery: Delivery = field(repr=False)

    @property
    def script(self) -> Markup:
        """What the page's template shows at ``{{ script|indent(4)|safe }}``."""
        return self.delivery.script(self)

    @property
    def root_names(self) -> list[str]:
        """The names of the document's roots that have one, in the document's order."""
        return [root.name for root in self.outline.roots if root.name]

    def root(self, name: str) -> Markup:
        """Return what a template shows in the place of this root alone.

        All roots of a session share one connection. Raises LookupError for a name that no root has.
        """
        return self.delivery.root(self, name)


class BokehEmbed:
    """Puts live Bokeh applications into the pages of a Quart application.

    Give it the application, or call ``init_app`` later. It reads ``app.config`` when serving starts, and
    from then until serving ends it runs the Bokeh servers of the site, unless BOKEH_SERVERS names others.
    """

    settings: Settings
    fleet: Fleet
    delivery: Delivery

    def __init__(self, app: Quart | None = None) -> None:
        self.applications: dict[str, BokehApp] = {}
        """The applications of the folder BOKEH_APPS, by name."""
        self.assets = Assets()
        self._executor: ThreadPoolExecutor | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Serve with this application. One extension object serves one application."""
        app.extensions["bokeh-embed"] = self
        self.relay = Relay(app.asgi_app)
        self._proxies = TrustedProxies(self.relay)
        app.asgi_app = self._proxies  # type: ignore[method-assign]
        app.after_request(give_cookie)
        app.register_blueprint(routes)
        app.while_serving(partial(self._serving, app))

    async def script(
        self, name: str, *, arguments: Arguments | None = None, customize: Customize | None = None
    ) -> Markup:
        """Make a session of the application for one page, and return the text that embeds it.

        As ``pull``, of which this is the ``script``.
        """
        return (await self.pull(name, arguments=arguments, customize=customize)).script

    async def pull(
        self, name: str, *, arguments: Arguments | None = None, customize: Customize | None = None
    ) -> PulledSession:
        """Make a session of the application for one page.

        arguments: names with their values, for the application's ``session_context.request.arguments``.
        customize: called with the session's document, in a thread: it may change, add and remove models,
            and its changes are on the server when this returns. Python callbacks attached there are not.

        Raises one of ``quart_app.embed.errors``, each an HTTP error that Quart answers with its status,
        or what ``customize`` raises. Never takes longer than BOKEH_PULL_TIMEOUT seconds.
        """
        if self._executor is None:
            raise RuntimeError("BokehEmbed works while its application is served (in tests: app.test_app())")
        deadline = monotonic() + self.settings.pull_timeout
        try:
            self._check(name)
            async with asyncio.timeout(self.settings.pull_timeout):
                server, pulled = await self._pull_from_any(
                    name, deadline=deadline, arguments=arguments or {}, customize=customize
                )
        except TimeoutError:
            log.warning("%s was not ready within %g s", name, self.settings.pull_timeout)
            raise PullTimedOut(name, self.settings.pull_timeout) from None
        except ApplicationFailed as failed:
            log.error("[%s] %s: %s", failed.id, name, failed.reason)
            raise
        return PulledSession(pulled.session_id, name, server, pulled.outline, self.delivery)

    def ticket(self, server: Server, application: str, session_id: str) -> str:
        """Return the current visitor's ticket for a session; its cookie goes out with the response."""
        content = Ticket(
            session_id=session_id,
            application=application,
            server=server.name,
            url=server.url,
            generation=server.generation,
            expires=int(time()) + LIFETIME,
        )
        return mint(content, current_visitor(), ticket_keys(self.settings.secret_keys))

    def _check(self, name: str) -> None:
        """Raise what can be known before a server is asked."""
        if not self.settings.servers:  # others may serve what our folder does not have
            app = self.applications.get(name)
            if app is None:
                raise UnknownApplication(name)
            if app.error:
                raise ApplicationFailed(name, app.error)
        relayed = self.settings.delivery == "relay"
        if not relayed and has_request_context() and not self.fleet.accepts_pages_of(request.host):
            raise OriginNotAllowed(request.host)

    async def _pull_from_any(
        self, name: str, *, deadline: float, arguments: Arguments, customize: Customize | None
    ) -> tuple[Server, Pulled]:
        """Pull from the server whose turn it is, or from the next one that can be reached."""
        loop = asyncio.get_running_loop()
        for server in self.fleet.place():
            work = partial(
                pull,
                server,
                name,
                deadline=deadline,
                max_message=self.settings.max_message,
                arguments=arguments,
                customize=customize,
            )
            try:
                return server, await loop.run_in_executor(self._executor, work)
            except Unreachable as error:
                server.rest(str(error))
        raise NoServer

    async def _serving(self, app: Quart) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            try:
                self.settings = Settings.from_config(app.config)
                # With servers of others the folder is a list of titles, and need not be there.
                needed = not self.settings.servers or self.settings.apps.is_dir()
                self.applications = discover(self.settings.apps) if needed else {}
                self.fleet = await stack.enter_async_context(Fleet(self.settings, self.applications))
            except (SettingsError, StartFailed) as error:
                # One line instead of a traceback; SystemExit is what ends a web server's worker with it,
                # and asyncio reports it once more unless somebody looks at the task's exception.
                if (task := asyncio.current_task()) is not None:
                    task.add_done_callback(lambda task: task.cancelled() or task.exception())
                raise SystemExit(f"quart-bokeh: {error}") from None
            self.assets.load()
            self.delivery = Delivery(self.settings, self.assets, self.ticket)
            self._executor = ThreadPoolExecutor(self.settings.pull_threads, "bokeh-pull")
            self._executor.submit(self.assets.compress)
            stack.callback(self._executor.shutdown, wait=False, cancel_futures=True)
            self._proxies.peers = self.settings.trusted_proxies
            await self.relay.open(self.settings, self.fleet)
            stack.push_async_callback(self.relay.close)
            watching = asyncio.create_task(watch_for_stop(self.relay.stop))
            stack.callback(watching.cancel)
            yield

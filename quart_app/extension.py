"""The extension: in any Quart application, ``script = await embed.script("sliders")``."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from functools import partial
from threading import Thread
from typing import Any

from markupsafe import Markup
from quart import Quart, Response, has_request_context, request

from quart_app.asgi.lifecycle import end_as_failed, ending_with_the_web_server, watch_for_stop
from quart_app.asgi.proxies import TrustedProxies
from quart_app.catalogue import BokehApp, discover
from quart_app.fleet.fleet import Fleet
from quart_app.fleet.supervisor import StartFailed
from quart_app.page import element as script
from quart_app.page import streaming as shell
from quart_app.page.assets import Assets
from quart_app.page.delivery import Delivery, PulledSession
from quart_app.relay.relay import Relay
from quart_app.relay.visitor import current_visitor, give_cookie, visitor_of
from quart_app.routes import routes
from quart_app.sessions.errors import ApplicationFailed, EmbedError, OriginNotAllowed
from quart_app.sessions.limits import Place
from quart_app.sessions.pool import Puller
from quart_app.sessions.pull import Arguments, Customize, Passed
from quart_app.settings import Settings, SettingsError

log = logging.getLogger(__name__)

AT_ONCE = 0.001
"""Seconds that a page waits before it begins without its script: by then a warm session is there, and a
server that is down has said so, while the page can still have its status."""


class BokehEmbed:
    """Puts live Bokeh applications into the pages of a Quart application.

    Give it the application, or call ``init_app`` later. It reads ``app.config`` when serving starts, and
    from then until serving ends it runs the Bokeh servers of the site, unless BOKEH_SERVERS names others.
    """

    settings: Settings
    fleet: Fleet
    puller: Puller
    delivery: Delivery

    def __init__(self, app: Quart | None = None) -> None:
        self.applications: dict[str, BokehApp] = {}
        """The applications of the folder BOKEH_APPS, by name."""
        self.assets = Assets()
        self._is_serving = False
        self._proven: set[tuple[str, str | None]] = set()
        """Applications and endpoints that had a session last time: such a page may begin without one."""
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Serve with this application. One extension object serves one application."""
        app.extensions["bokeh-embed"] = self
        self.relay = Relay(app.asgi_app)
        self._proxies = TrustedProxies(self.relay)
        app.asgi_app = self._proxies  # type: ignore[method-assign]
        app.after_request(self._give_cookie)
        app.register_blueprint(routes)
        app.while_serving(partial(self._serving, app))

    async def script(
        self,
        name: str,
        *,
        arguments: Arguments | None = None,
        user: Any = None,
        customize: Customize | None = None,
    ) -> Markup:
        """Make a session of the application for one page, and return the text that embeds it.

        As ``pull``, of which this is the ``script``. With BOKEH_STREAM a page that has worked before begins
        at once: this then returns a placeholder, and the response waits for the script where it stands. If
        there is none after all, the page says so at that place.
        """
        passed = self._passed(arguments, user, customize)
        place = self._admit(name)
        pulling = self._pull(name, passed, customize, place)
        if not (self.settings.stream and page_key(name) in self._proven and is_page_wanted()):
            return (await pulling).script

        async def pulled_script() -> Markup:
            return (await pulling).script

        task = asyncio.create_task(pulled_script())
        task.add_done_callback(lambda _: place.release())  # also if it never ran
        await asyncio.wait([task], timeout=AT_ONCE)
        if task.done():
            return task.result()
        return shell.promise(task, partial(self._explain, name, self.delivery.url("embed.css")))

    async def pull(
        self,
        name: str,
        *,
        arguments: Arguments | None = None,
        user: Any = None,
        customize: Customize | None = None,
    ) -> PulledSession:
        """Make a session of the application for one page.

        arguments: names with their values, for the application's ``session_context.request.arguments``.
        user: who asks, for its ``session_context.token_payload["user"]``: anything that JSON can carry.
        customize: called with the session's document, in a thread: it may change, add and remove models,
            and its changes are on the server when this returns. Python callbacks attached there are not.

        The request's headers of BOKEH_FORWARD_HEADERS and cookies of BOKEH_FORWARD_COOKIES are in the
        application's ``session_context.request``. All this is in the signed token that makes the session,
        and not in the page.

        Raises one of ``quart_app.sessions.errors``, each an HTTP error that Quart answers with its status,
        what ``customize`` raises, or TypeError for arguments that are not as said. Never takes longer than
        BOKEH_PULL_TIMEOUT seconds.
        """
        passed = self._passed(arguments, user, customize)
        return await self._pull(name, passed, customize, self._admit(name))

    def _admit(self, name: str) -> Place:
        """Let this page wait for its session, or raise what can be known before a server is asked."""
        if not self._is_serving:
            raise RuntimeError("BokehEmbed works while its application is served (in tests: app.test_app())")
        visitor = address = None
        if has_request_context():
            if self.settings.delivery == "direct" and not self.fleet.allows_origin(request.host):
                raise OriginNotAllowed(request.host)
            visitor, address = visitor_of(request.scope["headers"]), request.remote_addr
        place = self.puller.admit(name, visitor=visitor, address=address)
        if has_request_context() and self.settings.delivery == "relay":
            current_visitor()  # now: a page that begins without its script sends its cookie before it
        return place

    async def _pull(
        self, name: str, passed: Passed, customize: Customize | None, place: Place
    ) -> PulledSession:
        key = page_key(name)
        try:
            session = await self.puller.pull(name, passed, customize, place)
        except Exception:
            self._proven.discard(key)
            raise
        self._proven.add(key)
        return session

    def _passed(self, arguments: Arguments | None, user: Any, customize: Customize | None) -> Passed:
        """Return what this page passes to its application. Raises TypeError for what cannot be passed."""
        if inspect.iscoroutinefunction(customize):
            raise TypeError("customize runs in a thread: it has to be a plain function, not an async one")
        if not (self._is_serving and has_request_context()):
            return Passed(arguments or {}, user=user)
        settings = self.settings
        return Passed(
            arguments or {},
            headers={
                name: request.headers[name] for name in settings.forward_headers if name in request.headers
            },
            cookies={
                name: request.cookies[name] for name in settings.forward_cookies if name in request.cookies
            },
            user=user,
        )

    async def _give_cookie(self, response: Response) -> Response:
        return give_cookie(response, in_frames=self._is_serving and self.settings.frames_elsewhere)

    def _explain(self, name: str, stylesheet: str, error: Exception) -> Markup:
        """Return what stands in a page that has begun, in place of a script that could not be made."""
        if not isinstance(error, EmbedError):
            log.error("the page of %s failed", name, exc_info=error)
            error = self.puller.logged(name, ApplicationFailed(name, f"{error!r}, above"))
        return script.failure(name, error, stylesheet=stylesheet)

    async def _serving(self, app: Quart) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            stack.enter_context(ending_with_the_web_server())
            try:
                self.settings = settings = Settings.from_config(app.config)
                # With servers of others the folder is a list of titles, and need not be there.
                needed = not settings.servers or settings.apps.is_dir()
                self.applications = discover(settings.apps) if needed else {}
                self.fleet = await stack.enter_async_context(Fleet(settings, self.applications))
            except (SettingsError, StartFailed) as error:
                # One line instead of a traceback; SystemExit is what ends a web server's worker with it,
                # and asyncio reports it once more unless somebody looks at the task's exception.
                if (task := asyncio.current_task()) is not None:
                    task.add_done_callback(lambda task: task.cancelled() or task.exception())
                print(f"quart-bokeh: {error}", file=sys.stderr, flush=True)
                end_as_failed()
                raise SystemExit(1) from None
            self.assets.folders = (str(settings.apps.absolute()),)
            self.assets.load()
            Thread(target=self.assets.compress, daemon=True).start()
            self.delivery = Delivery(settings, self.assets)
            puller = Puller(settings, self.fleet, self.applications, self.delivery)
            self.puller = await stack.enter_async_context(puller)
            self._proxies.peers = settings.trusted_proxies
            await self.relay.open(settings, self.fleet)
            stack.push_async_callback(self.relay.close)
            watching = asyncio.create_task(watch_for_stop(self.relay.stop))
            stack.callback(watching.cancel)
            self._is_serving = True
            yield


def page_key(name: str) -> tuple[str, str | None]:
    """Return what tells one page with an application from another one with it."""
    return name, request.endpoint if has_request_context() else None


def is_page_wanted() -> bool:
    """Whether this request asks for a page, and not for JSON, or only for its headers."""
    return has_request_context() and request.method == "GET" and prefers_html()


def prefers_html() -> bool:
    """Whether this request would rather have a page than JSON."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    return best == "text/html"

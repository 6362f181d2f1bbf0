"""The extension: in any Quart application, ``script = await embed.script("sliders")``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from quart import Quart, Response

from quart_app.asgi.hypercorn import end_main_process
from quart_app.asgi.lifecycle import StopWatcher, stop_with_parent_process
from quart_app.asgi.proxies import TrustedProxies
from quart_app.fleet.supervisor import StartFailed
from quart_app.page.pulled import PulledSession
from quart_app.page.streaming import CancelDeferred
from quart_app.relay.relay import Relay
from quart_app.relay.visitor import set_visitor_cookie
from quart_app.routes import routes
from quart_app.runtime import Runtime
from quart_app.sessions.session import Arguments
from quart_app.settings import Settings, SettingsError
from quart_app.view import begin_pull, check_customize, render_script

if TYPE_CHECKING:
    from quart_app.sessions.customize import Customize


class BokehEmbed:
    """Puts live Bokeh applications into the pages of a Quart application.

    Give it the application, or call ``init_app`` later. It reads ``app.config`` when serving starts, and
    from then until serving ends it runs the Bokeh servers of the site, unless BOKEH_SERVERS names others.
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._runtime: Runtime | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Serve with this application. One extension object serves one application."""
        app.extensions["bokeh-embed"] = self
        self._relay = Relay(CancelDeferred(app.asgi_app))
        self._stop_watcher = StopWatcher(self._relay)
        self._proxies = TrustedProxies(self._stop_watcher)
        app.asgi_app = self._proxies  # type: ignore[method-assign]
        app.after_request(self._give_cookie)
        app.register_blueprint(routes)
        app.while_serving(partial(self._serving, app))

    @property
    def runtime(self) -> Runtime:
        """The parts of the site while it is served. Raises RuntimeError before and after."""
        if self._runtime is None:
            raise RuntimeError("BokehEmbed works while its application is served (in tests: app.test_app())")
        return self._runtime

    async def script(
        self,
        name: str,
        *,
        arguments: Arguments | None = None,
        user: Any = None,
        customize: Customize | None = None,
    ) -> Markup:
        """Pull a session of the application for one page, and return the text that embeds it.

        As ``pull``, of which this is the ``script``. With BOKEH_STREAM, a page whose last pull succeeded is
        begun while the session is created: this then returns a placeholder, and the response waits for the
        script where it stands. If the pull fails then, the page says so in that place.
        """
        check_customize(customize)
        pulling = await begin_pull(self.runtime, name, arguments, user, customize, may_stream=True)
        return render_script(self.runtime, name, pulling)

    async def pull(
        self,
        name: str,
        *,
        arguments: Arguments | None = None,
        user: Any = None,
        customize: Customize | None = None,
    ) -> PulledSession:
        """Pull a session of the application for one page.

        arguments: names with their values, for the application's ``session_context.request.arguments``.
        user: who asks, for its ``session_context.token_payload["user"]``: anything that JSON can carry.
        customize: called with the session's document, in a thread: it may change, add and remove models,
            and its changes are on the server when this returns. Python callbacks attached there are not.

        The request's headers of BOKEH_FORWARD_HEADERS and cookies of BOKEH_FORWARD_COOKIES are in the
        application's ``session_context.request``. All this is in the signed token that creates the session,
        and not in the page.

        Raises one of ``quart_app.sessions.errors``, each an HTTP error that Quart answers with its status,
        what ``customize`` raises, or TypeError for arguments that are not as said. Never takes longer than
        BOKEH_PULL_TIMEOUT seconds.
        """
        check_customize(customize)
        pulling = await begin_pull(self.runtime, name, arguments, user, customize)
        return PulledSession(pulling.result(), self.runtime.renderer)

    async def _give_cookie(self, response: Response) -> Response:
        in_frames = self._runtime is not None and self._runtime.settings.allows_cross_site_frames
        return set_visitor_cookie(response, in_frames=in_frames)

    async def _serving(self, app: Quart) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            stack.enter_context(stop_with_parent_process())
            try:
                settings = Settings.from_config(app.config)
                runtime = await stack.enter_async_context(Runtime.open(settings, self._relay))
            except (SettingsError, StartFailed) as error:
                # One line instead of a traceback. SystemExit ends the web server's worker, and asyncio
                # would report the exception of a task once more if nothing retrieved it.
                if (task := asyncio.current_task()) is not None:
                    task.add_done_callback(lambda task: task.cancelled() or task.exception())
                print(f"quart-bokeh: {error}", file=sys.stderr, flush=True)
                end_main_process()
                raise SystemExit(1) from None
            self._proxies.peers = settings.trusted_proxies
            watching = asyncio.create_task(self._stop_watcher.watch(self._relay.stop))
            stack.callback(watching.cancel)
            self._runtime = runtime
            try:
                yield
            finally:
                self._runtime = None

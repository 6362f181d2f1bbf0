"""One view of a page: pulls a session for the current request, and renders or streams its script."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from quart import has_request_context, request

from quart_app.page.element import render_error
from quart_app.page.streaming import defer
from quart_app.relay.visitor import current_visitor, visitor_of
from quart_app.runtime import Runtime
from quart_app.sessions.errors import ApplicationFailed, EmbedError, OriginNotAllowed
from quart_app.sessions.limits import Place
from quart_app.sessions.session import Arguments, RequestData, Session
from quart_app.settings import Settings

if TYPE_CHECKING:
    from quart_app.sessions.customize import Customize

log = logging.getLogger(__name__)

STREAM_AFTER = 0.001
"""Seconds to wait for a warm session, or for a refusal, before a page is begun with the status 200."""


async def begin_pull(
    runtime: Runtime,
    name: str,
    arguments: Arguments | None = None,
    user: Any = None,
    customize: Customize | None = None,
    *,
    may_stream: bool = False,
) -> asyncio.Task[Session]:
    """Begin to pull a session for this request's page, wait for it, and return the task.

    may_stream: for a GET of an HTML page whose last pull succeeded, wait STREAM_AFTER seconds at most and
        return the running task.

    Raises what the pull raises meanwhile, and TypeError for arguments that cannot be passed.
    """
    data = _request_data(runtime.settings, arguments or {}, user)
    is_streamed = (
        may_stream
        and runtime.settings.stream
        and has_request_context()
        and request.method == "GET"
        and prefers_html()
        and runtime.records.get(name) is not None
    )
    place = _admit(runtime, name)
    pulling = asyncio.create_task(_pull(runtime, name, data, customize, place))
    pulling.add_done_callback(lambda _: place.release())  # also if it never ran
    try:
        await asyncio.wait([pulling], timeout=STREAM_AFTER if is_streamed else None)
    except asyncio.CancelledError:  # the browser has left
        pulling.cancel()
        raise
    if pulling.done():
        pulling.result()
    return pulling


def render_script(runtime: Runtime, name: str, pulling: asyncio.Task[Session]) -> Markup:
    """Return the script of a pulled session, or the placeholder for it in a streamed page."""
    if pulling.done():
        return runtime.renderer.script(pulling.result())

    # Now, because the response is streamed outside of the request's context.
    stylesheet = runtime.renderer.url("embed.css")

    async def script() -> Markup:
        return runtime.renderer.script(await pulling)

    def explain(error: Exception) -> Markup:
        if not isinstance(error, EmbedError):
            log.error("The page of %s failed", name, exc_info=error)
            error = runtime.pool.log_failure(name, ApplicationFailed(name, f"{error!r}, see above"))
        return render_error(name, error, stylesheet=stylesheet)

    task = asyncio.create_task(script())
    task.add_done_callback(lambda _: pulling.cancel())  # also if the task was cancelled before it ran
    return defer(task, explain)


def check_customize(customize: Customize | None) -> None:
    """Raise TypeError for a ``customize`` that a thread cannot call."""
    if inspect.iscoroutinefunction(customize):
        raise TypeError("customize runs in a thread: it has to be a plain function, not an async one")


def prefers_html() -> bool:
    """Whether the Accept header prefers HTML to JSON."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    return best == "text/html"


async def _pull(
    runtime: Runtime, name: str, data: RequestData, customize: Customize | None, place: Place
) -> Session:
    try:
        session = await runtime.pool.get(name, data, customize, place)
    except Exception:
        runtime.records.failed(name)
        raise
    runtime.records.succeeded(name, session.outline)
    return session


def _admit(runtime: Runtime, name: str) -> Place:
    """Let this page wait for its session, or raise what can be known before a server is asked."""
    if not has_request_context():
        return runtime.pool.admit(name, visitor=None, address=None)
    is_direct = runtime.settings.delivery == "direct"
    if is_direct and not runtime.fleet.allows_origin(request.host):
        raise OriginNotAllowed(request.host)
    visitor, address = visitor_of(request.scope["headers"]), request.remote_addr
    place = runtime.pool.admit(name, visitor=visitor, address=address)
    if not is_direct:
        current_visitor()  # now, because a streamed page sends its cookie before its script
    return place


def _request_data(settings: Settings, arguments: Arguments, user: Any) -> RequestData:
    """Return what this page passes to its application. Raises TypeError for what cannot be passed."""
    if not has_request_context():
        return RequestData(arguments, user=user)
    headers = {name: request.headers[name] for name in settings.forward_headers if name in request.headers}
    cookies = {name: request.cookies[name] for name in settings.forward_cookies if name in request.cookies}
    return RequestData(arguments, headers, cookies, user)

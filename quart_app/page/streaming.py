"""Streams a page that is begun before its session is there.

A template is rendered with a placeholder in the place of the script. The response sends what precedes it,
waits for the script, and sends the rest. The placeholder has two lines: the space that the template's own
``indent`` puts before the second one tells how to indent the script.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

from jinja2.filters import do_indent
from markupsafe import Markup
from quart import Response, after_this_request
from quart.typing import ResponseTypes
from quart.wrappers.response import ResponseBody
from werkzeug.exceptions import HTTPException

from quart_app.asgi.quart_internals import error_response

PLACEHOLDER = re.compile(rb"<!--bokeh-embed ([0-9a-f]{32})-->\n([ \t]*)<!---->")
Deferred = dict[str, tuple[asyncio.Task[Markup], Callable[[Exception], Markup]]]
"""Maps the key of a placeholder to its script, and to the function that renders the script's error."""
_current: ContextVar[Deferred] = ContextVar("quart_bokeh_deferred")
"""The deferred scripts of the current request."""


class CancelDeferred:
    """ASGI middleware that cancels the deferred scripts of a request when its response has ended.

    If the client disconnects before the response begins, these are all of them.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        deferred: Deferred = {}
        _current.set(deferred)
        try:
            await self.app(scope, receive, send)
        finally:
            _cancel(deferred)


def defer(script: asyncio.Task[Markup], render_error: Callable[[Exception], Markup]) -> Markup:
    """Return the placeholder for a script that is not there yet.

    render_error: makes what the page shows instead if the script fails.
    """
    key = secrets.token_hex(16)
    deferred = _current.get()
    if not deferred:
        # Runs before the application's own after_request functions, such as compression.
        after_this_request(partial(resolve, deferred=deferred))
    deferred[key] = script, render_error
    return Markup(_placeholder(key))


async def resolve(response: ResponseTypes, *, deferred: Deferred) -> ResponseTypes:
    """Put the deferred scripts of a request into its response."""
    if not isinstance(response, Response):  # Werkzeug's, for an error that the application does not handle
        _cancel(deferred)
    elif response.mimetype == "text/html":
        response.response = response.iterable_body_class(stream_response(response.response, deferred))
        response.headers.pop("Content-Length", None)
    elif response.mimetype == "application/json":  # a piece of a page: it is sent when it is complete
        text = await response.get_data(as_text=True)
        try:
            for key, (script, _) in deferred.items():
                quoted = json.dumps(_placeholder(key))[1:-1]
                if quoted in text:
                    text = text.replace(quoted, json.dumps(await script)[1:-1])
        except HTTPException as error:
            return await error_response(error)
        response.set_data(text)
    else:
        _cancel(deferred)
    return response


async def stream_response(body: ResponseBody, deferred: Deferred) -> AsyncIterator[bytes]:
    """Yield a body with the scripts in their places, each as soon as it is there."""
    try:
        async with body as chunks:
            async for chunk in chunks:
                # As bytes, which may end inside a character.
                data = chunk.encode() if isinstance(chunk, str) else chunk
                sent = 0
                for match in PLACEHOLDER.finditer(data):
                    if found := deferred.get(match[1].decode()):
                        yield data[sent : match.start()]
                        sent = match.end()
                        yield do_indent(await _result(*found), match[2].decode()).encode()
                yield data[sent:]
    finally:
        _cancel(deferred)  # those that the page did not show


async def _result(script: asyncio.Task[Markup], render_error: Callable[[Exception], Markup]) -> str:
    try:
        return str(await script)
    except Exception as error:
        return render_error(error)


def _placeholder(key: str) -> str:
    return f"<!--bokeh-embed {key}-->\n<!---->"


def _cancel(deferred: Deferred) -> None:
    for script, _ in deferred.values():
        script.cancel()

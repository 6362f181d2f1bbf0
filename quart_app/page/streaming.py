"""The page's shell first: what stands before the script is sent while the session is still being made.

A template is rendered with a placeholder where the script will stand. The response then sends what comes
before it, waits for the script, and sends the rest. Templates know nothing of it: the placeholder has two
lines, and the space that the template's own ``indent`` puts before the second tells how to indent the script.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable
from functools import partial
from inspect import signature
from typing import Any, cast

from jinja2.filters import do_indent
from markupsafe import Markup
from quart import Response, after_this_request, current_app, g
from quart.globals import app_ctx
from quart.typing import ResponseTypes
from quart.wrappers.response import ResponseBody
from werkzeug.exceptions import HTTPException

PLACEHOLDER = re.compile(rb"<!--bokeh-embed ([0-9a-f]{32})-->\n([ \t]*)<!---->")
Scripts = dict[str, tuple[asyncio.Task[Markup], Callable[[Exception], Markup]]]
"""By key: a script, and what stands in a page in its place if there is none."""


def promise(script: asyncio.Task[Markup], explain: Callable[[Exception], Markup]) -> Markup:
    """Return what stands in a template for a script that is not there yet.

    explain: what the page shows instead if there will be none.
    """
    key = secrets.token_hex(16)
    if "bokeh_embed_scripts" not in g:
        g.bokeh_embed_scripts = {}
        # Of this request, so before what the application does to all its responses, as to compress them.
        after_this_request(partial(keep_promises, scripts=g.bokeh_embed_scripts))
    g.bokeh_embed_scripts[key] = script, explain
    return Markup(placeholder(key))


def placeholder(key: str) -> str:
    return f"<!--bokeh-embed {key}-->\n<!---->"


async def keep_promises(response: ResponseTypes, *, scripts: Scripts) -> ResponseTypes:
    """Let a response send what it has until its scripts are there."""
    if not isinstance(response, Response):  # Werkzeug's, for an error that the application does not handle
        cancel(scripts)
    elif response.mimetype == "text/html":
        response.response = response.iterable_body_class(fulfil(response.response, scripts))
        response.headers.pop("Content-Length", None)
    elif response.mimetype == "application/json":  # a piece of a page: it is sent when it is whole
        text = await response.get_data(as_text=True)
        try:
            for key, (script, _) in scripts.items():
                quoted = json.dumps(placeholder(key))[1:-1]
                if quoted in text:
                    text = text.replace(quoted, json.dumps(await script)[1:-1])
        except HTTPException as error:
            return await answer(error)
        response.set_data(text)
    else:
        cancel(scripts)
    return response


async def answer(error: HTTPException) -> Response:
    """Return what the application answers to an error."""
    handle: Any = current_app.handle_http_exception
    # Quart since 0.23 asks for its context too.
    context = [app_ctx._get_current_object()] if len(signature(handle).parameters) == 2 else []
    return cast(Response, await current_app.make_response(await handle(*context, error)))


async def fulfil(body: ResponseBody, scripts: Scripts) -> AsyncIterator[bytes]:
    """Yield a body with the scripts in their places, each as soon as it is there."""
    try:
        async with body as chunks:
            async for chunk in chunks:
                # As bytes, which may end inside a character.
                data = chunk.encode() if isinstance(chunk, str) else chunk
                sent = 0
                for match in PLACEHOLDER.finditer(data):
                    if promised := scripts.get(match[1].decode()):
                        yield data[sent : match.start()]
                        sent = match.end()
                        yield do_indent(await result(*promised), match[2].decode()).encode()
                yield data[sent:]
    finally:
        cancel(scripts)  # those that the page did not show, or all when the browser has left


def cancel(scripts: Scripts) -> None:
    for script, _ in scripts.values():
        script.cancel()


async def result(script: asyncio.Task[Markup], explain: Callable[[Exception], Markup]) -> str:
    try:
        return str(await script)
    except Exception as error:
        return explain(error)

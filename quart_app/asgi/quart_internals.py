"""Everything that depends on internal names of Quart."""

from __future__ import annotations

from inspect import signature
from typing import Any, cast

from quart import Response, current_app
from quart.globals import app_ctx
from werkzeug.exceptions import HTTPException


async def error_response(error: HTTPException) -> Response:
    """Return what the current application's error handlers answer to an error."""
    handle: Any = current_app.handle_http_exception
    # Quart since 0.23 takes its context too.
    context = [app_ctx._get_current_object()] if len(signature(handle).parameters) == 2 else []
    return cast(Response, await current_app.make_response(await handle(*context, error)))

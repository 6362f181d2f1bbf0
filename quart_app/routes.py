"""What the loader in a page asks for: assets, a new session for one that is lost, and what became of one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from quart import Blueprint, Response, current_app, request
from werkzeug.exceptions import BadRequest, Forbidden, Gone, HTTPException, NotFound

from quart_app.embed.ticket import Ticket, TicketRefused, ticket_keys, verify
from quart_app.embed.visitor import foreign_origin, visitor_of

if TYPE_CHECKING:
    from quart_app.extension import BokehEmbed

FOR_GOOD = "public, max-age=31536000, immutable"

routes = Blueprint("bokeh_embed", __name__)


def extension() -> BokehEmbed:
    """Return the extension of the application that serves this request."""
    return cast("BokehEmbed", current_app.extensions["bokeh-embed"])


@routes.get("/bokeh/assets/<file_name>")
async def asset(file_name: str) -> Response:
    """Send a file that pages load: its name changes with its content, so browsers may keep it for good."""
    found = extension().assets.get(file_name)
    if found is None:
        raise NotFound
    accepted = request.accept_encodings
    encoding = next((name for name in ("br", "gzip") if accepted.quality(name) > 0), "identity")
    etag = f'"{found.digest}-{encoding}"'
    headers = {"Cache-Control": FOR_GOOD, "ETag": etag, "Vary": "Accept-Encoding"}
    if request.if_none_match.contains_raw(etag.strip('"')):
        return Response("", 304, headers)
    body = found.ready(encoding)
    if body is None:
        body = await asyncio.to_thread(found.encoded, encoding)
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(body, 200, headers, content_type=found.content_type)


@routes.post("/bokeh/session/<application>")
async def renew(application: str) -> dict[str, object]:
    """Answer the data block of a new session, for a page with a ticket for one of the same application."""
    asked = await _asked()
    _ticket(asked, application)
    arguments = asked.get("arguments") or {}
    if not isinstance(arguments, dict) or not all(
        isinstance(values, list) and all(isinstance(value, str) for value in values)
        for values in arguments.values()
    ):
        raise BadRequest("arguments must be lists of texts, by name")
    session = await extension().pull(application, arguments=arguments)
    return extension().delivery.block(session)


@routes.post("/bokeh/session/<application>/state")
async def state(application: str) -> dict[str, str]:
    """Tell a page why its websocket is refused, which a browser does not.

    ``alive``: it can attach; ``gone``: it needs a new session; ``refused``: its ticket is not this
    visitor's; ``unavailable``: this cannot be said now.
    """
    try:
        ticket = _ticket(await _asked(), application)
    except Gone:
        return {"state": "gone"}
    except Forbidden:
        return {"state": "refused"}
    return {"state": await extension().relay.inquire(ticket)}


@routes.after_request
async def is_private(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    return response


@routes.errorhandler(HTTPException)
async def problem(error: HTTPException) -> tuple[dict[str, Any], int, Any]:
    """Answer in JSON: it is our loader that asks."""
    headers = [(name, value) for name, value in error.get_headers() if name.lower() == "retry-after"]
    content = {"error": error.name, "description": error.description, "id": getattr(error, "id", None)}
    return content, error.code or 500, headers


async def _asked() -> Mapping[str, Any]:
    # JSON cannot be sent from another site without a preflight, which nobody here answers.
    asked: Any = await request.get_json()
    if not isinstance(asked, dict):
        raise BadRequest("an object is expected")
    return asked


def _ticket(asked: Mapping[str, Any], application: str) -> Ticket:
    """Return the ticket that comes with the request. Raises Forbidden, or Gone if it is too old."""
    if stranger := foreign_origin(request.scope):
        raise Forbidden(stranger)
    keys = ticket_keys(extension().settings.secret_keys)
    visitor = visitor_of(request.scope["headers"])
    try:
        ticket = verify(str(asked.get("ticket")), visitor or "", keys, time.time())
    except TicketRefused as error:
        raise (Gone if error.status == 410 else Forbidden)(str(error)) from None
    if visitor is None or ticket.application != application:
        raise Forbidden("the ticket is for another application")
    return ticket

"""What the loader in a page asks for: assets, a new session for one that is lost, and what became of one."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from quart import Blueprint, Response, current_app, request, send_file
from werkzeug.exceptions import BadRequest, Forbidden, Gone, HTTPException, NotFound

from quart_app.page.assets import Asset
from quart_app.relay.ticket import Ticket, TicketRefused, verify
from quart_app.relay.visitor import origin_error, visitor_of

if TYPE_CHECKING:
    from quart_app.extension import BokehEmbed

FOR_GOOD = "public, max-age=31536000, immutable"
FOR_AN_HOUR = "public, max-age=3600"

routes = Blueprint("bokeh_embed", __name__)


def extension() -> BokehEmbed:
    """Return the extension of the application that serves this request."""
    return cast("BokehEmbed", current_app.extensions["bokeh-embed"])


@routes.get("/bokeh/assets/<file_name>")
async def asset(file_name: str) -> Response:
    """Send a file that pages load: its name changes with its content, so browsers may keep it for good."""
    found = extension().assets.get(file_name)
    if found is None:
        return await _send(await _made_again(file_name), "no-store")
    return await _send(found, FOR_GOOD)


@routes.get("/bokeh/extensions/<package>/<path:path>")
async def extension_file(package: str, path: str) -> Response:
    """Send a file that an extension of BokehJS brings, where a Bokeh server has ``/static/extensions``."""
    found = await asyncio.to_thread(extension().assets.of_extension, package, path)
    if found is None:
        raise NotFound
    if isinstance(found, Asset):
        return await _send(found, FOR_AN_HOUR)
    response = await send_file(found, conditional=True)
    response.headers["Cache-Control"] = FOR_AN_HOUR
    return response


async def _made_again(file_name: str) -> Asset:
    """Return the script of an application's own models that another worker has: a session here brings it."""
    application, given = request.args.get("of", ""), request.args.get("by", "")
    delivery, assets = extension().delivery, extension().assets
    if not hmac.compare_digest(delivery.signature(application, file_name).encode(), given.encode()):
        raise NotFound
    delivery.block(await extension().pull(application))
    found = assets.get(file_name)
    if found is None:
        raise NotFound
    return found


async def _send(found: Asset, cache_control: str) -> Response:
    """Send a file compressed, if that is accepted."""
    accepted = request.accept_encodings
    encoding = next((name for name in ("br", "gzip") if accepted.quality(name) > 0), "identity")
    etag = f'"{found.digest}-{encoding}"'
    headers = {"Cache-Control": cache_control, "ETag": etag, "Vary": "Accept-Encoding"}
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
    """Answer the data block of a new session, for a ticket for one to which its route has passed nothing.

    What else the route does, as to ask who is there, happens here only as far as BOKEH_FORWARD_HEADERS and
    BOKEH_FORWARD_COOKIES bring it to the application: they are of this request.
    """
    ticket = _ticket(await _asked(), application)
    if not ticket.renewable:
        raise Forbidden("only its page can start this plot again")
    session = await extension().pull(application)
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
    return {"state": await extension().relay.session_state(ticket)}


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
    await request.get_data()  # also of what is refused: Hypercorn ends a connection with unread data
    try:
        asked: Any = await request.get_json()
    except RecursionError:
        raise BadRequest("it is nested too deeply") from None
    if not isinstance(asked, dict):
        raise BadRequest("an object is expected")
    return asked


def _ticket(asked: Mapping[str, Any], application: str) -> Ticket:
    """Return the ticket that comes with the request. Raises Forbidden, or Gone if it is too old."""
    if error := origin_error(request.scope):
        raise Forbidden(error)
    visitor = visitor_of(request.scope["headers"])
    try:
        ticket = verify(
            str(asked.get("ticket")), visitor or "", extension().settings.secret_keys, time.time()
        )
    except TicketRefused as refused:
        raise (Gone if refused.status == 410 else Forbidden)(str(refused)) from None
    if visitor is None or ticket.application != application:
        raise Forbidden("the ticket is for another application")
    return ticket

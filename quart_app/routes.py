"""The routes for the loader in a page: assets, a new session for one that is lost, and the state of one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from quart import Blueprint, Response, request, send_file, send_from_directory
from werkzeug.exceptions import BadRequest, Forbidden, Gone, HTTPException, NotFound

from quart_app.page.assets import Asset, AssetChanged
from quart_app.relay.ticket import Ticket, TicketRefused, verify
from quart_app.relay.visitor import origin_error, visitor_of
from quart_app.runtime import current_runtime
from quart_app.sessions.session import Session
from quart_app.view import begin_pull

log = logging.getLogger(__name__)

CACHE_FOREVER = "public, max-age=31536000, immutable"
CACHE_AN_HOUR = "public, max-age=3600"

routes = Blueprint("bokeh_embed", __name__)


@routes.get("/bokeh/assets/<file_name>")
async def asset(file_name: str) -> Response:
    """Send a file that pages load. Its name has a hash of its content, so browsers may cache it for ever."""
    found = current_runtime().assets.get(file_name)
    if found is None:
        return await _send(await _rebuild_model_script(file_name), "no-store")
    return await _send(found, CACHE_FOREVER)


@routes.get("/bokeh/extensions/<package>/<path:path>")
async def extension_file(package: str, path: str) -> Response:
    """Send a file of a BokehJS extension. A Bokeh server has it at ``/static/extensions/…``."""
    found = await asyncio.to_thread(current_runtime().assets.get_extension_file, package, path)
    if found is None:
        raise NotFound
    if isinstance(found, Asset):
        return await _send(found, CACHE_AN_HOUR)
    response = await send_file(found, conditional=True)
    response.headers["Cache-Control"] = CACHE_AN_HOUR
    return response


@routes.get("/bokeh/static/<application>/<path:filename>")
async def application_file(application: str, filename: str) -> Response:
    """Send a file of an application's ``static`` folder. Bokeh has it at ``/<application>/static/…``."""
    app = current_runtime().applications.get(application)
    if app is None or app.static_folder is None:
        raise NotFound
    response = await send_from_directory(app.static_folder, filename)
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


async def _rebuild_model_script(file_name: str) -> Asset:
    """Return the script of an application's own models that another worker has named in a page.

    Pulls a session here, whose outline has the script.
    """
    runtime, name = current_runtime(), request.args.get("app", "")
    if not runtime.renderer.is_signed(name, file_name, request.args.get("sig", "")):
        raise NotFound
    runtime.assets.for_outline((await _pull(name)).outline)
    found = runtime.assets.get(file_name)
    if found is None:
        raise NotFound
    return found


async def _pull(name: str) -> Session:
    """Return a session to which this request passes nothing."""
    return (await begin_pull(current_runtime(), name)).result()


async def _send(found: Asset, cache_control: str) -> Response:
    """Send a file, compressed if the browser accepts that."""
    accepted = request.accept_encodings
    encoding = next((name for name in ("br", "gzip") if accepted.quality(name) > 0), "identity")
    etag = f'"{found.digest}-{encoding}"'
    headers = {"Cache-Control": cache_control, "ETag": etag, "Vary": "Accept-Encoding"}
    if request.if_none_match.contains_raw(etag.strip('"')):
        return Response("", 304, headers)
    body = found.ready(encoding)
    if body is None:
        try:
            body = await asyncio.to_thread(found.encoded, encoding)
        except AssetChanged as error:
            log.warning("%s: restart the site", error)
            raise NotFound from None
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(body, 200, headers, content_type=found.content_type)


@routes.post("/bokeh/session/<application>")
async def renew(application: str) -> dict[str, object]:
    """Answer with the data block of a new session, for a page that has lost its own.

    The page's route does not run. So its ticket must be renewable: the route has passed nothing to the
    application. BOKEH_FORWARD_HEADERS and BOKEH_FORWARD_COOKIES are taken from this request.
    """
    ticket = _ticket(await _json_body(), application)
    if not ticket.renewable:
        raise Forbidden("this session can only be renewed by loading its page again")
    return current_runtime().renderer.block(await _pull(application))


@routes.post("/bokeh/session/<application>/state")
async def state(application: str) -> dict[str, str]:
    """Tell the loader why its websocket was refused, because a browser does not.

    ``alive``: it can attach; ``gone``: it needs a new session; ``refused``: its ticket is not this
    visitor's; ``unavailable``: not known at present.
    """
    try:
        ticket = _ticket(await _json_body(), application)
    except Gone:
        return {"state": "gone"}
    except Forbidden:
        return {"state": "refused"}
    return {"state": await current_runtime().relay.session_state(ticket)}


@routes.after_request
async def prevent_caching(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    return response


@routes.errorhandler(HTTPException)
async def error_as_json(error: HTTPException) -> tuple[dict[str, Any], int, Any]:
    """Answer errors in JSON, which the loader reads."""
    headers = [(name, value) for name, value in error.get_headers() if name.lower() == "retry-after"]
    content = {"error": error.name, "description": error.description, "id": getattr(error, "id", None)}
    return content, error.code or 500, headers


async def _json_body() -> Mapping[str, Any]:
    # Another site cannot send JSON without a preflight request, which is not answered here.
    await request.get_data()  # Hypercorn closes a connection whose body was not read
    try:
        body: Any = await request.get_json()
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def _ticket(body: Mapping[str, Any], application: str) -> Ticket:
    """Return the ticket that comes with the request. Raises Forbidden, or Gone if it is too old."""
    if error := origin_error(request.scope):
        raise Forbidden(error)
    visitor = visitor_of(request.scope["headers"])
    if visitor is None:
        raise Forbidden("the request has no visitor cookie")
    keys = current_runtime().settings.secret_keys
    try:
        ticket = verify(str(body.get("ticket")), visitor, keys, time.time())
    except TicketRefused as refused:
        raise (Gone if refused.status == 410 else Forbidden)(str(refused)) from None
    if ticket.application != application:
        raise Forbidden("the ticket is for another application")
    return ticket

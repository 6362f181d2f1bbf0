"""What a person opens: the gallery, an application's page, and the pages for what can go wrong."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from time import monotonic
from typing import cast

from quart import (
    Blueprint,
    Response,
    current_app,
    make_response,
    render_template,
    request,
    send_from_directory,
)
from werkzeug.exceptions import HTTPException, NotFound

from quart_app.extension import prefers_html
from quart_app.page.extensions import AtThisSite
from quart_app.relay.visitor import current_visitor
from quart_app.routes import extension
from quart_app.sessions.errors import ApplicationFailed
from quart_app.site.headers import page_headers

log = logging.getLogger(__name__)

pages = Blueprint("pages", __name__)


@pages.get("/")
async def gallery() -> str:
    """List the applications."""
    embed = extension()
    current_visitor()  # so that pages opened from here at the same time are all of one visitor
    return await render_template(
        "gallery.html",
        applications=embed.applications.values(),
        errors={name: embed.fleet.error_of(name) for name in embed.applications},
        servers=embed.settings.servers,
        shows_examples=str(embed.settings.apps) == current_app.config.get("EXAMPLES"),
    )


@pages.get("/favicon.ico")
async def favicon() -> tuple[str, int]:
    """Say that there is none: browsers ask for it on pages that do not name one, and complain."""
    return "", 204


@pages.get("/<application>", strict_slashes=False)
async def bkapp_page(application: str) -> Response:
    """Show one application, in a session of its own."""
    embed = extension()
    arguments = request.args.to_dict(flat=False)
    app = embed.applications.get(application)
    if embed.settings.delivery == "relay" and embed.delivery.may_have_template(application):
        deadline = monotonic() + embed.settings.pull_timeout
        session = await embed.pull(application, arguments=arguments)
        template = session.outline.has_template and await embed.puller.template(session, deadline)
        if template:
            here = AtThisSite(request.root_path, session.outline.copies)
            template = replace(template, html=here.page(template.html))
            response = await make_response(template.fill(session.root))
            # What may run in it is for the application's author to say.
            response.headers.update(page_headers(embed.settings, is_ours=False))
            return cast(Response, response)
        script = session.script
    else:
        script = await embed.script(application, arguments=arguments)
    page = await render_template(
        "embed.html",
        script=script,
        template="Quart",
        title=app.title if app else application,
        description=app.description if app else "",
        early=embed.delivery.early(application),
    )
    return cast(Response, await make_response(page))


@pages.get("/<application>/static/<path:filename>")
@pages.get("/bokeh/static/<application>/<path:filename>", endpoint="bokeh_static")
async def application_static(application: str, filename: str) -> Response:
    """Send a file of an application's ``static`` folder, also where a stock Bokeh server has it."""
    app = extension().applications.get(application)
    if app is None or app.static_folder is None:
        raise NotFound
    return await send_from_directory(app.static_folder, filename)


@pages.app_errorhandler(HTTPException)
async def error_page(error: HTTPException) -> Response:
    """Answer every HTTP error with a page that says what happened, or with JSON where that is asked for."""
    error_id = error.id if isinstance(error, ApplicationFailed) else None
    cause = getattr(error, "original_exception", None)
    if cause is not None:
        error_id = secrets.token_hex(4)
        log.error("[%s] is the exception on %s %s above: %r", error_id, request.method, request.path, cause)
    description = error.description or ""
    if prefers_html():
        page = await render_template("error.html", error=error, description=description, error_id=error_id)
        response = await make_response(page)
    else:
        body = {"error": error.name, "description": description, "id": error_id}
        response = await make_response(body)
    response.status_code = error.code or 500
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    response.headers["Cache-Control"] = "no-store"
    return cast(Response, response)


@pages.after_app_request
async def tell_browsers(response: Response) -> Response:
    """Give every page its headers."""
    if response.mimetype == "text/html":
        for name, value in page_headers(extension().settings).items():
            response.headers.setdefault(name, value)
    return response


@pages.app_context_processor
async def stylesheet() -> dict[str, str]:
    """Tell templates where the style sheet of the site is."""
    return {"stylesheet": extension().delivery.url("site.css")}

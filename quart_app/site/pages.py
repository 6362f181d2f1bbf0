"""The pages of the ready-made site: the gallery, each application, and errors."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from functools import partial
from typing import cast

from markupsafe import Markup
from quart import (
    Blueprint,
    Response,
    current_app,
    make_response,
    render_template,
    request,
)
from werkzeug.exceptions import HTTPException

from quart_app.page.extensions import AssetUrlRewriter
from quart_app.page.template import fill
from quart_app.protocol.outline import Template
from quart_app.relay.visitor import current_visitor
from quart_app.routes import application_file
from quart_app.runtime import current_runtime
from quart_app.sessions.errors import ApplicationFailed
from quart_app.sessions.session import Session
from quart_app.site.headers import page_headers
from quart_app.view import begin_pull, prefers_html, render_script

log = logging.getLogger(__name__)

pages = Blueprint("pages", __name__)

TAKES_TITLE = Markup('<meta name="bokeh-embed-title" content="document">')
"""Tells the loader that the page takes the title of the document, also when it changes."""


@pages.get("/")
async def gallery() -> str:
    """List the applications."""
    runtime = current_runtime()
    current_visitor()  # now, so that pages opened from here at the same time share one cookie
    return await render_template(
        "gallery.html",
        applications=runtime.applications.values(),
        errors={name: runtime.fleet.load_error(name) for name in runtime.applications},
        servers=runtime.settings.servers,
        shows_examples=str(runtime.settings.apps) == current_app.config.get("EXAMPLES"),
    )


@pages.get("/favicon.ico")
async def favicon() -> tuple[str, int]:
    """Answer that there is none: browsers request it for pages that do not name an icon."""
    return "", 204


@pages.get("/<application>", strict_slashes=False)
async def bkapp_page(application: str) -> Response:
    """Show one application, in a session of its own."""
    runtime = current_runtime()
    record = runtime.records.get(application)
    is_direct = runtime.settings.delivery == "direct"
    pulling = await begin_pull(
        runtime,
        application,
        request.args.to_dict(flat=False),
        # A template of the application's own replaces the whole page, so nothing can be sent before it.
        may_stream=is_direct or record is None or not record.has_template,
    )
    if pulling.done() and not is_direct:
        session = pulling.result()
        if template := session.outline.template:
            return await template_page(session, template)
    app = runtime.applications.get(application)
    page = await render_template(
        "embed.html",
        script=render_script(runtime, application, pulling),
        template="Quart",
        title=app.title if app else application,
        description=app.description if app else "",
        early=TAKES_TITLE + runtime.renderer.head(application, record),
    )
    return cast(Response, await make_response(page))


async def template_page(session: Session, template: Template) -> Response:
    """Return the page that the application's own template makes."""
    runtime = current_runtime()
    rewriter = AssetUrlRewriter(request.root_path, session.outline.cdn_to_local)
    page = fill(replace(template, html=rewriter.page(template.html)), partial(runtime.renderer.root, session))
    response = cast(Response, await make_response(page))
    # Its scripts are the application's, so our policy does not restrict them.
    response.headers.update(page_headers(runtime.settings, is_ours=False))
    return response


pages.add_url_rule("/<application>/static/<path:filename>", view_func=application_file)


@pages.app_errorhandler(HTTPException)
async def error_page(error: HTTPException) -> Response:
    """Answer an HTTP error with a page, or with JSON where the client prefers that."""
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
async def add_page_headers(response: Response) -> Response:
    """Add the security headers to every page."""
    if response.mimetype == "text/html":
        for name, value in page_headers(current_runtime().settings).items():
            response.headers.setdefault(name, value)
    return response


@pages.app_context_processor
async def stylesheet() -> dict[str, str]:
    """Give templates the URL of the site's style sheet."""
    return {"stylesheet": current_runtime().renderer.url("site.css")}

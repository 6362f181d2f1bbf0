"""An application's own ``templates/index.html``, rendered for a site that puts it under its own URL."""

from __future__ import annotations

import json
from time import time
from typing import Any

from bokeh.core.templates import FILE, MACROS, get_env
from bokeh.document import Document
from bokeh.embed.util import RenderItem
from bokeh.server import urls
from bokeh.server.views.session_handler import SessionHandler

from quart_app.engine.admission import Refused, read_token
from quart_app.engine.extensions import PANEL
from quart_app.engine.guarded import Guarded

PLACEHOLDER = "<!-- quart-bokeh: script -->"
"""Where the page wants its script."""


class PageHandler(Guarded, SessionHandler):
    """``/<application>/page``: the page of a session that is there, without scripts and styles of Bokeh.

    The request names the session with a token in the header ``Bokeh-Token``. The answer's headers say
    whether the document has a template of its own (``X-Bokeh-Template: own`` or ``default``), and which
    element is for which root (``X-Bokeh-Roots``, JSON: root id to element id).
    """

    async def get(self) -> None:
        app = self.application
        token = self.request.headers.get("Bokeh-Token", "")
        claim = read_token(token, key=app.secret_key, signed=app.sign_sessions, now=time())
        session = self.application_context._sessions.get(claim.session_id)  # type: ignore[call-overload]
        if session is None:
            raise Refused(410, "this session is gone")
        item = RenderItem(token=token, roots=session.document.roots, use_for_title=True)
        page = await session.with_document_locked(render, session.document, item)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Bokeh-Template", "default" if session.document.template is FILE else "own")
        self.set_header("X-Bokeh-Roots", json.dumps(item.to_json().get("roots", {})))
        self.write(page)


def render(document: Document, item: RenderItem) -> str:
    """Render the document's template as Bokeh's own page does, with nothing of Bokeh's in it."""
    template: Any = document.template
    if isinstance(template, str):
        template = get_env().from_string("{% extends base %}\n" + template)
    page: str = template.render(
        {
            "dist_url": PANEL,  # as templates of Panel expect it of a server
            **document.template_variables,
            "title": document.title,
            "bokeh_js": "",
            "bokeh_css": "",
            "plot_script": PLACEHOLDER,
            "docs": [item],
            "doc": item,
            "roots": item.roots,
            "base": FILE,
            "macros": MACROS,
        }
    )
    return page


def install() -> None:
    """Add the page to every application of the servers that are made from now on."""
    urls.per_app_patterns.append((r"/page", PageHandler))

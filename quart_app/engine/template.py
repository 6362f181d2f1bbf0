"""Renders an application's own ``templates/index.html`` for a page that the site serves under its own URL."""

from __future__ import annotations

import logging
from typing import Any

from bokeh.core.templates import FILE, MACROS, get_env
from bokeh.document import Document
from bokeh.embed.util import RenderItem

from quart_app.protocol.describe import PANEL_FILES
from quart_app.protocol.outline import Template

log = logging.getLogger(__name__)


def own_template(document: Document) -> Template | None:
    """Render the document's template as Bokeh's own page does, without Bokeh's scripts and styles.

    Returns None for Bokeh's default template, and for one that fails, with the error in the log.
    """
    if document.template is FILE:
        return None
    try:
        return _render(document)
    except Exception:
        log.exception("Cannot render the template of %r; its page has the site's instead", document.title)
        return None


def _render(document: Document) -> Template:
    template: Any = document.template
    if isinstance(template, str):
        template = get_env().from_string("{% extends base %}\n" + template)
    item = RenderItem(token="", roots=document.roots, use_for_title=True)
    html: str = template.render(
        {
            "dist_url": PANEL_FILES,  # Panel's templates need it
            **document.template_variables,
            "title": document.title,
            "bokeh_js": "",
            "bokeh_css": "",
            "plot_script": "",
            "docs": [item],
            "doc": item,
            "roots": item.roots,
            "base": FILE,
            "macros": MACROS,
        }
    )
    elements: dict[str, str] = dict(item.to_json().get("roots", {}))
    return Template(html, elements)

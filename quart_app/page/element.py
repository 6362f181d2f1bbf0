"""From a pulled session to the text that a template puts at ``{{ script|indent(4)|safe }}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.core.types import ID
from bokeh.embed import server_session
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from quart_app.sessions.errors import EmbedError

ELEMENT = Markup(
    """\
{preloads}
{stylesheet}
<div class="bokeh-embed" data-app="{app}" data-state="loading">
  <script type="application/json">{block}</script>
</div>
{loader}"""
)
FAILURE = Markup(
    """\
<link rel="stylesheet" href="{stylesheet}">
<div class="bokeh-embed" data-app="{app}" data-state="error">
  <div class="bokeh-embed-note" role="alert">
    <p><strong>{title}.</strong> <span data-error="{error_id}">{text}</span></p>
    <p><a href="">Try again</a></p>
  </div>
</div>"""
)
PRELOAD = Markup('<link rel="preload" as="script" href="{}" data-bokeh-embed>')
STYLESHEET = Markup('<link rel="stylesheet" href="{}">')
LOADER = Markup('<script type="module" async src="{}"></script>')


def direct(session_id: str, url: str) -> Markup:
    """Return what the classic recipe returns: the browser then talks to the Bokeh server itself.

    url: of the application on its server, as the browser reaches it.
    """
    return Markup(server_session(session_id=ID(session_id), url=url))


def element(block: Mapping[str, Any], *, loader: str, stylesheet: str) -> Markup:
    """Return an element with a data block, and our loader: the browser then talks to this site only.

    loader, stylesheet: URLs of embed.js and embed.css.
    """
    return ELEMENT.format(
        app=block["app"],
        block=htmlsafe_json_dumps(block, separators=(",", ":")),
        loader=LOADER.format(loader),
        stylesheet=STYLESHEET.format(stylesheet),
        preloads=preloads(block["bundles"]),
    )


def preloads(urls: Sequence[str]) -> Markup:
    """Return the tags that make a browser fetch scripts, in their order, while it still reads the page."""
    return Markup("\n").join(map(PRELOAD.format, urls))


def early(urls: Sequence[str], *, loader: str, stylesheet: str) -> Markup:
    """Return what the head of a page may have, so that its scripts run while its session is being made."""
    return Markup("\n").join([preloads(urls), STYLESHEET.format(stylesheet), LOADER.format(loader)])


def failure(application: str, error: EmbedError, *, stylesheet: str) -> Markup:
    """Return what stands in a page that has begun, in place of a plot that there will not be."""
    return FAILURE.format(
        stylesheet=stylesheet,
        app=application,
        title=error.name,
        text=error.description,
        error_id=getattr(error, "id", ""),
    )

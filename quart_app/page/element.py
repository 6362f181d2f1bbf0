"""The HTML that embeds a session: an element with a data block, and the tags that load what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
ERROR = Markup(
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


def render_element(block: Mapping[str, Any], *, loader: str, stylesheet: str) -> Markup:
    """Return the element with its data block, and the loader, which draws the plot there.

    loader, stylesheet: URLs of embed.js and embed.css.
    """
    return ELEMENT.format(
        app=block["app"],
        block=htmlsafe_json_dumps(block, separators=(",", ":")),
        loader=LOADER.format(loader),
        stylesheet=STYLESHEET.format(stylesheet),
        preloads=_preloads(block["bundles"]),
    )


def render_head(bundles: Sequence[str], *, loader: str, stylesheet: str) -> Markup:
    """Return tags for the head of a page, so that its scripts load while its session is created."""
    return Markup("\n").join([_preloads(bundles), STYLESHEET.format(stylesheet), LOADER.format(loader)])


def render_error(application: str, error: EmbedError, *, stylesheet: str) -> Markup:
    """Return what stands in the place of the plot, in a page that was begun before the error."""
    return ERROR.format(
        stylesheet=stylesheet,
        app=application,
        title=error.name,
        text=error.description,
        error_id=getattr(error, "id", ""),
    )


def _preloads(urls: Sequence[str]) -> Markup:
    return Markup("\n").join(map(PRELOAD.format, urls))

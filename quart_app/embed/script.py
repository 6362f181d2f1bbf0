"""From a pulled session to the text that a template puts at ``{{ script|indent(4)|safe }}``."""

from __future__ import annotations

from bokeh.core.types import ID
from bokeh.embed import server_session
from markupsafe import Markup

from quart_app.embed.errors import EmbedError


def direct(session_id: str, url: str) -> Markup:
    """Return what the classic recipe returns: the browser then talks to the Bokeh server itself.

    url: of the application on its server, as the browser reaches it.
    """
    return Markup(server_session(session_id=ID(session_id), url=url))


def failure(application: str, error: EmbedError) -> Markup:
    """Return what stands in a page where a plot should be."""
    error_id = getattr(error, "id", None)
    return Markup(
        '<div class="bokeh-embed" data-app="{}" data-state="error" role="alert">\n'
        "  <p><strong>{}</strong></p>\n  <p>{}</p>\n{}"
        '  <p><a href="">Try again</a></p>\n</div>'
    ).format(
        application,
        error.name,
        error.description,
        Markup("  <p>Error {}</p>\n").format(error_id) if error_id else "",
    )

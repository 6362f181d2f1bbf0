"""From a pulled session to the text that a template puts at ``{{ script|indent(4)|safe }}``."""

from __future__ import annotations

from bokeh.core.types import ID
from bokeh.embed import server_session
from markupsafe import Markup


def direct(session_id: str, url: str) -> Markup:
    """Return what the classic recipe returns: the browser then talks to the Bokeh server itself.

    url: of the application on its server, as the browser reaches it.
    """
    return Markup(server_session(session_id=ID(session_id), url=url))

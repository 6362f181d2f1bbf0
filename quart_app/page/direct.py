"""``direct`` delivery: the script of the classic recipe. The browser talks to the Bokeh server itself."""

from __future__ import annotations

from bokeh.core.types import ID
from bokeh.embed import server_session
from markupsafe import Markup


def direct_script(session_id: str, url: str) -> Markup:
    """Return what ``bokeh.embed.server_session`` returns. ``url``: of the application, for browsers."""
    return Markup(server_session(session_id=ID(session_id), url=url))

"""What ``await embed.pull(…)`` returns: a session, with the texts that a template shows."""

from __future__ import annotations

from markupsafe import Markup

from quart_app.page.renderer import Renderer
from quart_app.sessions.session import Session


class PulledSession:
    """A session that waits on its server for the browser of one page."""

    def __init__(self, session: Session, renderer: Renderer) -> None:
        self.session = session
        self._renderer = renderer

    @property
    def id(self) -> str:
        """Bokeh's session id. Who knows it can use the session: it belongs in one page and in no log."""
        return self.session.id

    @property
    def script(self) -> Markup:
        """What the page's template shows at ``{{ script|indent(4)|safe }}``."""
        return self._renderer.script(self.session)

    @property
    def root_names(self) -> list[str]:
        """The names of the document's roots that have one, in the document's order."""
        return self.session.outline.root_names

    def root(self, name: str) -> Markup:
        """Return what a template shows in the place of this root alone: the root's name, or its id.

        All roots of a session share one websocket. Raises LookupError for a name that no root has.
        """
        return self._renderer.root(self.session, name)

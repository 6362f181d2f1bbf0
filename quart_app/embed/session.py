"""A session that was pulled for a page, and how the page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from quart_app.embed import script
from quart_app.servers.outline import Outline
from quart_app.servers.server import Server


@dataclass(frozen=True)
class PulledSession:
    """A session that waits on its server for the browser of one page."""

    id: str
    """Bokeh's session id. Whoever knows it has the session: it belongs in one page and in no log."""
    application: str
    server: Server
    outline: Outline

    @property
    def script(self) -> Markup:
        """What the page's template shows at ``{{ script|indent(4)|safe }}``."""
        return script.direct(self.id, self.server.browser_url(self.application))

    @property
    def root_names(self) -> list[str]:
        """The names of the document's roots that have one, in the document's order."""
        return [root.name for root in self.outline.roots if root.name]

    @property
    def is_usable(self) -> bool:
        """Whether its server is there, as far as this process knows."""
        return self.server.is_running and not self.server.is_resting

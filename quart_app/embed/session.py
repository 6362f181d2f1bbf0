"""A session that was pulled for a page, and how the page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from markupsafe import Markup

from quart_app.embed.delivery import Delivery
from quart_app.servers.outline import Outline
from quart_app.servers.server import Server


@dataclass(frozen=True)
class PulledSession:
    """A session that waits on its server for the browser of one page."""

    id: str
    """Bokeh's session id. Whoever knows it has the session: it belongs in one page and in no log."""
    application: str
    server: Server
    generation: str
    """Which start of its server has it."""
    outline: Outline
    delivery: Delivery = field(repr=False)
    renewable: bool = False
    """Whether its route has passed nothing to it, so that another one is as good."""

    @property
    def script(self) -> Markup:
        """What the page's template shows at ``{{ script|indent(4)|safe }}``."""
        return self.delivery.script(self)

    @property
    def root_names(self) -> list[str]:
        """The names of the document's roots that have one, in the document's order."""
        return [root.name for root in self.outline.roots if root.name]

    def root(self, name: str) -> Markup:
        """Return what a template shows in the place of this root alone: the root's name, or its id.

        All roots of a session share one connection. Raises LookupError for a name that no root has.
        """
        return self.delivery.root(self, name)

    @property
    def is_usable(self) -> bool:
        """Whether the server that has it is there, as far as this process knows."""
        server = self.server
        return server.is_running and not server.is_resting and server.generation == self.generation

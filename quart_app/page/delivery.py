"""How a pulled session comes into a page: the data block for our loader, with a ticket for this visitor."""

from __future__ import annotations

import hmac
import logging
from dataclasses import asdict, dataclass, field
from time import time
from typing import Any

import bokeh
from markupsafe import Markup
from quart import has_request_context, request

from quart_app.fleet.server import Server
from quart_app.page.assets import Assets
from quart_app.page.element import direct, early, element
from quart_app.page.extensions import AtThisSite
from quart_app.protocol.outline import Outline
from quart_app.relay.ticket import LIFETIME, Ticket, mint, ticket_keys
from quart_app.relay.visitor import current_visitor
from quart_app.settings import Settings

log = logging.getLogger(__name__)

RUN_TEXT = (
    "CustomJS",
    "CustomLabelingPolicy",
    "CanvasTexture",
    "HTMLTemplateFormatter",
    "ReactiveHTML",
    "VegaPlot",
)
"""How the names of model types begin, without their packages, that run text as code in the browser."""


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


class Delivery:
    """Makes the texts that embed sessions, for the visitor whose request is being answered."""

    def __init__(self, settings: Settings, assets: Assets) -> None:
        self._settings = settings
        self._assets = assets
        self._seen: dict[str, list[str]] = {}
        """The bundles that each application needed last."""
        self._templates: dict[str, bool] = {}
        """Whether it had a page of its own."""
        self._warned: set[str] = set()
        """Applications whose pages will not run what they need."""

    def script(self, session: PulledSession) -> Markup:
        """Return the text that embeds the whole document, as BOKEH_DELIVERY says."""
        if self._settings.delivery == "direct":
            return direct(session.id, session.server.browser_url(session.application))
        return self._element(self.block(session))

    def root(self, session: PulledSession, name: str) -> Markup:
        """Return the text that embeds one root. Raises LookupError for a name that no root has."""
        if not any(name in (root.name, root.id) for root in session.outline.roots):
            raise LookupError(
                f"“{session.application}” has no root named {name!r}, only {session.root_names}"
            )
        if self._settings.delivery == "direct":
            raise RuntimeError("Bokeh's own script places all roots together: set BOKEH_DELIVERY to 'relay'")
        return self._element({**self.block(session), "root": name})

    def block(self, session: PulledSession) -> dict[str, Any]:
        """Return what the loader has to know, with a ticket for the visitor of this request.

        static/loader/blocks.js says what each key means. All URLs begin at the host, with the path prefix.
        """
        if not has_request_context():
            raise RuntimeError(
                "a session's script is for one visitor: ask for it while a request is answered"
            )
        server, application = session.server, session.application
        outline = session.outline
        here = AtThisSite(request.root_path, outline.copies)
        needed, others = self._assets.bundles(outline.types, outline.code)
        self._seen[application] = needed
        self._templates[application] = outline.has_template
        self._warn_of_text(application, outline)
        return {
            "app": application,
            "ticket": self._ticket(session),
            "path": f"{request.root_path}/bokeh/{server.name}/{application}",
            "renew": f"{request.root_path}/bokeh/session/{application}",
            "renewable": session.renewable,
            "stock": not session.generation,
            "bokeh": bokeh.__version__,
            "dev": self._settings.dev,
            "roots": [asdict(root) for root in session.outline.roots],
            "bundles": [self._bundle(application, name) for name in needed],
            "others": [self._url(name) for name in others],
            "links": {
                type_: [(kind, here.url(url), name) for kind, url, name in links]
                for type_, links in outline.links.items()
            },
            "copies": here.copies,
        }

    def _warn_of_text(self, application: str, outline: Outline) -> None:
        """Say once for each application that it runs text as code, which pages with a policy do not allow."""
        if self._settings.csp_unsafe_eval or outline.has_template or application in self._warned:
            return
        names = {type_.rpartition(".")[2] for type_ in outline.types}
        if needing := sorted(name for name in names if name.startswith(RUN_TEXT)):
            self._warned.add(application)
            log.warning(
                "%s runs text as code (%s), which our own pages allow only with BOKEH_CSP_UNSAFE_EVAL=1",
                application,
                ", ".join(needing),
            )

    def _ticket(self, session: PulledSession) -> str:
        """Return the visitor's ticket; the visitor's cookie goes out with the response."""
        content = Ticket(
            session_id=session.id,
            application=session.application,
            server=session.server.name,
            url=session.server.url,
            generation=session.generation,
            session_expiry=int(time()) + LIFETIME,
            renewable=session.renewable,
        )
        return mint(content, current_visitor(), ticket_keys(self._settings.secret_keys))

    def may_have_template(self, application: str) -> bool:
        """Whether a document of this application had a page of its own, or none has been seen yet."""
        return self._templates.get(application, True)

    def early(self, application: str) -> Markup:
        """Return what the head of a page of this application may have, to be drawn sooner."""
        if self._settings.delivery == "direct":
            return Markup("")
        bundles = self._seen.get(application) or [self._assets.file_name("bokeh.js")]
        urls = [self._bundle(application, name) for name in bundles]
        return early(urls, loader=self.url("embed.js"), stylesheet=self.url("embed.css"))

    def url(self, name: str) -> str:
        """Return the URL of a file of ours, such as ``site.css``."""
        return self._url(self._assets.file_name(name))

    def _url(self, file_name: str) -> str:
        return f"{request.root_path}/bokeh/assets/{file_name}"

    def _bundle(self, application: str, file_name: str) -> str:
        if not file_name.startswith("models-"):
            return self._url(file_name)
        return f"{self._url(file_name)}?of={application}&by={self.signature(application, file_name)}"

    def signature(self, application: str, file_name: str) -> str:
        """Return what shows a worker that another one has this script of the application's own models."""
        key = hmac.digest(self._settings.secret_key, b"quart-bokeh models", "sha256")
        return hmac.digest(key, f"{application}/{file_name}".encode(errors="replace"), "sha256").hex()[:32]

    def _element(self, block: dict[str, Any]) -> Markup:
        return element(block, loader=self.url("embed.js"), stylesheet=self.url("embed.css"))

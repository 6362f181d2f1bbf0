"""Renders sessions for the visitor of the current request: data blocks with a ticket, and URLs."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict
from time import time
from typing import Any

import bokeh
from itsdangerous import Signer
from markupsafe import Markup
from quart import has_request_context, request

from quart_app.page.assets import Assets
from quart_app.page.element import render_element, render_head
from quart_app.page.extensions import AssetUrlRewriter
from quart_app.page.record import PageRecord
from quart_app.protocol.outline import Outline
from quart_app.relay.ticket import LIFETIME, Ticket, mint
from quart_app.relay.visitor import current_visitor
from quart_app.sessions.session import Session
from quart_app.settings import Settings

log = logging.getLogger(__name__)

MODELS = "models-"
"""Prefix of the file names of scripts of applications' own models."""


class Renderer:
    """Makes the HTML that embeds sessions."""

    def __init__(self, settings: Settings, assets: Assets) -> None:
        self._settings = settings
        self._assets = assets
        self._signer = Signer(settings.secret_key, salt="quart-bokeh models", digest_method=hashlib.sha256)
        self._warned: set[str] = set()
        """Applications that need ``'unsafe-eval'``, which our policy does not allow."""

    def script(self, session: Session) -> Markup:
        """Return the HTML that embeds all roots, as BOKEH_DELIVERY says."""
        if self._settings.delivery == "direct":
            from quart_app.page.direct import direct_script

            return direct_script(session.id, session.server.browser_url(session.application))
        return self._element(self.block(session))

    def root(self, session: Session, name: str) -> Markup:
        """Return the HTML that embeds one root. Raises LookupError for a name or id that no root has."""
        outline = session.outline
        if not any(name in (root.name, root.id) for root in outline.roots):
            raise LookupError(
                f"“{session.application}” has no root named {name!r}, only {outline.root_names}"
            )
        if self._settings.delivery == "direct":
            raise RuntimeError("Bokeh's own script places all roots together: set BOKEH_DELIVERY to 'relay'")
        return self._element({**self.block(session), "root": name})

    def head(self, application: str, record: PageRecord | None) -> Markup:
        """Return tags for the head of a page of the application, so that its scripts load early."""
        if self._settings.delivery == "direct":
            return Markup("")
        needed, _ = self._assets.for_outline(record.outline if record else Outline(()))
        urls = [self._script_url(application, name) for name in needed]
        return render_head(urls, loader=self.url("embed.js"), stylesheet=self.url("embed.css"))

    def block(self, session: Session) -> dict[str, Any]:
        """Return the data block for the loader, with a ticket for this request's visitor.

        static/loader/blocks.js documents the keys. All URLs are paths with the site's prefix.
        """
        if not has_request_context():
            raise RuntimeError("a session's script is for one visitor: use it while a request is handled")
        application, outline = session.application, session.outline
        rewriter = AssetUrlRewriter(request.root_path, outline.cdn_to_local)
        needed, rest = self._assets.for_outline(outline)
        self._warn_of_eval(application, session)
        return {
            "app": application,
            "ticket": self._ticket(session),
            "path": f"{request.root_path}/bokeh/{session.server.name}/{application}",
            "renew": f"{request.root_path}/bokeh/session/{application}",
            "renewable": session.renewable,
            "external": not session.generation,
            "bokeh": bokeh.__version__,
            "dev": self._settings.dev,
            "roots": [asdict(root) for root in outline.roots],
            "bundles": [self._script_url(application, name) for name in needed],
            "others": [self._url(name) for name in rest],
            "links": {
                type_: [(kind, rewriter.url(url), name) for kind, url, name in links]
                for type_, links in outline.links.items()
            },
            "copies": rewriter.cdn_to_local,
        }

    def url(self, name: str) -> str:
        """Return the URL of a file of ours, such as ``site.css``."""
        return self._url(self._assets.file_name(name))

    def is_signed(self, application: str, file_name: str, signature: str) -> bool:
        """Whether this site has named the script of the application's own models in a page."""
        return self._signer.verify_signature(_models_id(application, file_name), signature)

    def _warn_of_eval(self, application: str, session: Session) -> None:
        """Log once per application that it needs ``'unsafe-eval'`` where our policy does not allow it."""
        outline = session.outline
        if not outline.eval_models or outline.template is not None:
            return
        if not self._settings.csp_unsafe_eval and application not in self._warned:
            self._warned.add(application)
            log.warning(
                "%s runs text as code (%s), which our own pages allow only with BOKEH_CSP_UNSAFE_EVAL=1",
                application,
                ", ".join(outline.eval_models),
            )

    def _ticket(self, session: Session) -> str:
        """Return the visitor's ticket. The response sets the visitor's cookie if it is new."""
        content = Ticket(
            session_id=session.id,
            application=session.application,
            server=session.server.name,
            url=session.server.url,
            generation=session.generation,
            session_expiry=int(time()) + LIFETIME,
            renewable=session.renewable,
        )
        return mint(content, current_visitor(), self._settings.secret_keys)

    def _url(self, file_name: str) -> str:
        return f"{request.root_path}/bokeh/assets/{file_name}"

    def _script_url(self, application: str, file_name: str) -> str:
        if not file_name.startswith(MODELS):
            return self._url(file_name)
        signature = self._signer.get_signature(_models_id(application, file_name)).decode()
        return f"{self._url(file_name)}?app={application}&sig={signature}"

    def _element(self, block: dict[str, Any]) -> Markup:
        return render_element(block, loader=self.url("embed.js"), stylesheet=self.url("embed.css"))


def _models_id(application: str, file_name: str) -> bytes:
    return f"{application}/{file_name}".encode(errors="replace")

"""Make the end of a session cheap: no walk over the whole heap for each one.

What is wrong: for every session that ends, Bokeh runs a full garbage collection in ``Document.destroy``, a
second one for documents with ``on_session_destroyed`` callbacks, and ``gc.get_referrers`` for every module
of the application, for a line in the log. Each walks over the objects of all other sessions. Most garbage of
a session is in reference cycles that ``Model.destroy`` leaves: default values that refer to their model,
1,276 of the 1,527 objects of a small session (59 with the patch).
Since: https://github.com/bokeh/bokeh/pull/7604 and /pull/8368 (collections), /pull/7046 (referrers), of 2017
and 2018; still in 3.10.2.
Upstream: https://github.com/bokeh/bokeh/issues/11477 (open) is about the cycles; none known about the cost.
Panel throttles the collections: https://github.com/holoviz/panel/pull/3259.
Can go: each function when Bokeh no longer does what it replaces: in 4.0.0.dev8 the default values only.
"""

from __future__ import annotations

import gc
import logging
import sys
from typing import Any

from bokeh.application.handlers import document_lifecycle
from bokeh.core.has_props import HasProps
from bokeh.document import Document, document
from bokeh.document.modules import DocumentModuleManager
from bokeh.model import Model

from quart_app.engine.garbage import CollectionSchedule
from quart_app.engine.patches import expect, names_used

log = logging.getLogger(__name__)


def schedule_collections(schedule: CollectionSchedule) -> None:
    """Let ``Document.destroy`` report to the schedule, which collects once for many sessions."""
    expect(
        "how a document is destroyed (Document.destroy)",
        getattr(document, "gc", None) is gc,
        {"gc", "collect"} <= names_used(Document.destroy),
    )
    vars(document)["gc"] = schedule


def run_destroyed_callbacks() -> None:
    """Run ``on_session_destroyed`` callbacks without the collection that Bokeh adds to them."""
    expect(
        "on_session_destroyed callbacks (document_lifecycle._on_session_destroyed)",
        {"gc", "session_destroyed_callbacks"} <= names_used(document_lifecycle._on_session_destroyed),
    )

    def on_session_destroyed(session_context: Any) -> None:
        document = session_context._document
        callbacks, document.session_destroyed_callbacks = document.session_destroyed_callbacks, set()
        for callback in callbacks:
            try:
                callback(session_context)
            except (Exception, SystemExit):
                log.exception("The on_session_destroyed callback %r failed", callback)

    document_lifecycle._on_session_destroyed = on_session_destroyed


def release_default_values() -> None:
    """Let ``Model.destroy`` release default values too, so that models need no garbage collection."""
    expect(
        "default values of models (HasProps._unstable_default_values)",
        "_unstable_default_values" in HasProps.__annotations__,
    )
    destroy = Model.destroy

    def destroy_with_defaults(self: Model) -> None:
        destroy(self)
        self._unstable_default_values.clear()

    Model.destroy = destroy_with_defaults  # type: ignore[method-assign]


def release_modules() -> None:
    """Remove a session's modules without searching the heap for references to them."""
    expect(
        "how a session's modules are released (DocumentModuleManager.destroy)",
        {"get_referrers", "_modules"} <= names_used(DocumentModuleManager.destroy),
    )

    def destroy(self: DocumentModuleManager) -> None:
        for module in self._modules:
            sys.modules.pop(module.__name__, None)
            module.__dict__.clear()
        self._modules = []

    DocumentModuleManager.destroy = destroy  # type: ignore[method-assign]

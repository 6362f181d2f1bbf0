"""What stock Bokeh gets wrong when sessions end, as in corrections: it stops everybody else meanwhile."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from typing import Any

from bokeh.application.handlers import document_lifecycle
from bokeh.core.has_props import HasProps
from bokeh.document import Document, document
from bokeh.document.modules import DocumentModuleManager
from bokeh.model import Model
from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession

from quart_app.engine.garbage import Collector
from quart_app.engine.patches.corrections import names_of, require

log = logging.getLogger(__name__)


def end_sessions_in_batches() -> None:
    """End expired sessions some at a time, and let everybody else have their turn in between.

    ``ApplicationContext._cleanup_sessions`` ends all of them in one piece up to Bokeh 3.9. In 3.10 each
    takes several turns of the loop, one session after the other: where sessions are made at the same time,
    fewer end than are made.
    """
    stock = ApplicationContext._cleanup_sessions
    expected = {"connection_count", "milliseconds_since_last_unsubscribe", "expiration_requested"}
    require("how expired sessions end", expected | {"_discard_session"} <= names_of(stock))

    async def cleanup_sessions(self: ApplicationContext, unused_session_linger_milliseconds: int) -> None:
        def has_expired(session: ServerSession) -> bool:
            return session.connection_count == 0 and (
                session.milliseconds_since_last_unsubscribe > unused_session_linger_milliseconds
                or session.expiration_requested
            )

        def may_end(session: ServerSession) -> bool:
            return not session.destroyed and not session.expiration_blocked and has_expired(session)

        ending = [session for session in self.sessions if may_end(session)]
        size = max(8, len(ending) // 16)
        for start in range(0, len(ending), size):
            batch = [session for session in ending[start : start + size] if may_end(session)]
            await asyncio.gather(*(self._discard_session(session, has_expired) for session in batch))

    ApplicationContext._cleanup_sessions = cleanup_sessions  # type: ignore[method-assign]


def end_documents_without_collecting(collector: Collector) -> None:
    """Leave a full garbage collection per ended session out; the collector makes one for many.

    ``Document.destroy`` (all versions up to 3.10) collects because models and documents refer to each
    other. Each collection walks the whole heap, that is all other sessions.
    """
    is_stock = getattr(document, "gc", None) is gc and "gc" in names_of(Document.destroy)
    require("how a document ends", is_stock)
    vars(document)["gc"] = collector


def end_lifecycles_without_collecting() -> None:
    """The same for a document with ``on_session_destroyed`` callbacks, which costs a second collection."""
    stock = getattr(document_lifecycle, "_on_session_destroyed", None)
    require("on_session_destroyed", stock is not None and "gc" in names_of(stock))

    def on_session_destroyed(session_context: Any) -> None:
        document = session_context._document
        callbacks, document.session_destroyed_callbacks = document.session_destroyed_callbacks, set()
        for callback in callbacks:
            try:
                callback(session_context)
            except (Exception, SystemExit):
                log.exception("on_session_destroyed of %s failed", session_context.server_context)

    document_lifecycle._on_session_destroyed = on_session_destroyed


def let_models_go() -> None:
    """Let an ended session's models be gone at once, instead of leaving them to the collector.

    ``Model.destroy`` (all versions up to 3.10) forgets a model's values, and keeps the default ones that
    have been made for it. Those know their model: a circle for each, 1,276 of the 1,527 objects of a small
    session (59 with this).
    """
    require("how a model ends", "_unstable_default_values" in HasProps.__annotations__)
    destroy = Model.destroy

    def destroy_defaults_too(self: Model) -> None:
        destroy(self)
        self._unstable_default_values.clear()

    Model.destroy = destroy_defaults_too  # type: ignore[method-assign]


def end_modules_without_searching() -> None:
    """Remove an ended session's modules without asking every object whether it refers to one.

    ``DocumentModuleManager.destroy`` (all versions up to 3.10) does that for a line in the log.
    """
    require("how a session's modules end", "get_referrers" in names_of(DocumentModuleManager.destroy))

    def destroy(self: DocumentModuleManager) -> None:
        for module in self._modules:
            sys.modules.pop(module.__name__, None)
            module.__dict__.clear()
        self._modules = []

    DocumentModuleManager.destroy = destroy  # type: ignore[method-assign]

"""Record which documents are incomplete because their application's script raised an exception.

What is wrong: Bokeh logs the exception and serves the document as it is then, often empty. The client cannot
tell it from a complete one. With the record, the server answers 500 instead.
Since: 3.9.2 and before; a TODO in ``Application.initialize_document`` of 3.10.2 still says so.
Upstream: none known; https://github.com/bokeh/bokeh/issues/10261 (open) asks for errors to reach the
embedding site.
Can go: when a session, or its creation, tells that its application failed.
"""

from __future__ import annotations

from functools import wraps
from weakref import WeakKeyDictionary

from bokeh.application import Application
from bokeh.application.handlers import CodeHandler, DirectoryHandler
from bokeh.document import Document

from quart_app.engine.patches import expect, names_used

_failures: WeakKeyDictionary[Document, str] = WeakKeyDictionary()


def failure_of(document: Document) -> str | None:
    """Return the error of the script that was to fill this document, or None if it succeeded."""
    return _failures.get(document)


def record_failures() -> None:
    """Wrap ``Application.initialize_document``."""
    stock = Application.initialize_document
    expect(
        "how a document is filled (Application.initialize_document)",
        {"modify_document", "failed", "error"} <= names_used(stock),
        all(hasattr(handler, "failed") for handler in (CodeHandler, DirectoryHandler)),
    )

    @wraps(stock)
    def initialize_document(self: Application, doc: Document) -> None:
        stock(self, doc)
        for handler in self.handlers:
            # Other handlers keep the failure of an earlier run.
            if isinstance(handler, CodeHandler | DirectoryHandler) and handler.failed:
                _failures[doc] = handler.error or "it failed"

    Application.initialize_document = initialize_document  # type: ignore[method-assign]

"""Let ``sys.exit()`` in an application end the script or callback that called it, and nothing else.

What is wrong: Bokeh does not catch ``SystemExit`` from scripts and callbacks. It ends the server, and with it
the sessions of all applications: one visit or one click is enough.
Since: 3.9.2 and before; still in 3.10.2.
Upstream: none known.
Can go: when Bokeh treats ``SystemExit`` there as it treats other exceptions.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from bokeh.application import Application
from bokeh.document import Document, callbacks

from quart_app.engine.patches import expect, names_used

log = logging.getLogger(__name__)


def survive_in_scripts() -> None:
    """Wrap ``Application.initialize_document``. The document keeps what the script has put into it."""
    stock = Application.initialize_document
    expect(
        "how a document is filled (Application.initialize_document)",
        "modify_document" in names_used(stock),
    )

    @wraps(stock)
    def initialize_document(self: Application, doc: Document) -> None:
        try:
            stock(self, doc)
        except SystemExit as error:
            path = next((path for handler in self.handlers if (path := handler.url_path())), "/")
            log.error("The script of %s called sys.exit(%r)", path, error.code)

    Application.initialize_document = initialize_document  # type: ignore[method-assign]


def survive_in_callbacks() -> None:
    """Wrap ``invoke_with_curdoc``, through which all callbacks run: raise RuntimeError instead."""
    stock: Any = getattr(callbacks, "invoke_with_curdoc", None)
    expect(
        "how callbacks are called (bokeh.document.callbacks.invoke_with_curdoc)",
        "patch_curdoc" in names_used(stock),
    )

    @contextmanager
    def convert_exit() -> Iterator[None]:
        try:
            yield
        except SystemExit as error:
            raise RuntimeError(f"a callback called sys.exit({error.code!r})") from None

    async def await_result(result: Awaitable[Any]) -> Any:
        with convert_exit():
            return await result

    def invoke_with_curdoc(document: Document, callback: Callable[[], Any]) -> Any:
        with convert_exit():
            result = stock(document, callback)
        return await_result(result) if inspect.isawaitable(result) else result

    vars(callbacks)["invoke_with_curdoc"] = invoke_with_curdoc

"""The internal names of Quart that ``asgi.quart_internals`` uses."""

from __future__ import annotations

from inspect import signature

from quart import Quart
from quart.globals import app_ctx


def test_handle_http_exception_takes_the_error_alone_or_after_the_context():
    parameters = list(signature(Quart("site").handle_http_exception).parameters)
    assert parameters in (["error"], ["app_context", "error"], ["ctx", "error"]), parameters


def test_the_context_can_be_read():
    assert hasattr(app_ctx, "_get_current_object")

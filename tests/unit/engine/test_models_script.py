from __future__ import annotations

import sys
from types import ModuleType

import pytest
from bokeh.models import LayoutDOM

from quart_app.engine import models_script
from quart_app.engine.models_script import compile_models


@pytest.fixture
def own_model(monkeypatch):
    def make(session: str, code: str) -> type[LayoutDOM]:
        """Return the class as an application defines it anew in every session."""
        module = f"bokeh_app_{session * 32}"
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
        return type("Own", (LayoutDOM,), {"__module__": module, "__implementation__": code})

    return make


def test_a_model_is_compiled_once_for_all_sessions(own_model, monkeypatch):
    calls = []

    def bundle(types: list[type]) -> str:
        calls.append(types)
        return f"// custom/{types[0].__module__}.own"

    monkeypatch.setattr(models_script, "bundle_models", bundle)
    texts = {compile_models([own_model(session, "let once\n")]) for session in "abc"}
    assert texts == {"// custom/bokeh_app.own"}
    assert len(calls) == 1
    compile_models([own_model("a", "let twice\n")])
    assert len(calls) == 2


def test_a_model_that_cannot_be_compiled_is_logged_once_and_has_no_script(own_model, monkeypatch, caplog):
    def fail(_: object) -> str:
        raise SystemExit(1)  # as Bokeh does

    monkeypatch.setattr(models_script, "bundle_models", fail)
    for session in "ab":
        assert compile_models([own_model(session, "let wrong\n")]) == ""
    assert caplog.text.count("Cannot compile the implementation of Own: see the output above") == 1

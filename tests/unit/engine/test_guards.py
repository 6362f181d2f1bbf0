"""What happens when Bokeh or Tornado has changed: the server refuses to start, or a patch is left out."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from bokeh.application import Application
from bokeh.application.handlers import document_lifecycle
from bokeh.command.subcommands import serve as bokeh_serve
from bokeh.core.has_props import HasProps
from bokeh.document import Document, callbacks, document
from bokeh.document.modules import DocumentModuleManager
from bokeh.model import Model
from bokeh.server import urls
from bokeh.server.contexts import ApplicationContext
from bokeh.server.views.doc_handler import DocHandler as BokehDocHandler
from bokeh.server.views.ws import WSHandler as BokehWSHandler

from quart_app.engine import bokeh_internals, handlers, tornado_internals
from quart_app.engine.garbage import CollectionSchedule
from quart_app.engine.patches import (
    BokehChanged,
    broken_applications,
    expect_names,
    improve,
    require,
    script_failures,
    session_creation,
    session_end_batches,
    session_end_cost,
    sys_exit,
    websocket,
)

NAMES = [
    (owner, name)
    for names in (bokeh_internals.NAMES, tornado_internals.ADMISSION_NAMES, tornado_internals.FRAME_NAMES)
    for owner, attributes in names.items()
    for name in attributes
]
SCHEDULE = CollectionSchedule(lambda: 0)


def changed(*_: object) -> None:
    """Stands for a function of a later version of Bokeh."""


def test_every_private_name_that_the_engine_uses_exists():
    bokeh_internals.check()
    tornado_internals.check()
    expect_names(tornado_internals.FRAME_NAMES)


@pytest.mark.parametrize(("owner", "name"), NAMES, ids=[f"{owner.__name__}.{name}" for owner, name in NAMES])
def test_a_name_that_has_gone_is_named(monkeypatch, owner, name):
    for base in owner.__mro__[:-1]:
        if name in vars(base):
            monkeypatch.delattr(base, name)
        if "__init__" in vars(base):
            monkeypatch.setattr(base, "__init__", changed)
    with pytest.raises(BokehChanged, match=rf"{owner.__name__}\.{name}$"):
        expect_names({owner: [name]})


@pytest.mark.parametrize(
    ("patch", "owner", "name"),
    [
        (bokeh_internals.check, BokehWSHandler, "_async_open"),
        (bokeh_internals.check, BokehWSHandler, "open"),
        (bokeh_internals.check, BokehDocHandler, "get"),
        (script_failures.record_failures, Application, "initialize_document"),
    ],
)
def test_what_security_or_correctness_rests_on_refuses_to_start(monkeypatch, patch, owner, name):
    monkeypatch.setattr(owner, name, changed)
    with pytest.raises(
        SystemExit, match=r"does not work with Bokeh 3\.\d+\.\d+, which has changed "
    ) as error:
        require(patch)
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    assert getattr(owner, name) is changed


@pytest.mark.parametrize(
    "patterns",
    [
        [*urls.per_app_patterns, (r"/events", BokehDocHandler)],
        urls.per_app_patterns[1:],
        [(*pattern, {}) for pattern in urls.per_app_patterns],
    ],
)
def test_urls_that_the_handlers_do_not_know_refuse_to_start(monkeypatch, patterns):
    monkeypatch.setattr(urls, "per_app_patterns", list(patterns))
    with pytest.raises(SystemExit, match="per_app_patterns"):
        require(handlers.install)
    assert urls.per_app_patterns == patterns


def test_the_handlers_also_replace_those_of_another_package(monkeypatch):
    theirs = type("DocHandler", (BokehDocHandler,), {})
    patterns = [(url, theirs if url == "/?" else handler) for url, handler in urls.per_app_patterns]
    monkeypatch.setattr(urls, "per_app_patterns", patterns)
    require(handlers.install)
    assert dict(patterns).items() >= handlers.HANDLERS.items()
    assert [url for url, _ in patterns] == ["/?", "/ws", "/metadata", "/autoload.js"]


@pytest.mark.parametrize(
    ("patch", "owner", "name"),
    [
        (sys_exit.survive_in_scripts, Application, "initialize_document"),
        (sys_exit.survive_in_callbacks, callbacks, "invoke_with_curdoc"),
        (session_creation.free_failed_ids, ApplicationContext, "create_session_if_needed"),
        (session_end_batches.discard_in_batches, ApplicationContext, "_cleanup_sessions"),
        (partial(session_end_cost.schedule_collections, SCHEDULE), Document, "destroy"),
        (partial(session_end_cost.schedule_collections, SCHEDULE), document, "gc"),
        (session_end_cost.run_destroyed_callbacks, document_lifecycle, "_on_session_destroyed"),
        (session_end_cost.release_modules, DocumentModuleManager, "destroy"),
        (partial(broken_applications.skip_broken_applications, {}), bokeh_serve.Serve, "invoke"),
        (websocket.coalesce_frames, BokehWSHandler, "send_message"),
    ],
)
def test_a_patch_of_a_function_that_has_changed_is_left_out_with_a_warning(
    monkeypatch, caplog, patch, owner, name
):
    monkeypatch.delattr(ApplicationContext, "_session_creation_done", raising=False)  # of Bokeh 3.10
    monkeypatch.setattr(owner, name, changed)
    before = snapshot()
    improve(patch)
    assert snapshot() == before
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert getattr(patch, "func", patch).__name__ in record.getMessage()


@pytest.mark.parametrize(
    ("patch", "owner", "name"),
    [
        (sys_exit.survive_in_callbacks, callbacks, "invoke_with_curdoc"),
        (session_end_cost.run_destroyed_callbacks, document_lifecycle, "_on_session_destroyed"),
        (websocket.disable_nagle, BokehWSHandler, "_async_open"),
        (websocket.use_valid_close_codes, BokehWSHandler, "_internal_error"),
    ],
)
def test_a_patch_of_a_function_that_has_gone_is_left_out_with_a_warning(
    monkeypatch, caplog, patch, owner, name
):
    monkeypatch.delattr(owner, name)
    before = snapshot()
    improve(patch)
    assert snapshot() == before
    assert f"Patch {patch.__name__} is not applied" in caplog.text


def test_the_patch_of_default_values_is_left_out_where_models_have_none(monkeypatch, caplog):
    monkeypatch.delitem(HasProps.__annotations__, "_unstable_default_values")
    before = snapshot()
    improve(session_end_cost.release_default_values)
    assert snapshot() == before
    assert "Patch release_default_values is not applied" in caplog.text


def snapshot() -> dict[str, Any]:
    """Return all that the patches change."""
    return {
        "initialize_document": Application.initialize_document,
        "invoke_with_curdoc": vars(callbacks).get("invoke_with_curdoc"),
        "create_session_if_needed": ApplicationContext.create_session_if_needed,
        "_cleanup_sessions": ApplicationContext._cleanup_sessions,
        "gc": document.gc,
        "_on_session_destroyed": vars(document_lifecycle).get("_on_session_destroyed"),
        "Model.destroy": Model.destroy,
        "DocumentModuleManager.destroy": DocumentModuleManager.destroy,
        "build": bokeh_serve.build_single_handler_applications,
        "_async_open": vars(BokehWSHandler).get("_async_open"),
        "send_message": BokehWSHandler.send_message,
        "close": BokehWSHandler.close,
    }


def test_an_import_that_fails_counts_as_a_change(monkeypatch, caplog):
    def patch() -> None:
        from bokeh.document.gone import nothing  # noqa: F401

    improve(patch)
    assert "has changed No module named 'bokeh.document.gone'" in caplog.text
    with pytest.raises(SystemExit, match="gone"):
        require(patch)

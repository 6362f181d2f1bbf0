from __future__ import annotations

import asyncio
from functools import partial

import pytest
from bokeh.application import Application
from bokeh.command.subcommands.serve import Serve
from bokeh.document import Document, document

from quart_app.engine.admission import Gate, Refused
from quart_app.engine.garbage import Collector
from quart_app.engine.patches import corrections, endings


def test_the_collector_waits_for_a_quiet_moment_and_then_rests():
    live = 0
    collector = Collector(lambda: live)
    assert not collector.is_due(now=100)
    collector.note_end(now=100)
    assert not collector.is_due(now=100.5)
    assert collector.is_due(now=102)
    collector.note_collection(now=102, seconds=0.01)
    collector.note_end(now=103)
    assert not collector.is_due(now=105)
    assert collector.is_due(now=108)


def test_the_collector_does_not_wait_for_ever_where_sessions_end_all_the_time():
    collector = Collector(lambda: 0)
    for tenth in range(101):
        collector.note_end(now=100 + tenth / 10)
    assert collector.is_due(now=110)


def test_a_long_collection_waits_until_as_many_sessions_have_ended_as_are_alive():
    collector = Collector(lambda: 400)
    collector.note_collection(now=0, seconds=0.2)
    for _ in range(399):
        collector.note_end(now=100)
    assert not collector.is_due(now=102)
    collector.note_end(now=102)
    assert collector.is_due(now=104)


def test_the_gate_holds_places_for_sessions_that_are_being_made():
    async def test() -> None:
        gate = Gate(max_sessions=1)
        async with gate.making():
            with pytest.raises(Refused) as refused:
                await gate.making().__aenter__()
            assert refused.value.status_code == 503
        async with gate.making():
            pass
        gate.is_draining = True
        with pytest.raises(Refused):
            await gate.making().__aenter__()

    asyncio.run(test())


def test_a_correction_steps_aside_with_a_warning_where_bokeh_has_changed(caplog, monkeypatch):
    monkeypatch.setattr(Document, "destroy", lambda self, session: None)
    before = document.gc
    corrections.apply(lambda: endings.end_documents_without_collecting(Collector(lambda: 0)))
    assert document.gc is before
    assert "This Bokeh has changed how a document ends" in caplog.text


def test_every_correction_steps_aside_where_bokeh_has_changed(caplog, monkeypatch):
    def changed(*args: object) -> None: ...

    monkeypatch.setattr(Application, "initialize_document", changed)
    monkeypatch.setattr(Serve, "invoke", changed)
    broken: dict[str, str] = {}
    corrections.apply(corrections.note_failures, partial(corrections.leave_out_broken_applications, broken))
    assert Application.initialize_document is changed
    assert caplog.text.count("This Bokeh has changed") == 2

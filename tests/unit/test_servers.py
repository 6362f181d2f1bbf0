from __future__ import annotations

import asyncio
from functools import partial
from socket import create_server

import pytest
from bokeh.application import Application
from bokeh.command.subcommands.serve import Serve
from bokeh.document import Document, document

from quart_app.engine.admission import Gate, Refused
from quart_app.engine.garbage import Collector
from quart_app.engine.patches import corrections, endings
from quart_app.fleet.fleet import Fleet, by_turns
from quart_app.fleet.server import Server, State
from quart_app.fleet.supervisor import backoff
from quart_app.settings import Settings


def test_servers_take_turns_and_resting_ones_come_last():
    a, b, c = Server("a", used_at=2), Server("b", used_at=1), Server("c", used_at=0)
    c.rest("no answer")
    down = Server("down", state=State.BACKOFF)
    assert by_turns([a, b, c, down]) == [b, a, c]


def test_back_off_grows_and_is_bounded():
    waits = [backoff(failures) for failures in range(1, 30)]
    assert waits[0] < waits[2] < waits[4]
    assert max(waits) <= 30


def test_websocket_addresses_keep_scheme_and_prefix():
    assert Server("s", "https://h/p").websocket_url("x") == "wss://h/p/x/ws"
    assert Server("s", "http://h:1").websocket_url("x") == "ws://h:1/x/ws"


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


def test_every_server_has_a_name_that_fits_a_url():
    settings = Settings.from_config({"BOKEH_SERVERS": "http://h:1,http://h:2/p"})

    async def names() -> list[str]:
        async with Fleet(settings, {}) as fleet:
            assert fleet.find("server-9") is None
            assert all(fleet.find(server.name) is server for server in fleet.servers)
            return [server.name for server in fleet.servers]

    assert asyncio.run(names()) == ["server-1", "server-2"]


def test_a_site_is_ready_while_one_of_its_servers_takes_connections():
    async def ready(*urls: str) -> bool:
        async with Fleet(Settings.from_config({"BOKEH_SERVERS": urls}), {}) as fleet:
            return await fleet.is_ready()

    with create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        assert asyncio.run(ready("http://127.0.0.1:9", f"http://{host}/below/this"))
    assert not asyncio.run(ready(f"http://{host}", "https://[::1]:9", "http://user@127.0.0.1:9"))

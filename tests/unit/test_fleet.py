from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from socket import create_server

import pytest

from quart_app.catalogue import BokehApp
from quart_app.fleet import watch
from quart_app.fleet.fleet import Fleet
from quart_app.fleet.server import Server, State
from quart_app.fleet.supervisor import backoff
from quart_app.settings import Settings, SettingsError


def test_back_off_grows_and_is_bounded():
    waits = [backoff(failures) for failures in range(1, 30)]
    assert waits[0] < waits[2] < waits[4]
    assert max(waits) <= 30


def test_websocket_addresses_keep_scheme_and_prefix():
    assert Server("s", "https://h/p").websocket_url("x") == "wss://h/p/x/ws"
    assert Server("s", "http://h:1").websocket_url("x") == "ws://h:1/x/ws"


def test_each_change_of_state_is_one_line_in_the_log(caplog):
    caplog.set_level(logging.INFO)
    server = Server("server-1", state=State.STOPPED)
    server.set_state(State.STARTING)
    server.set_state(State.STARTING)
    server.set_state(State.BACKOFF, "exit status 3")
    assert caplog.messages == [
        "Bokeh server server-1: stopped -> starting",
        "Bokeh server server-1: starting -> backoff (exit status 3)",
    ]


def test_an_unreachable_server_is_in_cool_down_and_logged_once(caplog):
    server = Server("server-1", "http://h:1")
    assert not server.in_cooldown
    server.mark_unreachable("connection refused")
    server.mark_unreachable("connection refused")
    assert server.in_cooldown
    [line] = caplog.messages
    assert "server-1 (http://h:1, running) could not be reached: connection refused" in line


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


def test_new_sessions_are_placed_on_the_servers_in_turn():
    fleet = Fleet(Settings.from_config({}), {})
    fleet.servers = [Server("a"), Server("b")]
    assert [fleet.candidates("x")[0].name for _ in range(4)] == ["a", "b", "a", "b"]


def test_an_application_has_an_error_while_no_server_has_loaded_it():
    path = Path("/apps/hooked")
    fleet = Fleet(Settings.from_config({}), {"hooked": BokehApp("hooked", path, "Hooked")})
    fleet.servers = one, two = [Server("a"), Server("b")]
    assert not fleet.load_error("hooked")
    one.load_errors = {str(path): "the hook"}
    assert not fleet.load_error("hooked")
    assert fleet.candidates("hooked") == [two]
    two.load_errors = {str(path): "the hook"}
    assert fleet.load_error("hooked") == "the hook"
    assert fleet.candidates("hooked") == []
    one.load_errors = {}
    assert not fleet.load_error("hooked")
    assert not fleet.load_error("unknown")


def test_an_error_of_the_catalogue_does_not_count_where_others_run_the_servers():
    application = BokehApp("one", Path("/apps/one.ipynb"), "One", error="one.ipynb needs nbconvert")
    assert Fleet(Settings.from_config({}), {"one": application}).load_error("one")
    elsewhere = Settings.from_config({"BOKEH_SERVERS": "http://h:1"})
    assert not Fleet(elsewhere, {"one": application}).load_error("one")


def test_dev_without_watchfiles_ends_the_start_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(watch, "find_spec", lambda name: None)

    async def start() -> None:
        async with Fleet(Settings.from_config({"BOKEH_DEV": "1"}), {}):
            pass

    with pytest.raises(SettingsError, match=r"BOKEH_DEV needs watchfiles: pip install 'quart-bokeh\[dev\]'"):
        asyncio.run(start())

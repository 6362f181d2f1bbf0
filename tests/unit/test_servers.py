from __future__ import annotations

import asyncio
from socket import create_server

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

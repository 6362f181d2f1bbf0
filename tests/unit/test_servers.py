from __future__ import annotations

from quart_app.servers.fleet import by_turns
from quart_app.servers.server import Server, State
from quart_app.servers.supervisor import backoff


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

from __future__ import annotations

import pytest

from quart_app.fleet.placement import placement_order
from quart_app.fleet.server import Server, State

PATH = "/apps/sliders.py"
NOW = 100.0


@pytest.mark.parametrize(
    ("servers", "order"),
    [
        ([], []),
        ([Server("a", used_at=2), Server("b", used_at=1), Server("c", used_at=3)], ["b", "a", "c"]),
        ([Server("a"), Server("b")], ["a", "b"]),
        ([Server("a", cooldown_until=NOW + 1), Server("b", used_at=50)], ["b", "a"]),
        ([Server("a", cooldown_until=NOW), Server("b", used_at=50)], ["a", "b"]),
        ([Server("a", cooldown_until=NOW + 1)], ["a"]),
        ([Server("a", load_errors={PATH: "failed"}), Server("b", used_at=50)], ["b"]),
        ([Server("a", load_errors={"/apps/other.py": "failed"})], ["a"]),
        ([Server("a", load_errors={PATH: "failed"})], []),
    ],
    ids=[
        "no server",
        "the least recently used first",
        "equal ones as listed",
        "in cool-down last",
        "cool-down is over",
        "all in cool-down",
        "without the application",
        "without another application",
        "no server has the application",
    ],
)
def test_servers_are_tried_in_this_order(servers, order):
    assert [server.name for server in placement_order(servers, PATH, NOW)] == order


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_a_server_that_is_not_running_is_not_tried(state):
    assert placement_order([Server("a", state=state)], PATH, NOW) == []

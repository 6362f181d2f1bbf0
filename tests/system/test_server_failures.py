"""Applications that fail, and what others see of it."""

from __future__ import annotations

from typing import Any

import pytest
from bokeh_server import OURS, STOCK, Client, Serve, new_id, refusal, run, token, visit
from harness import DEADLINE, wait_until
from tornado.httpclient import HTTPClientError

GOOD = """
from bokeh.io import curdoc
from bokeh.models import Div
curdoc().add_root(Div(text="here"))
"""
HALF = GOOD + "raise RuntimeError('the other reason')"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("apps")
    (folder / "raises.py").write_text("raise RuntimeError('the reason')")
    (folder / "half.py").write_text(HALF)
    (folder / "good.py").write_text(GOOD)
    with Serve(*sorted(folder.glob("*.py"))) as server:
        yield server


@pytest.mark.parametrize(("name", "reason"), [("raises", "the reason"), ("half", "the other reason")])
def test_a_script_that_raises_is_a_500_before_the_upgrade_and_frees_the_id(server, name, reason):
    made, before = token(new_id(), create=True), server.output().count(f"RuntimeError: {reason}")
    for number in (1, 2):
        status, body, headers = refusal(server, name, made)
        assert (status, headers["X-Bokeh-Error"]) == (500, "application")
        assert body.count("\n") == 1
        assert reason in body  # the client has the key
        assert server.output().count(f"RuntimeError: {reason}") == before + number
    assert server.health()["applications"][f"/{name}"] == {"sessions": 0, "connections": 0, "starts": "error"}


def test_stock_bokeh_serves_what_a_script_that_raises_has_left(tmp_path):
    (tmp_path / "half.py").write_text(HALF)
    with Serve(tmp_path / "half.py", command=STOCK) as stock:
        assert visit(stock, "half", token(new_id(), create=True)).roots


def test_the_health_tells_which_applications_start(server):
    assert visit(server, "good", token(new_id(), create=True)).roots
    health = server.health()
    assert health["applications"]["/good"]["starts"] == "ok"
    assert health["sessions"] == 1
    assert health["resident_bytes"] is None or health["resident_bytes"] > 2**20
    assert health["loop_lag_seconds"] >= 0


def test_every_patch_fits_this_version_of_bokeh(server):
    assert "is not applied" not in server.output()


def test_the_health_needs_the_key(server):
    assert server.get("/healthz").status_code == 403
    assert server.get("/healthz", headers={"Authorization": "Bearer x"}).status_code == 403


def test_a_page_at_the_server_itself_shows_what_a_failed_script_has_left(server):
    id = new_id()
    assert server.get(f"/half?bokeh-token={token(id, create=True)}").status_code == 200
    assert visit(server, "half", token(id)).roots


def test_an_unsigned_server_tells_its_health_to_this_machine_and_not_to_a_proxy(tmp_path):
    (tmp_path / "empty.py").write_text("")
    with Serve(tmp_path / "empty.py", signed=False) as server:
        assert server.get("/healthz").json()["applications"]["/empty"]["starts"] == "unknown"
        assert server.get("/healthz", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403


@pytest.mark.parametrize(("command", "ends"), [(OURS, False), (STOCK, True)])
def test_a_script_that_exits_ends_a_stock_server_and_not_ours(tmp_path, command, ends):
    (tmp_path / "exits.py").write_text("import sys\nsys.exit('enough')")
    with Serve(tmp_path / "exits.py", command=command) as server:

        async def connect() -> None:
            await Client.connect(server, "exits", token(new_id(), create=True))

        if ends:
            with pytest.raises((EOFError, HTTPClientError, OSError)):
                run(connect())
            assert server.popen.wait(DEADLINE) != 0
        else:
            run(connect())
            run(connect())
            assert server.output().count("The script of /exits called sys.exit('enough')") == 2


EXITS_LATER = """
import sys
from bokeh.io import curdoc
from bokeh.models import Slider

doc = curdoc()

async def leave_later():
    sys.exit("later")

def leave(attribute, old, new):
    doc.add_next_tick_callback(leave_later)
    sys.exit("at once")

slider = Slider(start=0, end=1, value=0)
slider.on_change("value", leave)
doc.add_root(slider)
"""


async def move(server: Serve, application: str) -> Any:
    """Move the slider of a new session, and return the server's answer."""
    client = await Client.connect(server, application, token(new_id(), create=True))
    document = await client.pull()
    changes: list[Any] = []
    document.on_change(changes.append)
    document.roots[0].value = 1
    return await client.ask(client.protocol.create("PATCH-DOC", changes))


@pytest.mark.parametrize(("command", "ends"), [(OURS, False), (STOCK, True)])
def test_a_callback_that_exits_ends_a_stock_server_and_not_ours(tmp_path, command, ends):
    (tmp_path / "leaves.py").write_text(EXITS_LATER)
    with Serve(tmp_path / "leaves.py", command=command) as server:
        if ends:
            with pytest.raises((EOFError, HTTPClientError, OSError)):
                run(move(server, "leaves"))
            assert server.popen.wait(DEADLINE) != 0
        else:
            for _ in range(2):
                assert run(move(server, "leaves")).msgtype == "ERROR"
            wait_until(lambda: server.output().count("called sys.exit('at once')") >= 2, "one is in the log")
            wait_until(lambda: server.output().count("called sys.exit('later')") >= 2, "the other one too")
            assert visit(server, "leaves", token(new_id(), create=True)).roots


def test_the_log_has_a_callbacks_traceback_and_the_browser_only_its_error(tmp_path):
    (tmp_path / "raises.py").write_text(EXITS_LATER.replace('sys.exit("at once")', "raise ValueError('bad')"))
    with Serve(tmp_path / "raises.py") as server:
        content = run(move(server, "raises")).content
        assert "bad" in content["text"]
        assert content["traceback"] is None
        assert str(tmp_path) not in str(content)
        wait_until(
            lambda: "Traceback" in server.output() and "raises.py" in server.output(), "the log has it"
        )

"""Applications that fail, and what everybody else has of it."""

from __future__ import annotations

from typing import Any

import pytest
from bokeh_server import OURS, STOCK, Client, Serve, alone, new_id, refusal, run, token, visit
from harness import DEADLINE, wait_until
from tornado.httpclient import HTTPClientError

GOOD = """
from bokeh.io import curdoc
from bokeh.models import Div
curdoc().add_root(Div(text="here"))
"""
HALF = GOOD + "raise RuntimeError('the other reason')"

CREATE_TWICE = """
import asyncio, sys
from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.server.contexts import ApplicationContext
from tornado.ioloop import IOLoop
from quart_app.engine.patches import corrections

def application(document):
    raise RuntimeError("on purpose")

class Handler(FunctionHandler):
    async def on_session_created(self, session_context):
        await asyncio.sleep(0)  # the second one who asks finds the first one at work

async def main():
    raises = Application(Handler(application))
    context = ApplicationContext(raises, io_loop=IOLoop.current(), url="/f")
    for _ in range(2):
        results = await asyncio.gather(
            *(asyncio.wait_for(context.create_session_if_needed("id"), 5) for _ in range(2)),
            return_exceptions=True,
        )
        print(*(type(result).__name__ for result in results))
    print(len(context._pending_sessions), len(context._sessions))

if sys.argv[1] == "ours":
    corrections.apply(corrections.free_the_id_of_a_failed_session)
asyncio.run(main())
"""


def test_a_function_that_raises_ends_its_creation_for_all_who_wait_and_frees_the_id():
    done = alone(CREATE_TWICE, "ours")
    assert done.stdout.split() == ["RuntimeError"] * 4 + ["0", "0"]
    assert done.stderr.count("RuntimeError: on purpose") == 2
    assert "never retrieved" not in done.stderr


def test_stock_bokeh_keeps_the_id_of_a_function_that_raised_up_to_3_9():
    from bokeh.server.contexts import ApplicationContext

    if hasattr(ApplicationContext, "_session_creation_done"):
        pytest.skip("Bokeh 3.10 has it right")
    assert alone(CREATE_TWICE, "stock").stdout.split()[-2:] == ["1", "0"]


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
    made, before = token(new_id(), create=True), server.output().count(reason)
    for number in (1, 2):
        status, body, headers = refusal(server, name, made)
        assert (status, headers["X-Bokeh-Error"]) == (500, "application")
        assert body.count("\n") == 1
        assert reason in body  # whoever has the key may know
        # once in the line, once in the traceback's last one
        assert server.output().count(f"RuntimeError: {reason}") == before + number
    assert server.health()["applications"][f"/{name}"] == {"sessions": 0, "connections": 0, "starts": "error"}


def test_stock_bokeh_shows_what_a_script_that_raised_has_left(tmp_path):
    (tmp_path / "half.py").write_text(HALF)
    with Serve(tmp_path / "half.py", command=STOCK) as stock:
        assert visit(stock, "half", token(new_id(), create=True)).roots


@pytest.mark.parametrize(("command", "ends"), [(OURS, False), (STOCK, True)])
def test_an_application_that_exits_ends_a_stock_server_and_not_ours(tmp_path, command, ends):
    (tmp_path / "exits.py").write_text("import sys\nsys.exit('enough')")
    with Serve(tmp_path / "exits.py", command=command) as server:

        async def open_it() -> None:
            await Client.connect(server, "exits", token(new_id(), create=True))

        if ends:
            with pytest.raises((EOFError, HTTPClientError, OSError)):
                run(open_it())
            assert server.popen.wait(DEADLINE) != 0
        else:
            run(open_it())
            run(open_it())
            assert server.output().count("The application called sys.exit('enough')") == 2


def test_stock_bokeh_ends_with_the_first_application_that_cannot_be_loaded(tmp_path):
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "unparsable.py").write_text("x = (")
    with pytest.raises(AssertionError, match="it ended with 1"):
        Serve(*sorted(tmp_path.glob("*.py")), command=STOCK).__enter__()


MAGIC = """
import json, sys
from pathlib import Path
from bokeh.command.subcommands import serve
from quart_app.engine.patches import corrections

sys.modules["IPython"] = None
cell = {"cell_type": "code", "source": ["%matplotlib inline"], "execution_count": None}
cell |= {"metadata": {}, "outputs": []}
path = Path(sys.argv[1], "magic.ipynb")
path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
broken = {}
corrections.apply(lambda: corrections.leave_out_broken_applications(broken))
serve.build_single_handler_applications([str(path)])
print(broken[str(path)])
"""


def test_a_notebook_with_magics_is_said_to_need_ipython(tmp_path):
    told = alone(MAGIC, str(tmp_path)).stdout.strip()
    assert told.startswith("Invalid syntax in 'magic.ipynb' on line")
    assert told.endswith(": magics need IPython, which is not installed")


def test_the_others_run_and_the_health_tells_which(server):
    assert visit(server, "good", token(new_id(), create=True)).roots
    health = server.health()
    assert health["applications"]["/good"]["starts"] == "ok"
    assert health["sessions"] == 1
    assert health["resident_bytes"] is None or health["resident_bytes"] > 2**20
    assert health["loop_lag_seconds"] >= 0


def test_the_health_is_only_for_those_who_have_the_key(server):
    assert server.get("/healthz").status_code == 403
    assert server.get("/healthz", headers={"Authorization": "Bearer x"}).status_code == 403


def test_a_page_opened_at_the_server_itself_shows_what_there_is_as_stock_does(server):
    made = token(new_id(), create=True)
    assert server.get(f"/half?bokeh-token={made}").status_code == 200
    assert visit(server, "half", token(new_id_of(made))).roots


def new_id_of(made: str) -> str:
    from bokeh.util.token import get_session_id

    return str(get_session_id(made))


def test_an_unsigned_server_tells_its_health_to_this_machine_and_not_through_a_proxy(tmp_path):
    (tmp_path / "empty.py").write_text("")
    with Serve(tmp_path / "empty.py", signed=False) as server:
        assert server.get("/healthz").json()["applications"]["/empty"]["starts"] == "unknown"
        assert server.get("/healthz", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403


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


def test_where_a_callback_failed_is_in_the_log_and_not_in_the_browser(tmp_path):
    (tmp_path / "raises.py").write_text(EXITS_LATER.replace('sys.exit("at once")', "raise ValueError('bad')"))
    with Serve(tmp_path / "raises.py") as server:
        content = run(move(server, "raises")).content
        assert "bad" in content["text"]
        assert content["traceback"] is None
        assert str(tmp_path) not in str(content)
        wait_until(
            lambda: "Traceback" in server.output() and "raises.py" in server.output(), "the log has it"
        )

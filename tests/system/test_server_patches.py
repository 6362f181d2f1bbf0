"""The other patches of Bokeh: the fault shows on stock Bokeh and not on our server."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from bokeh.server.contexts import ApplicationContext
from bokeh_server import OURS, STOCK, Client, Serve, new_id, run, run_script, token

CREATE_TWICE = """
import asyncio, sys
from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.server.contexts import ApplicationContext
from tornado.ioloop import IOLoop
from quart_app.engine.patches import require, session_creation

def application(document):
    raise RuntimeError("on purpose")

class Handler(FunctionHandler):
    async def on_session_created(self, session_context):
        await asyncio.sleep(0)  # the second request comes while the session is created

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
    require(session_creation.free_failed_ids)
asyncio.run(main())
"""


def test_a_creation_that_fails_ends_for_all_requests_and_frees_the_id():
    done = run_script(CREATE_TWICE, "ours")
    assert done.stdout.split() == ["RuntimeError"] * 4 + ["0", "0"]
    assert done.stderr.count("RuntimeError: on purpose") == 2
    assert "never retrieved" not in done.stderr


@pytest.mark.skipif(hasattr(ApplicationContext, "_session_creation_done"), reason="right since Bokeh 3.10")
def test_stock_bokeh_keeps_the_id_of_a_creation_that_fails():
    assert run_script(CREATE_TWICE, "stock").stdout.split()[-2:] == ["1", "0"]


LOAD = """
import json, sys
from pathlib import Path
from bokeh.command.subcommands import serve
from quart_app.engine.patches import broken_applications, require

sys.modules["IPython"] = None
paths = sorted(str(path) for path in Path(sys.argv[1]).iterdir())
broken = {}
require(lambda: broken_applications.skip_broken_applications(broken))
loaded = serve.build_single_handler_applications(paths)
print(json.dumps([list(loaded), {Path(path).name: reason for path, reason in broken.items()}]))
"""


def test_applications_that_cannot_be_loaded_are_reported_and_the_others_served(tmp_path):
    cell = {"cell_type": "code", "source": ["%matplotlib inline"], "execution_count": None, "metadata": {}}
    notebook = {"cells": [{**cell, "outputs": []}], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (tmp_path / "magic.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "good.py").write_text("")
    (tmp_path / "unparsable.py").write_text("x = (")
    loaded, broken = json.loads(run_script(LOAD, str(tmp_path)).stdout)
    assert loaded == ["/good"]
    assert broken.keys() == {"magic.ipynb", "unparsable.py"}
    assert broken["magic.ipynb"].startswith("Invalid syntax in 'magic.ipynb' on line")
    assert broken["magic.ipynb"].endswith(": magics need IPython, which is not installed")
    assert broken["unparsable.py"].startswith("Invalid syntax in 'unparsable.py' on line 1")


def test_stock_bokeh_exits_on_the_first_application_that_cannot_be_loaded(tmp_path):
    (tmp_path / "good.py").write_text("")
    (tmp_path / "unparsable.py").write_text("x = (")
    with pytest.raises(AssertionError, match="it ended with 1"):
        Serve(*sorted(tmp_path.glob("*.py")), command=STOCK).__enter__()


PROBE = """
import os, socket
from bokeh.io import curdoc
from bokeh.models import Div

def options():
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as connection:
                connection.getpeername()
                yield connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        except OSError:
            pass

curdoc().title = str(sorted(set(options())))
curdoc().add_root(Div())
"""


@pytest.mark.parametrize(("command", "option"), [(OURS, 1), (STOCK, 0)])
def test_an_open_websocket_has_tcp_nodelay(tmp_path, command, option):
    (tmp_path / "probe.py").write_text(PROBE)
    with Serve(tmp_path / "probe.py", command=command) as server:

        async def look() -> str:
            first = await Client.connect(server, "probe", token(new_id(), create=True))
            second = await Client.connect(server, "probe", token(new_id(), create=True))
            title = (await second.pull()).title
            first.close()
            second.close()
            return title

        seen = json.loads(run(look()))
        # Stock creates the second session when its own websocket is open, ours before.
        assert option in seen
        assert command == OURS or 1 not in seen


@pytest.mark.parametrize(("command", "code"), [(OURS, 1002), (STOCK, 10001)])
def test_a_fragment_that_is_no_message_closes_the_websocket_with_a_valid_code(tmp_path, command, code):
    (tmp_path / "empty.py").write_text("")
    with Serve(tmp_path / "empty.py", command=command) as server:

        async def send() -> int | None:
            client = await Client.connect(server, "empty", token(new_id(), create=True))
            await client.socket.write_message(b"no message", binary=True)
            with pytest.raises(EOFError) as closed:
                await client.receive()
            return closed.value.args[0]

        assert run(send()) == code


CHANGED = """
import sys
from bokeh.server import urls
from bokeh.server.views.ws import WSHandler
from quart_app.engine import serve

if sys.argv[1] == "_async_open":
    del WSHandler._async_open
else:
    urls.per_app_patterns.append(("/events", WSHandler))
sys.argv[1:] = ["--port", "0"]
serve.main()
"""


@pytest.mark.parametrize("changed", ["_async_open", "per_app_patterns"])
def test_a_server_refuses_to_start_where_bokeh_has_changed_what_admission_rests_on(changed):
    done = subprocess.run(
        [sys.executable, "-c", CHANGED, changed], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if "Bokeh" in line]
    assert "This server does not work with Bokeh" in line
    assert changed in line
    assert "Traceback" not in done.stderr
    assert "running at" not in done.stderr

"""How sessions and servers end."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest
from bokeh_server import OURS, SHORT, STOCK, Client, Serve, alone, new_id, refusal, run, token, visit
from harness import DEADLINE, ROOT, wait_until
from tornado.httpclient import HTTPClientError

SESSIONS = 12

HOOKS = """
import gc, json, weakref
from pathlib import Path

counts = {"collections": 0, "searches": 0, "ended": 0, "alive": 0}
living = weakref.WeakSet()

def on_collection(phase, info):
    if phase == "start" and info["generation"] == 2:
        counts["collections"] += 1

def search(*objects):
    counts["searches"] += 1
    return []

def on_server_loaded(server_context):
    gc.callbacks.append(on_collection)
    gc.get_referrers = search
    from tornado.ioloop import PeriodicCallback
    PeriodicCallback(write, 50).start()

def write():
    counts["alive"] = len(living)
    file = Path(__file__).with_name("counts.json")
    file.with_suffix(".new").write_text(json.dumps(counts))
    file.with_suffix(".new").replace(file)

def on_session_created(session_context):
    living.add(session_context._document)

def on_session_destroyed(session_context):
    living.add(session_context.session)
    counts["ended"] += 1
"""

MAIN = """
from bokeh.io import curdoc
from bokeh.plotting import figure
plot = figure()
plot.scatter([1], [2])
plot.x_range.on_change("start", lambda attr, old, new: plot.title.update(text="moved"))
curdoc().add_root(plot)
curdoc().on_session_destroyed(lambda session_context: None)
"""


@pytest.fixture
def counted(tmp_path):
    folder = tmp_path / "counted"
    folder.mkdir()
    (folder / "app_hooks.py").write_text(HOOKS)
    (folder / "main.py").write_text(MAIN)
    return folder


def end_sessions(server: Serve, folder) -> dict[str, int]:
    """Let some sessions end, and return what their ends have cost."""

    def counts() -> dict[str, int]:
        return json.loads((folder / "counts.json").read_text())

    async def come_and_go() -> None:
        for _ in range(SESSIONS):
            client = await Client.connect(server, "counted", token(new_id(), create=True))
            client.close()

    wait_until((folder / "counts.json").exists, "the hooks have run")
    before = counts()
    run(come_and_go())
    after = wait_until(lambda: (now := counts())["ended"] == SESSIONS and now, "all sessions have ended")
    return {name: after[name] - before[name] for name in after}


def test_the_end_of_a_session_neither_collects_nor_searches_and_its_memory_comes_back(counted):
    with Serve(counted, *SHORT) as server:
        cost = end_sessions(server, counted)
        assert cost["searches"] == 0
        assert cost["collections"] <= 3
        wait_until(lambda: json.loads((counted / "counts.json").read_text())["alive"] == 0, "all are gone")


def test_stock_bokeh_collects_and_searches_at_the_end_of_each_session(counted):
    with Serve(counted, *SHORT, command=STOCK) as server:
        cost = end_sessions(server, counted)
        assert cost["searches"] >= SESSIONS
        assert cost["collections"] >= SESSIONS


END_MANY = """
import asyncio, sys
from bokeh.application import Application
from bokeh.server.contexts import ApplicationContext
from tornado.ioloop import IOLoop
from quart_app.engine.patches import corrections
from quart_app.engine.patches import endings

async def main():
    context = ApplicationContext(Application(), io_loop=IOLoop.current(), url="/")
    for number in range(64):
        (await context.create_session_if_needed(str(number))).request_expiration()
    discard, ending, most, left = context._discard_session, 0, 0, [64]

    async def counted(*arguments):
        nonlocal ending, most
        ending += 1
        most = max(most, ending)
        await discard(*arguments)
        ending -= 1

    async def count():
        while True:
            left.append(len(context._sessions))
            await asyncio.sleep(0)

    context._discard_session = counted
    counting = asyncio.create_task(count())
    await context._cleanup_sessions(10_000)
    counting.cancel()
    left.append(len(context._sessions))
    assert left[-1] == 0
    in_one_turn = max(before - after for before, after in zip(left, left[1:]))
    print(max(most, in_one_turn), sum(0 < number < 64 for number in left))

if sys.argv[1] == "ours":
    corrections.apply(endings.end_sessions_in_batches)
asyncio.run(main())
"""

DESTROY = """
import gc, sys, weakref
from bokeh.plotting import figure
from quart_app.engine.patches import corrections
from quart_app.engine.patches import endings

if sys.argv[1] == "ours":
    corrections.apply(endings.let_models_go)
gc.disable()
plot = figure()
plot.properties_with_values()
gone = weakref.ref(plot)
plot.destroy()
del plot
print(gone() is None)
"""


def test_expired_sessions_end_some_at_a_time():
    """What the script prints: how many of 64 end together, and how many turns others have meanwhile."""
    most, turns = map(int, alone(END_MANY, "ours").stdout.split())
    assert most == 8
    assert turns >= 7
    most, turns = map(int, alone(END_MANY, "stock").stdout.split())
    assert (most == 64 and turns == 0) or (most == 1 and turns >= 63)  # up to Bokeh 3.9, and 3.10


def test_a_model_that_has_ended_is_gone_without_the_collector():
    assert alone(DESTROY, "ours").stdout == "True\n"
    assert alone(DESTROY, "stock").stdout == "False\n"


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
def test_an_open_websocket_is_not_held_up_by_nagle(tmp_path, command, option):
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
        # stock makes the second session when its own websocket is open, ours before
        assert option in seen
        assert command == OURS or 1 not in seen


@pytest.mark.parametrize(("command", "code"), [(OURS, 1012), (STOCK, None)])
def test_sigterm_tells_the_browsers_that_the_server_restarts(command, code):
    with Serve(ROOT / "bokeh_apps" / "sliders.py", command=command) as server:

        async def stay() -> int | None:
            client = await Client.connect(server, "sliders", token(new_id(), create=True))
            server.popen.send_signal(signal.SIGTERM)
            with pytest.raises(EOFError) as closed:
                await client.receive()
            return closed.value.args[0]

        assert run(stay()) == code
        assert server.popen.wait(DEADLINE) == 0
        assert "Traceback" not in server.output()


def test_a_draining_server_takes_nobody_new_and_leaves_the_others_their_time():
    with Serve(ROOT / "bokeh_apps" / "sliders.py", "--drain-seconds", "30") as server:

        async def drain() -> None:
            id = new_id()
            client = await Client.connect(server, "sliders", token(id, create=True))
            server.popen.send_signal(signal.SIGTERM)
            while not server.health()["draining"]:
                await asyncio.sleep(0.05)
            with pytest.raises(HTTPClientError) as refused:
                await Client.connect(server, "sliders", token(new_id(), create=True))
            assert refused.value.code == 503
            again = await Client.connect(server, "sliders", token(id))
            assert (await client.pull()).roots
            again.close()
            server.popen.send_signal(signal.SIGTERM)  # the second one is meant

        run(drain())
        assert server.popen.wait(DEADLINE) == 0


def test_sessions_survive_the_end_of_others(counted):
    with Serve(counted, *SHORT) as server:

        async def stay() -> None:
            id = new_id()
            client = await Client.connect(server, "counted", token(id, create=True))
            for _ in range(3):
                other = await Client.connect(server, "counted", token(new_id(), create=True))
                other.close()
            document = await client.pull()
            plot = document.roots[0]
            await client.change(document, lambda: setattr(plot.x_range, "start", 5))
            assert (await client.pull()).roots[0].title.text == "moved"
            client.close()

        run(stay())
        wait_until(lambda: server.health()["sessions"] == 0, "all have expired")
        assert refusal(server, "counted", token(new_id()))[0] == 410
        assert visit(server, "counted", token(new_id(), create=True)).roots

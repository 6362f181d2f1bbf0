"""The patches of session end: the fault shows on stock Bokeh and not on our server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bokeh_server import SHORT, STOCK, Client, Serve, new_id, run, run_script, token
from harness import wait_until

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


def counts(folder: Path) -> dict[str, int]:
    return json.loads((folder / "counts.json").read_text())


def end_sessions(server: Serve, folder: Path) -> dict[str, int]:
    """Let some sessions end, and return how many collections and searches that took."""

    async def connect_and_leave() -> None:
        for _ in range(SESSIONS):
            client = await Client.connect(server, "counted", token(new_id(), create=True))
            client.close()

    wait_until((folder / "counts.json").exists, "the hooks have run")
    before = counts(folder)
    run(connect_and_leave())
    after = wait_until(
        lambda: (now := counts(folder))["ended"] == SESSIONS and now, "all sessions have ended"
    )
    return {name: after[name] - before[name] for name in after}


def test_the_end_of_a_session_walks_over_no_heap_and_releases_its_memory(counted):
    with Serve(counted, *SHORT) as server:
        cost = end_sessions(server, counted)
        assert cost["searches"] == 0
        assert cost["collections"] <= 3
        wait_until(
            lambda: json.loads((counted / "counts.json").read_text())["alive"] == 0,
            "nothing of them is alive",
        )


def test_stock_bokeh_collects_twice_and_searches_at_the_end_of_each_session(counted):
    with Serve(counted, *SHORT, command=STOCK) as server:
        cost = end_sessions(server, counted)
        assert cost["searches"] >= SESSIONS
        assert cost["collections"] >= 2 * SESSIONS


END_MANY = """
import asyncio, sys
from bokeh.application import Application
from bokeh.server.contexts import ApplicationContext
from tornado.ioloop import IOLoop
from quart_app.engine.patches import require, session_end_batches

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
    require(session_end_batches.discard_in_batches)
asyncio.run(main())
"""

DESTROY = """
import gc, sys, weakref
from bokeh.plotting import figure
from quart_app.engine.patches import require, session_end_cost

if sys.argv[1] == "ours":
    require(session_end_cost.release_default_values)
gc.disable()
plot = figure()
plot.properties_with_values()
gone = weakref.ref(plot)
plot.destroy()
del plot
print(gone() is None)
"""


def test_expired_sessions_are_discarded_in_batches():
    """The script prints how many of 64 sessions end together, and in how many turns the loop runs others."""
    most, turns = map(int, run_script(END_MANY, "ours").stdout.split())
    assert most == 8
    assert turns >= 7


def test_stock_bokeh_discards_expired_sessions_in_one_piece_or_one_by_one():
    most, turns = map(int, run_script(END_MANY, "stock").stdout.split())
    assert (most == 64 and turns == 0) or (most == 1 and turns >= 63)  # Bokeh 3.9 and 3.10


@pytest.mark.parametrize(("bokeh", "is_gone"), [("ours", "True"), ("stock", "False")])
def test_a_destroyed_model_needs_no_garbage_collection(bokeh, is_gone):
    assert run_script(DESTROY, bokeh).stdout.strip() == is_gone

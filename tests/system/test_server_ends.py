"""How servers drain and sessions end."""

from __future__ import annotations

import asyncio
import signal

import pytest
from bokeh_server import OURS, SHORT, STOCK, Client, Serve, new_id, refusal, run, token, visit
from harness import DEADLINE, ROOT, wait_until
from tornado.httpclient import HTTPClientError

MOVES = """
from bokeh.io import curdoc
from bokeh.plotting import figure
plot = figure()
plot.scatter([1], [2])
plot.x_range.on_change("start", lambda attr, old, new: plot.title.update(text="moved"))
curdoc().add_root(plot)
curdoc().on_session_destroyed(lambda session_context: None)
"""


@pytest.mark.parametrize(("command", "code"), [(OURS, 1012), (STOCK, None)])
def test_sigterm_closes_the_websockets_with_1012(command, code):
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


def test_a_draining_server_refuses_new_sessions_and_keeps_the_others():
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
            server.popen.send_signal(signal.SIGTERM)  # ends the drain

        run(drain())
        assert server.popen.wait(DEADLINE) == 0


def test_a_session_is_unchanged_by_the_end_of_others(tmp_path):
    (tmp_path / "moves.py").write_text(MOVES)
    with Serve(tmp_path / "moves.py", *SHORT) as server:

        async def stay() -> None:
            id = new_id()
            client = await Client.connect(server, "moves", token(id, create=True))
            for _ in range(3):
                other = await Client.connect(server, "moves", token(new_id(), create=True))
                other.close()
            async with asyncio.timeout(20):
                while server.health()["sessions"] > 1:
                    await asyncio.sleep(0.05)
            document = await client.pull()
            plot = document.roots[0]
            await client.change(document, lambda: setattr(plot.x_range, "start", 5))
            assert (await client.pull()).roots[0].title.text == "moved"
            client.close()

        run(stay())
        wait_until(lambda: server.health()["sessions"] == 0, "all have expired")
        assert refusal(server, "moves", token(new_id()))[0] == 410
        assert visit(server, "moves", token(new_id(), create=True)).roots

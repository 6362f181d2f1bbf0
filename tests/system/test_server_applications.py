"""Bokeh's public behaviour, on which applications rely, on our server."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from bokeh.command.subcommands.serve import Serve as BokehServe
from bokeh.document import Document
from bokeh_server import OURS, SHORT, STOCK, Client, Serve, new_id, run, token, visit
from harness import ROOT, wait_until

from quart_app.engine import serve
from quart_app.protocol.outline import Outline

FOLDER = {
    "app_hooks.py": """
from pathlib import Path
def note(text):
    with Path(__file__).with_name("notes.txt").open("a") as file:
        file.write(text + "\\n")
def on_server_loaded(server_context):
    note("loaded")
def on_server_unloaded(server_context):
    note("unloaded")
def on_session_created(session_context):
    note("created")
def on_session_destroyed(session_context):
    note("destroyed")
""",
    "theme.yaml": "attrs:\n  Div:\n    width: 123\n",
    "templates/index.html": """{% extends base %}
{% block contents %}<h1>{{ greeting }}</h1><p>{{ embed(roots.main) }}</p>{% endblock %}
""",
    "main.py": """
import json
from pathlib import Path
from bokeh.io import curdoc
from bokeh.models import Div
document = curdoc()
request = document.session_context.request
div = Div(name="main", text=json.dumps({
    "arguments": {name: [value.decode() for value in values] for name, values in request.arguments.items()},
    "user": document.session_context.token_payload.get("user"),
}))
document.add_root(div)
document.title = "0"
document.template_variables["greeting"] = "A template of its own"
def tick():
    document.title = str(int(document.title) + 1)
document.add_periodic_callback(tick, 20)
def ended(session_context, notes=Path(__file__).with_name("notes.txt")):  # the module is gone by then
    with notes.open("a") as file:
        file.write("callback\\n")
document.on_session_destroyed(ended)
""",
}


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, text in FOLDER.items():
        file = tmp_path / "folder" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "folder"


@pytest.mark.parametrize("command", [OURS, STOCK])
def test_an_application_folder_has_hooks_request_callbacks_and_theme(folder, command):
    def notes() -> list[str]:
        return (folder / "notes.txt").read_text().split()

    with Serve(folder, *SHORT, command=command) as server:
        made = token(new_id(), create=True, arguments={"n": [b"7"]}, user="ada")

        async def look() -> None:
            client = await Client.connect(server, "folder", made)
            document = await client.pull()
            [div] = document.roots
            assert json.loads(div.text) == {"arguments": {"n": ["7"]}, "user": "ada"}
            assert div.width == 123
            while int((await client.pull()).title) < 3:
                await asyncio.sleep(0.02)
            client.close()

        run(look())
        wait_until(lambda: {"destroyed", "callback"} <= set(notes()), "the session has ended")
        assert notes()[:2] == ["loaded", "created"]
    assert notes()[-1] == "unloaded"


@pytest.mark.parametrize("command", [OURS, STOCK])
def test_the_servers_own_page_has_the_applications_template(folder, command):
    with Serve(folder, command=command, signed=False) as server:
        page = server.get("/folder?n=8").text
        assert "<h1>A template of its own</h1>" in page
        assert "static/js/bokeh" in page
        given = re.search(r'"token":"([^"]+)"', page)[1]
        [div] = visit(server, "folder", given).roots
        assert json.loads(div.text)["arguments"] == {"n": ["8"]}
        assert f'data-root-id="{div.id}"' in page


def test_a_pull_has_the_applications_template_in_its_ack(folder):
    with Serve(folder, ROOT / "bokeh_apps" / "sliders.py") as server:

        async def pull(application: str) -> tuple[Document, Outline]:
            client = await Client.connect(server, application, token(new_id(), create=True))
            document = await client.pull()
            client.close()
            return document, Outline.from_json(client.ack.content["quart_bokeh"])

        document, outline = run(pull("folder"))
        [div] = document.roots
        assert outline.template is not None
        assert "<h1>A template of its own</h1>" in outline.template.html
        assert "<script" not in outline.template.html
        element = outline.template.elements[div.id]
        assert f'<div id="{element}" data-root-id="{div.id}"' in outline.template.html
        assert run(pull("sliders"))[1].template is None


def test_a_notebook_is_an_application():
    with Serve(ROOT / "bokeh_apps" / "lissajous.ipynb") as server:
        assert visit(server, "lissajous", token(new_id(), create=True)).roots


def test_an_edited_application_is_served_anew_with_dev(tmp_path):
    app = tmp_path / "edited.py"
    text = "from bokeh.io import curdoc\nfrom bokeh.models import Div\ncurdoc().add_root(Div(text='{}'))\n"
    app.write_text(text.format("before"))
    helper = tmp_path / "helper.py"
    helper.write_text("")
    with Serve(app, "--dev", helper) as server:
        assert visit(server, "edited", token(new_id(), create=True)).roots[0].text == "before"
        app.write_text(text.format("after"))

        def edit() -> bool:  # more than once, for the server looks now and then
            if server.output().count("running at:") == 1:
                helper.write_text(helper.read_text() + "# edited\n")
            return server.output().count("running at:") > 1

        wait_until(edit, "it has started again")
        port = re.findall(r"running at: http://localhost:(\d+)", server.output())[-1]
        server.url = f"http://localhost:{port}"
        assert visit(server, "edited", token(new_id(), create=True)).roots[0].text == "after"


def test_every_flag_of_bokeh_serve_is_there():
    ours = {name for name, _ in serve.Serve.args}
    assert {name for name, _ in BokehServe.args} < ours
    assert ours >= {"--max-sessions", "--drain-seconds", "--uvloop", "--supervised"}


FORKS = """
import multiprocessing
import time

from bokeh.io import curdoc
from bokeh.models import Div

context = multiprocessing.get_context("fork")
child = context.Process(target=time.sleep, args=(60,))
child.start()
child.terminate()
child.join(10)
pool = context.Pool(2)
pool.map_async(time.sleep, [60, 60])
pool.terminate()
curdoc().add_root(Div(text=f"exit code {child.exitcode}"))
"""


def test_processes_that_an_application_forks_and_terminates_end_and_the_server_goes_on(tmp_path):
    (tmp_path / "forks.py").write_text(FORKS)
    with Serve(tmp_path / "forks.py") as server:
        for _ in range(2):
            assert visit(server, "forks", token(new_id(), create=True)).roots[0].text == "exit code -15"
        assert not server.health()["draining"]

from __future__ import annotations

from harness import ROOT, Site

PAGE = """
from quart import Quart, render_template_string
from quart_app import BokehEmbed

app = Quart(__name__)
app.config.from_prefixed_env()
embed = BokehEmbed(app)

def change(document):
    document.select_one({"name": "offset"}).value = 3
    document.select_one({"name": "plot"}).title.text = "changed by the route"

def fail(document):
    raise ValueError("on purpose")

@app.get("/")
async def page():
    return await render_template_string("{{ s|safe }}", s=await embed.script("sliders", customize=change))

@app.get("/raises")
async def raises():
    return await embed.script("sliders", customize=fail)

@app.get("/check")
async def check():
    import asyncio
    from bokeh.client.session import ClientSession
    from bokeh.util.token import generate_jwt_token
    from tornado.ioloop import IOLoop

    pulled = await embed.pull("sliders", customize=change)
    server = embed.fleet.servers[0]

    class Second(ClientSession):
        @property
        def token(self):
            return generate_jwt_token(self.id, server.secret_key, True)

    def read():
        loop = IOLoop()
        second = Second(pulled.id, server.websocket_url("sliders"), loop)
        second.pull()
        text = second.document.select_one({"name": "plot"}).title.text
        loop.close(all_fds=True)
        return text

    return await asyncio.get_running_loop().run_in_executor(None, read)
"""


def test_what_a_route_changes_is_on_the_server_when_pull_returns(tmp_path):
    (tmp_path / "mysite.py").write_text(PAGE)
    (tmp_path / "bokeh_apps").mkdir()
    source = (ROOT / "bokeh_apps" / "sliders.py").read_text()
    (tmp_path / "bokeh_apps" / "sliders.py").write_text(source)
    with Site(cwd=tmp_path, app="mysite:app", BOKEH_APPS="bokeh_apps") as site:
        assert site.get("/check").text == "changed by the route"
        assert site.get("/raises").status_code == 500
        assert site.get("/").status_code == 200

"""The classic recipe in Quart: the route pulls a session in the default executor."""

import asyncio
import os

from bokeh.client import pull_session
from bokeh.embed import server_session
from quart import Quart, render_template

app = Quart(__name__)
BOKEH = os.environ["RECIPE_SERVER"]


def pull(url):
    with pull_session(url=url) as session:
        return server_session(session_id=session.id, url=url)


@app.get("/healthz")
async def healthz():
    return "alive\n"


@app.get("/")
async def no_session():
    return await render_template("embed.html", script="", template="Quart")


@app.get("/<name>")
async def bkapp_page(name):
    script = await asyncio.get_running_loop().run_in_executor(None, pull, f"{BOKEH}/{name}")
    return await render_template("embed.html", script=script, template="Quart")

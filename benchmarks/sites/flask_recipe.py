"""The classic recipe: a Flask route pulls a session and embeds it."""

import os

from bokeh.client import pull_session
from bokeh.embed import server_session
from flask import Flask, render_template

app = Flask(__name__)
BOKEH = os.environ["RECIPE_SERVER"]


@app.get("/healthz")
def healthz():
    return "alive\n"


@app.get("/")
def no_session():
    return render_template("embed.html", script="", template="Flask")


@app.get("/<name>")
def bkapp_page(name):
    url = f"{BOKEH}/{name}"
    with pull_session(url=url) as session:
        script = server_session(session_id=session.id, url=url)
        return render_template("embed.html", script=script, template="Flask")

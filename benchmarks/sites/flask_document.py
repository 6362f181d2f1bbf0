"""``server_document`` in Flask: the page contains a script tag, and the browser creates the session."""

import os

from bokeh.embed import server_document
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
    return render_template("embed.html", script=server_document(f"{BOKEH}/{name}"), template="Flask")

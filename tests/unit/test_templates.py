from __future__ import annotations

import asyncio

import flask
import quart

from quart_app.application import resource_folder

SCRIPT = '<script id="x">\n  (function() { go() })();\n</script>'


def test_flask_and_quart_render_the_same_bytes_with_the_script_indented():
    folder = str(resource_folder("templates"))
    flask_app = flask.Flask("x", template_folder=folder)
    quart_app = quart.Quart("x", template_folder=folder)

    async def in_quart() -> str:
        async with quart_app.test_request_context("/"):
            return await quart.render_template("embed.html", script=SCRIPT, template="Flask")

    with flask_app.test_request_context("/"):
        in_flask = flask.render_template("embed.html", script=SCRIPT, template="Flask")
    assert asyncio.run(in_quart()).encode() == in_flask.encode()
    assert "\n    " + SCRIPT.replace("\n", "\n    ") in in_flask
    assert "Bokeh in Flask" in in_flask

"""A site of somebody else: an application in one piece, in parts, in a frame, and twice in a page."""

from pathlib import Path

from markupsafe import Markup
from quart import Quart, render_template, render_template_string, request

from quart_app import BokehEmbed

ROOT = Path(__file__).parents[2]
PAGE = """<!doctype html><html lang="en"><head><title>Parts</title><link rel="icon" href="data:,"></head>
<body><main>{{ script|safe }}</main></body></html>"""

app = Quart(__name__, template_folder=str(ROOT / "templates"))
app.config["BOKEH_APPS"] = str(Path(__file__).parent / "parts_apps")
app.config.from_prefixed_env()
embed = BokehEmbed(app)


@app.get("/<application>")
async def whole(application):
    return await render_template_string(PAGE, script=await embed.script(application))


@app.get("/roots/<application>")
async def roots(application):
    session = await embed.pull(application)
    stylesheet = embed.runtime.renderer.url("site.css")
    return await render_template("roots.html", session=session, template="Quart", stylesheet=stylesheet)


@app.get("/twice/<application>")
async def twice(application):
    """Two sessions in one page."""
    scripts = [await embed.script(application) for _ in range(2)]
    return await render_template_string(PAGE, script=Markup("\n").join(scripts))


@app.get("/framed/<application>")
async def framed(application):
    """A frame without a URL, which has the whole page in it."""
    page = await render_template_string(PAGE, script=await embed.script(application))
    frame = Markup('<iframe srcdoc="{}" width="900" height="700"></iframe>').format(page)
    return await render_template_string(PAGE, script=frame)


@app.get("/one/<application>")
async def one(application):
    """Only one of the roots."""
    session = await embed.pull(application)
    return await render_template_string(PAGE, script=session.root(request.args["root"]))


@app.after_request
async def only_own_scripts(response):
    policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    response.headers["Content-Security-Policy"] = policy + "img-src 'self' data: blob:; font-src 'self' data:"
    return response

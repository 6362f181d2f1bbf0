"""A site of somebody else whose plots are for members; others are redirected to a page to sign in."""

from quart import Quart, redirect, render_template_string, request

from quart_app import BokehEmbed

PAGE = """<!doctype html><html lang="en"><head><title>Members</title><link rel="icon" href="data:,"></head>
<body><main>{{ script|safe }}</main></body></html>"""

app = Quart(__name__)
app.config.from_prefixed_env()
embed = BokehEmbed(app)


@app.get("/<application>")
async def plot(application):
    if "member" not in request.cookies:
        return redirect("/sign/in")
    return await render_template_string(PAGE, script=await embed.script(application))


@app.get("/sign/in")
async def sign_in():
    return "Sign in"

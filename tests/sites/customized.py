"""A site of somebody else, whose routes change the document of the sliders before it is shown."""

import asyncio

from bokeh.client.session import ClientSession
from bokeh.util.token import generate_jwt_token
from quart import Quart, render_template_string
from tornado.ioloop import IOLoop

from quart_app import BokehEmbed

app = Quart(__name__)
app.config.from_prefixed_env()
embed = BokehEmbed(app)


def change(document):
    document.select_one({"name": "offset"}).value = 3
    document.select_one({"name": "plot"}).title.text = "changed by the route"


@app.get("/")
async def page():
    script = await embed.script("sliders", customize=change)
    return await render_template_string("<body>{{ script|safe }}</body>", script=script)


@app.get("/as/<user>")
async def page_of(user):
    return await embed.script("sliders", user=user)


@app.get("/raises/<kind>")
async def raises(kind):
    def fail(document):
        kinds = {"value": ValueError, "key": KeyError, "type": TypeError, "timeout": TimeoutError}
        raise kinds[kind]("on purpose")

    return await embed.script("sliders", customize=fail)


@app.get("/check")
async def check():
    """Return the title that a second client finds on the server."""
    pulled = await embed.pull("sliders", customize=change)
    server = embed.runtime.fleet.servers[0]

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

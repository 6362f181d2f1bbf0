"""A site with the extension, whose pages hold only what a websocket client needs."""

from quart import Quart

from quart_app import BokehEmbed

app = Quart(__name__)
app.config.from_prefixed_env()
embed = BokehEmbed(app)


@app.get("/session/<name>")
async def session(name):
    pulled = await embed.pull(name)
    block = embed.runtime.renderer.block(pulled.session)
    return {"ticket": block["ticket"], "path": block["path"] + "/ws", "id": pulled.id}


@app.get("/tasks")
async def tasks():
    import asyncio

    return str(len(asyncio.all_tasks()))


@app.get("/endless")
async def endless():
    import asyncio

    async def body():
        while True:
            yield b"more\n"
            await asyncio.sleep(0.1)

    return body(), {"Content-Type": "text/plain"}

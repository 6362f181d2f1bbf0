"""A site of somebody else that answers in JSON what a websocket client needs."""

from quart import Quart

from quart_app import BokehEmbed

app = Quart(__name__)
app.config.from_prefixed_env()
embed = BokehEmbed(app)


@app.get("/session/<name>")
async def session(name):
    pulled = await embed.pull(name)
    block = embed.delivery.block(pulled)
    return {"ticket": block["ticket"], "path": block["path"] + "/ws", "id": pulled.id}


@app.get("/tasks")
async def tasks():
    import asyncio

    return str(len(asyncio.all_tasks()))

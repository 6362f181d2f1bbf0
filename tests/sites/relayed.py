"""A site of somebody else whose pages are only what a websocket client needs."""

from quart import Quart, request

from quart_app import BokehEmbed

app = Quart(__name__)
app.config.from_prefixed_env()
embed = BokehEmbed(app)


@app.get("/session/<name>")
async def session(name):
    pulled = await embed.pull(name)
    server = embed.fleet.servers[0]
    ticket = embed.ticket(server, name, pulled.id)
    return {"ticket": ticket, "path": f"{request.root_path}/bokeh/{server.name}/{name}/ws", "id": pulled.id}


@app.get("/tasks")
async def tasks():
    import asyncio

    return str(len(asyncio.all_tasks()))

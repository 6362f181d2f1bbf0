"""An empty Quart application, to compare the memory of the web process with."""

from quart import Quart

app = Quart(__name__)


@app.get("/")
async def index():
    return "empty\n"

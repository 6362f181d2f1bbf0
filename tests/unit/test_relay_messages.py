"""The relay under a web server other than Hypercorn, which has whole messages only."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from relaying import APP, SECRET, VISITOR, FakeServer, run, ticket

from quart_app.fleet.fleet import Fleet
from quart_app.relay.relay import Relay
from quart_app.settings import Settings


class Visit:
    """One websocket as the web server sees it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._to_app: asyncio.Queue[Any] = asyncio.Queue()
        self._from_app: asyncio.Queue[Any] = asyncio.Queue()

    async def __aenter__(self) -> Visit:
        settings = Settings.from_config({"BOKEH_SERVERS": self.url, "SECRET_KEY": SECRET})
        self._fleet = await Fleet(settings, {}).__aenter__()
        relay = Relay(None)
        await relay.open(settings, self._fleet)
        self.relay = relay
        scope = {
            "type": "websocket",
            "scheme": "ws",
            "path": f"/bokeh/server-1/{APP}/ws",
            "headers": [
                (b"host", b"site.example"),
                (b"origin", b"http://site.example"),
                (b"cookie", f"quart_bokeh_visitor={VISITOR}".encode()),
            ],
            "subprotocols": ["bokeh", ticket(self.url)],
        }
        self.task = asyncio.create_task(relay(scope, self._to_app.get, self._from_app.put))
        await self.put({"type": "websocket.connect"})
        assert (await self.get())["type"] == "websocket.accept"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.put({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(self.task, 5)
        await self.relay.close()
        await self._fleet.__aexit__(None, None, None)

    async def put(self, event: dict[str, Any]) -> None:
        await self._to_app.put(event)

    async def get(self) -> Any:
        return await asyncio.wait_for(self._from_app.get(), 5)


@pytest.mark.parametrize("data", ["text", "", "ü€😀" * 30_000, b"bytes", b"", bytes(200_000)])
def test_messages_are_forwarded_unchanged(data):
    async def main(fake: FakeServer) -> None:
        async with Visit(fake.url) as visit:
            kind = "text" if isinstance(data, str) else "bytes"
            await visit.put({"type": "websocket.receive", kind: data})
            assert await visit.get() == {"type": "websocket.send", kind: data}

    with FakeServer() as fake:
        run(main(fake))


def test_a_close_of_the_server_is_forwarded_and_its_pings_are_answered():
    async def ping_and_close(websocket) -> None:
        await websocket.ping(b"?")
        await websocket.send_str("pinged")
        await websocket.receive_str()
        await websocket.close(code=4410, message=b"gone")

    async def main(fake: FakeServer) -> None:
        async with Visit(fake.url) as visit:
            assert (await visit.get())["text"] == "pinged"
            await visit.put({"type": "websocket.receive", "text": "go on"})
            assert await visit.get() == {"type": "websocket.close", "code": 4410, "reason": "gone"}

    with FakeServer(ping_and_close) as fake:
        run(main(fake))

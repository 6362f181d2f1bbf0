"""BOKEH_PROCESSES: pages and their websockets on two Bokeh servers of one site."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import psutil
from harness import DEADLINE, Site, ticket
from relaying import Client, RelayedSite, run

SERVERS = {"server-1", "server-2"}
CLOSE = aiohttp.WSMsgType.CLOSE
Page = dict[str, Any]


def server_of(page: Page) -> str:
    """Return the name of the server that has a page's session."""
    return ticket(page)["server"]


def process_of(site: Site, page: Page) -> psutil.Process:
    """Return the process of the server that has a page's session."""
    port = int(ticket(page)["url"].rpartition(":")[2])
    [process] = [
        server
        for server in site.servers()
        if any(c.status == "LISTEN" and c.laddr.port == port for c in server.net_connections("tcp"))
    ]
    return process


async def page_of_each(client: Client) -> dict[str, Page]:
    """Ask for pages until there is one of each server, and return them by server."""
    pages: dict[str, Page] = {}
    async with asyncio.timeout(DEADLINE):
        while pages.keys() != SERVERS:
            page = await client.get("/session/sliders")
            pages[server_of(page)] = page
            await asyncio.sleep(0.05)
    return pages


async def attach(client: Client, page: Page) -> aiohttp.ClientWebSocketResponse:
    websocket = await client.attach(page["ticket"], page["path"])
    assert await receive(websocket) == "ACK"
    return websocket


async def receive(websocket: aiohttp.ClientWebSocketResponse) -> str:
    """Return the type of the next message, which has three parts."""
    header, *_ = [await websocket.receive_str(timeout=DEADLINE) for _ in range(3)]
    return json.loads(header)["msgtype"]


async def answers(websocket: aiohttp.ClientWebSocketResponse) -> bool:
    """Whether the server answers a request."""
    for part in ({"msgid": "1", "msgtype": "SERVER-INFO-REQ"}, {}, {}):
        await websocket.send_str(json.dumps(part))
    return await receive(websocket) == "SERVER-INFO-REPLY"


def test_a_killed_server_ends_its_own_sessions_and_no_others():
    with RelayedSite(BOKEH_PROCESSES="2") as site:
        assert len(site.servers()) == 2

        async def main() -> None:
            async with Client(site.url, visitor=None) as client:
                pages = await page_of_each(client)
                sockets = {name: await attach(client, page) for name, page in pages.items()}
                for websocket in sockets.values():
                    assert await answers(websocket)

                lost, kept = sorted(SERVERS)
                process_of(site, pages[lost]).kill()
                message = await sockets[lost].receive(DEADLINE)
                assert (message.type, message.data) == (CLOSE, 1012)
                assert await client.status_of(pages[lost]["ticket"], pages[lost]["path"]) == 410
                assert await answers(sockets[kept])
                await attach(client, pages[kept])

                # Every page has its session, also while one server is missing.
                for page in (await page_of_each(client)).values():
                    assert await answers(await attach(client, page))

        run(main())

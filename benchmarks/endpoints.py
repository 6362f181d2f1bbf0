"""Find the websocket endpoint of a page's session: in the page, by ``autoload.js``, or in a data block."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlsplit

import aiohttp

TOKEN = re.compile(r'"token":\s*"([^"]+)"')
AUTOLOAD = re.compile(r'"(https?://[^"]+/autoload\.js\?[^"]+)"')
SESSION_ID = re.compile(r'"Bokeh-Session-Id",\s*"([^"]+)"')
DATA_BLOCK = re.compile(r'<script type="application/json"[^>]*>(.*?)</script>', re.DOTALL)


class EndpointNotFound(Exception):
    """The page refers to no session."""


@dataclass(frozen=True)
class Endpoint:
    """URL and token (the second websocket subprotocol) that open the websocket of a session."""

    url: str
    token: str


EndpointFinder = Callable[[aiohttp.ClientSession, str, str], Awaitable[Endpoint]]
"""Arguments: HTTP client, URL and text of the page. Raises EndpointNotFound."""


async def find_in_page(_: aiohttp.ClientSession, url: str, text: str) -> Endpoint:
    """Read the token from a page of the Bokeh server itself; its websocket is at ``<page>/ws``."""
    found = TOKEN.search(text)
    if found is None:
        raise EndpointNotFound("the page contains no token")
    return Endpoint(f"{url.replace('http', 'ws', 1)}/ws", found[1])


async def find_by_autoload(http: aiohttp.ClientSession, url: str, text: str) -> Endpoint:
    """Read the token from ``autoload.js``, which ``server_session`` and ``server_document`` refer to."""
    found = AUTOLOAD.search(text)
    if found is None:
        raise EndpointNotFound("the page does not refer to autoload.js")
    source = unescape(found[1])
    parts = urlsplit(url)
    headers = {"Origin": f"{parts.scheme}://{parts.netloc}"}
    if session := SESSION_ID.search(text):
        headers["Bokeh-Session-Id"] = session[1]
    async with http.get(source, headers=headers) as response:
        script = await response.text()
        if response.status != 200:
            raise EndpointNotFound(f"autoload.js: status {response.status}")
    token = TOKEN.search(script)
    if token is None:
        raise EndpointNotFound("autoload.js contains no token")
    return Endpoint(f"{source.partition('/autoload.js')[0].replace('http', 'ws', 1)}/ws", token[1])


async def find_in_data_block(_: aiohttp.ClientSession, url: str, text: str) -> Endpoint:
    """Read ticket and path from the data block of this project's relay delivery."""
    for found in DATA_BLOCK.finditer(text):
        block = json.loads(found[1])
        if "ticket" in block:
            parts = urlsplit(url)
            return Endpoint(f"ws://{parts.netloc}{block['path']}/ws", block["ticket"])
    raise EndpointNotFound("the page contains no data block with a ticket")

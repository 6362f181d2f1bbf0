"""How a browser gets from a page to its session: three ways that pages have of saying so."""

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
BLOCK = re.compile(r'<script type="application/json"[^>]*>(.*?)</script>', re.DOTALL)


class NoSession(Exception):
    """A page came without what leads to a session."""


@dataclass(frozen=True)
class Key:
    """What opens the websocket of a page's session."""

    url: str
    token: str


Door = Callable[[aiohttp.ClientSession, str, str], Awaitable[Key]]
"""Called with a client, the page's URL and its text."""


async def in_page(_: aiohttp.ClientSession, url: str, text: str) -> Key:
    """Bokeh's own page: the token stands in it, and the websocket is beside it."""
    found = TOKEN.search(text)
    if found is None:
        raise NoSession("the page holds no token")
    return Key(f"{url.replace('http', 'ws', 1)}/ws", found[1])


async def by_autoload(http: aiohttp.ClientSession, url: str, text: str) -> Key:
    """``server_session`` and ``server_document``: a script asks the Bokeh server for another one."""
    found = AUTOLOAD.search(text)
    if found is None:
        raise NoSession("the page holds no script of a Bokeh server")
    source = unescape(found[1])
    parts = urlsplit(url)
    headers = {"Origin": f"{parts.scheme}://{parts.netloc}"}
    if session := SESSION_ID.search(text):
        headers["Bokeh-Session-Id"] = session[1]
    async with http.get(source, headers=headers) as answer:
        script = await answer.text()
        if answer.status != 200:
            raise NoSession(f"autoload.js answers {answer.status}")
    token = TOKEN.search(script)
    if token is None:
        raise NoSession("autoload.js holds no token")
    return Key(f"{source.partition('/autoload.js')[0].replace('http', 'ws', 1)}/ws", token[1])


async def in_block(_: aiohttp.ClientSession, url: str, text: str) -> Key:
    """This project's relay: a block of data with a ticket and the path of the page's own origin."""
    for found in BLOCK.finditer(text):
        block = json.loads(found[1])
        if "ticket" in block:
            parts = urlsplit(url)
            return Key(f"ws://{parts.netloc}{block['path']}/ws", block["ticket"])
    raise NoSession("the page holds no block with a ticket")

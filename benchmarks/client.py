"""A visitor without a browser: opens a page, attaches to its session, and speaks Bokeh's protocol."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from benchmarks.doors import Door, Key, NoSession

TIMEOUT = 60.0
"""Seconds after which a page counts as failed."""
ANSWER = 180.0
"""Seconds after which an answer on a websocket counts as failed: longer than any stall that is expected."""


def client() -> aiohttp.ClientSession:
    """Return a client as many visitors would be: a new connection for every request, no cookies kept."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT),
    )


class Failed(Exception):
    """A visit that got no plot; the message is short, so that equal failures can be counted."""


@dataclass
class Visit:
    """One page that was opened, with the seconds since it was asked for."""

    url: str
    first_byte: float
    last_byte: float
    session: float
    """Until the page's session has a token: more than ``last_byte`` where that takes another request."""
    key: Key
    cookies: str


async def plain(http: aiohttp.ClientSession, url: str, timeout: float = TIMEOUT) -> float:
    """Return the seconds that a page without a session takes."""
    begin = time.perf_counter()
    try:
        async with http.get(url, timeout=aiohttp.ClientTimeout(timeout)) as answer:
            await answer.read()
            if answer.status != 200:
                raise Failed(f"status {answer.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Failed(type(error).__name__) from error
    return time.perf_counter() - begin


async def visit(http: aiohttp.ClientSession, url: str, door: Door) -> Visit:
    """Open a page and find its session. Raises Failed."""
    begin = time.perf_counter()
    try:
        async with http.get(url, headers={"Accept": "text/html"}) as answer:
            first = await answer.content.readany()
            first_byte = time.perf_counter() - begin
            text = (first + await answer.content.read()).decode()
            last_byte = time.perf_counter() - begin
            if answer.status != 200:
                raise Failed(f"status {answer.status}")
            cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items())
        key = await door(http, url, text)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Failed(type(error).__name__) from error
    except NoSession as error:
        raise Failed(str(error)) from error
    return Visit(url, first_byte, last_byte, time.perf_counter() - begin, key, cookies)


class Socket:
    """The websocket of a session, in whole messages."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1000)

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, page: Visit) -> Self:
        """Attach to the session of a page, as its browser would, and wait for the server's word."""
        parts = urlsplit(page.url)
        headers = {"Origin": f"{parts.scheme}://{parts.netloc}"}
        if page.cookies:
            headers["Cookie"] = page.cookies
        try:
            socket = await http.ws_connect(
                page.key.url, protocols=("bokeh", page.key.token), headers=headers, max_msg_size=0
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Failed(f"websocket: {getattr(error, 'status', type(error).__name__)}") from error
        opened = cls(socket)
        header, _ = await opened.receive()
        if header["msgtype"] != "ACK":
            raise Failed(f"websocket: {header['msgtype']} instead of ACK")
        return opened

    async def receive(self) -> tuple[dict[str, Any], str]:
        """Return the header and the undecoded content of the next message."""
        header = json.loads(await self._frame())
        await self._frame()
        content = await self._frame()
        for _ in range(2 * header.get("num_buffers", 0)):
            await self._frame()
        return header, content

    async def _frame(self) -> str:
        frame = await self._socket.receive(ANSWER)
        if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise Failed(f"websocket: closed with {self._socket.close_code}")
        data: str = frame.data
        return data

    async def send(self, kind: str, content: str) -> str:
        message_id = str(next(self._ids))
        await self._socket.send_str(json.dumps({"msgid": message_id, "msgtype": kind}))
        await self._socket.send_str("{}")
        await self._socket.send_str(content)
        return message_id

    async def ask(self, kind: str, content: str = "{}") -> str:
        """Send a request and return the content of its answer."""
        message_id = await self.send(kind, content)
        while True:
            header, answer = await self.receive()
            if header.get("reqid") == message_id:
                if header["msgtype"] == "ERROR":
                    raise Failed("websocket: the server answers ERROR")
                return answer

    async def exchange(self) -> None:
        """Ask for the server's versions: an answer that costs it next to nothing."""
        await self.ask("SERVER-INFO-REQ")

    async def find(self, name: str) -> str:
        """Return the id of the model with this name."""
        document = json.loads(await self.ask("PULL-DOC-REQ"))
        for model in _models(document):
            if model.get("attributes", {}).get("name") == name:
                return str(model["id"])
        raise Failed(f"there is no model {name!r} in the document")

    async def change(self, model: str, value: float) -> None:
        """Move a slider, and wait for the data that the application computes for it and for the OK."""
        event = {"kind": "ModelChanged", "model": {"id": model}, "attr": "value", "new": value}
        message_id = await self.send("PATCH-DOC", json.dumps({"events": [event]}))
        missing = {"OK", "PATCH-DOC"}
        while missing:
            header, _ = await self.receive()
            if header["msgtype"] == "ERROR":
                raise Failed("websocket: the server answers ERROR")
            if header["msgtype"] == "PATCH-DOC" or header.get("reqid") == message_id:
                missing.discard(header["msgtype"])

    async def close(self) -> None:
        await self._socket.close()


def _models(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "attributes" in value and "id" in value:
            yield value
        for child in value.values():
            yield from _models(child)
    elif isinstance(value, list):
        for child in value:
            yield from _models(child)

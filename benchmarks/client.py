"""A client without a browser: opens a page, connects to its session and speaks Bokeh's protocol."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from benchmarks.endpoints import Endpoint, EndpointFinder, EndpointNotFound

PAGE_TIMEOUT = 60.0
"""Seconds after which a page counts as failed."""
REPLY_TIMEOUT = 180.0
"""Seconds after which a reply on a websocket counts as failed: longer than the longest expected stall."""


class VisitError(Exception):
    """A page or its websocket failed. Messages are short and contain no ids: equal ones are counted."""


def http_client() -> aiohttp.ClientSession:
    """Return a client that opens a new connection for every request and keeps no cookies."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=PAGE_TIMEOUT),
    )


@dataclass
class Visit:
    """An opened page, with times in seconds since the request."""

    url: str
    first_byte: float
    last_byte: float
    session: float
    """Until the token of the session is known: later than ``last_byte`` if it takes another request."""
    endpoint: Endpoint
    cookies: str


async def time_request(http: aiohttp.ClientSession, url: str, timeout: float = PAGE_TIMEOUT) -> float:
    """Return the seconds that a GET request takes. Raises VisitError."""
    begin = time.perf_counter()
    try:
        async with http.get(url, timeout=aiohttp.ClientTimeout(timeout)) as response:
            await response.read()
            if response.status != 200:
                raise VisitError(f"status {response.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise VisitError(type(error).__name__) from error
    return time.perf_counter() - begin


async def visit(http: aiohttp.ClientSession, url: str, find_endpoint: EndpointFinder) -> Visit:
    """Open a page and find the endpoint of its session. Raises VisitError."""
    begin = time.perf_counter()
    try:
        async with http.get(url, headers={"Accept": "text/html"}) as response:
            first = await response.content.readany()
            first_byte = time.perf_counter() - begin
            text = (first + await response.content.read()).decode()
            last_byte = time.perf_counter() - begin
            if response.status != 200:
                raise VisitError(f"status {response.status}")
            cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in response.cookies.items())
        endpoint = await find_endpoint(http, url, text)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise VisitError(type(error).__name__) from error
    except EndpointNotFound as error:
        raise VisitError(str(error)) from error
    return Visit(url, first_byte, last_byte, time.perf_counter() - begin, endpoint, cookies)


class BokehWebsocket:
    """The websocket of a session, in whole messages. All methods raise VisitError when it closes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1000)

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, page: Visit) -> Self:
        """Connect to the session of a page with the headers of a browser, and wait for the ACK message."""
        parts = urlsplit(page.url)
        headers = {"Origin": f"{parts.scheme}://{parts.netloc}"}
        if page.cookies:
            headers["Cookie"] = page.cookies
        try:
            socket = await http.ws_connect(
                page.endpoint.url, protocols=("bokeh", page.endpoint.token), headers=headers, max_msg_size=0
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise VisitError(f"websocket: {getattr(error, 'status', type(error).__name__)}") from error
        opened = cls(socket)
        header, _ = await opened.receive()
        if header["msgtype"] != "ACK":
            raise VisitError(f"websocket: {header['msgtype']} instead of ACK")
        return opened

    async def receive(self) -> tuple[dict[str, Any], str]:
        """Return the header and the undecoded content of the next message."""
        header = json.loads(await self._receive_frame())
        await self._receive_frame()  # metadata
        content = await self._receive_frame()
        for _ in range(2 * header.get("num_buffers", 0)):
            await self._receive_frame()
        return header, content

    async def _receive_frame(self) -> str:
        frame = await self._socket.receive(REPLY_TIMEOUT)
        if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise VisitError(f"websocket: closed with {self._socket.close_code}")
        data: str = frame.data
        return data

    async def send(self, message_type: str, content: str) -> str:
        """Send a message and return its id."""
        message_id = str(next(self._ids))
        await self._socket.send_str(json.dumps({"msgid": message_id, "msgtype": message_type}))
        await self._socket.send_str("{}")
        await self._socket.send_str(content)
        return message_id

    async def request(self, message_type: str, content: str = "{}") -> str:
        """Send a request and return the content of its reply."""
        message_id = await self.send(message_type, content)
        while True:
            header, reply = await self.receive()
            if header.get("reqid") == message_id:
                if header["msgtype"] == "ERROR":
                    raise VisitError("websocket: the server replied ERROR")
                return reply

    async def request_server_info(self) -> None:
        """Request the server's versions: a round trip that costs the server almost nothing."""
        await self.request("SERVER-INFO-REQ")

    async def find_model(self, name: str) -> str:
        """Return the id of the model with this name."""
        document = json.loads(await self.request("PULL-DOC-REQ"))
        for model in _models(document):
            if model.get("attributes", {}).get("name") == name:
                return str(model["id"])
        raise VisitError(f"no model {name!r} in the document")

    async def move_slider(self, model: str, value: float) -> None:
        """Set the value of a slider; wait for the OK and for the data that the application computes."""
        event = {"kind": "ModelChanged", "model": {"id": model}, "attr": "value", "new": value}
        message_id = await self.send("PATCH-DOC", json.dumps({"events": [event]}))
        expected = {"OK", "PATCH-DOC"}
        while expected:
            header, _ = await self.receive()
            if header["msgtype"] == "ERROR":
                raise VisitError("websocket: the server replied ERROR")
            if header["msgtype"] == "PATCH-DOC" or header.get("reqid") == message_id:
                expected.discard(header["msgtype"])

    async def close(self) -> None:
        await self._socket.close()


def _models(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the representation of every model in a serialized document."""
    if isinstance(value, dict):
        if "attributes" in value and "id" in value:
            yield value
        for child in value.values():
            yield from _models(child)
    elif isinstance(value, list):
        for child in value:
            yield from _models(child)

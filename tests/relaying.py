"""For tests of the relay: a site, hand-made tickets, a websocket client, and a fake Bokeh server."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import psutil
from aiohttp import web
from harness import BIN, ROOT, SLIDERS, Process, Site
from itsdangerous import URLSafeSerializer

from quart_app.relay.ticket import Ticket, mint

T = TypeVar("T")
SECRET = "a secret key of tests, long enough"  # noqa: S105
VISITOR = "v" * 43
APP = "app"
PATH = f"/bokeh/server-1/{APP}/ws"
READY = r"Running on https?://127\.0\.0\.1:(\d+)"


class RelayedSite(Site):
    """A site whose route ``/session/<application>`` answers in JSON what a client of the relay needs.

    arguments: further ones for Hypercorn. environment: variables without the prefix ``QUART_``.
    """

    def __init__(
        self, *arguments: str, environment: Mapping[str, str] | None = None, **settings: str
    ) -> None:
        defaults = {
            "BOKEH_APPS": SLIDERS,
            "BOKEH_DELIVERY": "relay",
            "BOKEH_MAX_CONNECTS": "1000",
            "SECRET_KEY": SECRET,
        }
        env = {f"QUART_{key}": value for key, value in {**defaults, **settings}.items() if value}
        env.update(environment or {})
        command = [str(BIN / "hypercorn"), "relayed:app", "-b", "127.0.0.1:0", *arguments]
        Process.__init__(self, command, READY, ROOT / "tests" / "sites", env)


def ticket(url: str, session_id: str = "s", visitor: str = VISITOR, **changes: Any) -> str:
    """Mint a ticket for the one server of BOKEH_SERVERS."""
    content = {
        "session_id": session_id,
        "application": APP,
        "server": "server-1",
        "url": url,
        "generation": "",
        "session_expiry": int(time.time()) + 60,
    }
    key = changes.pop("secret", SECRET).encode()
    return mint(Ticket(**{**content, **changes}), visitor, [key])


def altered(minted: str) -> str:
    """Return the ticket with another session id and the same signature."""
    serializer = URLSafeSerializer("not the key")
    content = {**serializer.loads_unsafe(minted)[1], "session_id": "another session"}
    return f"{serializer.dump_payload(content).decode()}.{minted.rpartition('.')[2]}"


def web_process(site: Site) -> psutil.Process:
    """Return Hypercorn's worker."""
    [worker] = [process for process in site.family() if "spawn_main" in " ".join(process.cmdline())]
    return worker


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run in another thread: Playwright has left a running event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class Client:
    """A browser: HTTP requests with a cookie jar, websockets with Origin and cookie."""

    def __init__(self, site_url: str, visitor: str | None = VISITOR) -> None:
        self.url = site_url
        cookies = {"quart_bokeh_visitor": visitor} if visitor else {}
        self._http = aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._websockets: list[aiohttp.ClientWebSocketResponse] = []

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        for websocket in self._websockets:
            websocket._response.close()  # else aiohttp warns, at any later time
        await self._http.close()

    async def get(self, path: str) -> Any:
        async with self._http.get(self.url + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json(content_type=None)

    async def attach(self, ticket: str, path: str = PATH, **headers: str) -> aiohttp.ClientWebSocketResponse:
        websocket = await self._http.ws_connect(
            self.url + path,
            protocols=("bokeh", ticket),
            headers={"Origin": self.url, **headers},
            max_msg_size=0,
            timeout=aiohttp.ClientWSTimeout(ws_close=2),
        )
        self._websockets.append(websocket)
        return websocket

    async def status_of(self, ticket: str, path: str = PATH, **headers: str) -> int:
        """Return the HTTP status of a websocket handshake."""
        try:
            websocket = await self.attach(ticket, path, **headers)
        except aiohttp.WSServerHandshakeError as error:
            return error.status
        await websocket.close()
        return 101


@dataclass
class Attempt:
    """One raw handshake. ``None`` omits a header; ``{host}`` and ``{ticket}`` are replaced."""

    minted: str
    method: str = "GET"
    path: str = PATH
    version: str = "1.1"
    host: str | None = "{host}"
    origin: str | None = "http://{host}"
    cookie: str | None = f"quart_bokeh_visitor={VISITOR}"
    protocol: str | None = "bokeh, {ticket}"
    websocket_version: str = "13"
    more: list[str] = field(default_factory=list)
    body: bytes = b""

    def send(self, url: str) -> socket.socket:
        """Send it to the site, and return the connection without reading the answer."""
        host = url.removeprefix("http://")
        name, _, port = host.partition(":")
        connection = socket.create_connection((name, int(port)), timeout=10)
        connection.sendall(self.request(host))
        return connection

    def request(self, host: str) -> bytes:
        headers = {
            "Host": self.host,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": self.websocket_version,
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Origin": self.origin,
            "Cookie": self.cookie,
            "Sec-WebSocket-Protocol": self.protocol,
        }
        lines = [f"{self.method} {self.path} HTTP/{self.version}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        text = "\r\n".join([*lines, *self.more, "", ""])
        return text.replace("{host}", host).replace("{ticket}", self.minted).encode("latin-1") + self.body


Behaviour = Callable[[web.WebSocketResponse], Awaitable[None]]


async def echo(websocket: web.WebSocketResponse) -> None:
    async for message in websocket:
        if message.type is aiohttp.WSMsgType.TEXT:
            await websocket.send_str(message.data)
        else:
            await websocket.send_bytes(message.data)


class FakeServer:
    """A websocket server at ``/app/ws`` in a thread. It runs ``behaviour`` for each websocket."""

    def __init__(self, behaviour: Behaviour = echo) -> None:
        self.behaviour = behaviour
        self.status = 101
        self.requests: list[web.Request] = []
        self.open = 0
        self.codes: list[int | None] = []
        self.websockets: set[web.WebSocketResponse] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> FakeServer:
        self._thread.start()
        self.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get(f"/{APP}/ws", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.status != 101:
            return web.Response(status=self.status)
        websocket = web.WebSocketResponse(protocols=("bokeh",), max_msg_size=0, compress=False, timeout=1)
        await websocket.prepare(request)
        self.open += 1
        self.websockets.add(websocket)
        try:
            await self.behaviour(websocket)
        finally:
            self.open -= 1
            self.websockets.discard(websocket)
            self.codes.append(websocket.close_code)
        return websocket

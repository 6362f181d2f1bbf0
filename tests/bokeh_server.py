"""Bokeh servers for tests, ours and stock with the same flags, and a client that speaks their protocol."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from bokeh.client.websocket import WebSocketClientConnectionWrapper
from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent
from bokeh.protocol import Protocol
from bokeh.protocol.receiver import Receiver
from bokeh.util.token import generate_jwt_token, generate_session_id
from harness import ROOT, Process
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

T = TypeVar("T")
KEY = "a key of forty bytes, only for the tests"
OURS, STOCK = "quart_app.engine.serve", "bokeh serve"
SHORT = ("--unused-session-lifetime", "200", "--check-unused-sessions", "100")


class Serve(Process):
    """``bokeh serve`` or our server on a free port, which signs sessions unless ``signed`` is false."""

    host = "localhost"

    def __init__(
        self, *arguments: str | Path, command: str = OURS, signed: bool = True, port: str = "0"
    ) -> None:
        words = [sys.executable, "-m", *command.split(), *map(str, arguments), "--port", port]
        env = {}
        if signed:
            words += ["--session-ids", "external-signed"]
            env = {"BOKEH_SECRET_KEY": KEY, "BOKEH_SIGN_SESSIONS": "yes"}
        super().__init__(words, r"Bokeh app running at: http://localhost:(\d+)", ROOT, env)

    def health(self) -> dict[str, Any]:
        from quart_app.protocol.keys import health_token

        answer = self.get("/healthz", headers={"Authorization": f"Bearer {health_token(KEY.encode())}"})
        assert answer.status_code == 200
        health: dict[str, Any] = answer.json()
        return health


class Stock(Serve):
    """``bokeh serve`` with its defaults: it creates a session for every request."""

    def __init__(self, *arguments: str | Path, port: str = "0") -> None:
        super().__init__(*arguments, command=STOCK, signed=False, port=port)


def run_script(script: str, argument: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own and return its output. Fails if it does not exit with 0."""
    command = [sys.executable, "-W", "ignore", "-c", script, argument]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)


def new_id() -> str:
    return str(generate_session_id(KEY.encode(), True))


def token(
    session_id: str, *, create: bool = False, expiration: int = 300, key: str = KEY, **more: Any
) -> str:
    payload = {"quart_bokeh": "create"} if create else {}
    return generate_jwt_token(
        session_id, key.encode(), True, extra_payload={**payload, **more} or None, expiration=expiration
    )


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as ``asyncio.run`` does, and close all sockets of its loop."""

    def in_thread() -> T:
        loop = IOLoop()
        try:
            result: T = loop.run_sync(lambda: work)
        finally:
            while Client.connected:
                Client.connected.pop().close()
            loop.close(all_fds=True)
        return result

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(in_thread).result()


class Client:
    """A browser's side of one session, without a browser."""

    connected: ClassVar[list[Client]] = []

    @classmethod
    async def connect(cls, server: Serve, application: str, token: str, **headers: str) -> Client:
        """Connect and wait for the ACK. Raises HTTPClientError for a refusal."""
        self = cls()
        self.protocol = Protocol()
        request = HTTPRequest(
            f"{server.url}/{application}/ws".replace("http", "ws", 1), headers=headers, request_timeout=30
        )
        self.socket = await websocket_connect(request, subprotocols=["bokeh", token])
        self._sender = WebSocketClientConnectionWrapper(self.socket)
        self._receiver = Receiver(self.protocol)
        cls.connected.append(self)
        self.ack = await self.receive()
        return self

    async def receive(self) -> Any:
        while (fragment := await self.socket.read_message()) is not None:
            if (message := await self._receiver.consume(fragment)) is not None:
                return message
        raise EOFError(self.socket.close_code)

    async def ask(self, message: Any) -> Any:
        await message.send(self._sender)
        while True:
            reply = await self.receive()
            if reply.header.get("reqid") == message.header["msgid"]:
                return reply

    async def pull(self) -> Document:
        reply, document = await self.ask(self.protocol.create("PULL-DOC-REQ")), Document()
        reply.push_to_document(document)
        return document

    async def change(self, document: Document, change: Callable[[], object]) -> None:
        """Make a change in the pulled document and wait until the server has confirmed it."""
        messages = []

        def note(event: Any) -> None:
            assert isinstance(event, DocumentPatchedEvent)
            messages.append(self.protocol.create("PATCH-DOC", [event]))

        document.on_change(note)
        change()
        document.remove_on_change(note)
        for message in messages:
            assert (await self.ask(message)).msgtype == "OK"

    def close(self) -> None:
        self.socket.close(1000)


def visit(server: Serve, application: str, token: str) -> Document:
    """Connect to a session, pull its document and close the websocket."""

    async def look() -> Document:
        client = await Client.connect(server, application, token)
        document = await client.pull()
        client.close()
        return document

    return run(look())


def refusal(server: Serve, application: str, token: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    """Return status, body and headers of a websocket's refusal before the upgrade; fail if there is none."""

    async def ask() -> tuple[int, str, dict[str, str]]:
        try:
            client = await Client.connect(server, application, token, **headers)
        except HTTPClientError as error:
            return error.code, error.response.body.decode(), dict(error.response.headers)
        client.close()
        raise AssertionError("the websocket was not refused")

    return run(ask())

"""One session pulled from a Bokeh server: opened, changed, and left behind for its browser.

This is ``bokeh.client.pull_session`` in a form that a web site can call in a thread. Bokeh's own leaks
four descriptors a call, waits for ever for a server that falls silent, and loses what is changed in the
document (bokeh#13172). Here everything happens on a loop that lives as long as the call, every
descriptor of that loop is closed with it, and one deadline holds from the first byte to the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

from bokeh.client.websocket import WebSocketClientConnectionWrapper
from bokeh.document import Document
from bokeh.document.events import DocumentChangedEvent, DocumentPatchedEvent
from bokeh.protocol import Protocol
from bokeh.protocol.exceptions import MessageError, ProtocolError, ValidationError
from bokeh.protocol.message import Message
from bokeh.protocol.messages.pull_doc_reply import pull_doc_reply
from bokeh.protocol.receiver import Receiver
from bokeh.util.token import generate_jwt_token, generate_session_id
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClientConnection, websocket_connect

from quart_app.embed.errors import ApplicationFailed, UnknownApplication
from quart_app.servers.server import Server

Customize = Callable[[Document], object]
Arguments = Mapping[str, list[str]]


@dataclass(frozen=True)
class Root:
    """A root of a document: its id, and its name if it has one."""

    id: str
    name: str | None = None


@dataclass(frozen=True)
class Outline:
    """What a page must know of a document: its roots, and the names of the model types in it."""

    roots: tuple[Root, ...]
    types: frozenset[str]


@dataclass(frozen=True)
class Pulled:
    """A session that was made: its id, and the outline of its document."""

    session_id: str
    outline: Outline


class Unreachable(Exception):
    """The server did not take the connection, or lost it; another one may do better."""


def pull(
    server: Server,
    application: str,
    *,
    deadline: float,
    max_message: int,
    arguments: Arguments,
    customize: Customize | None,
) -> Pulled:
    """Open a new session of the application on the server, change its document, and return its id.

    Blocks, so call it in a thread. The session stays on the server and waits for its browser. What
    ``customize`` changes in the document is on the server when this returns.

    deadline: when to give up, as ``time.monotonic()`` counts, in seconds; raises TimeoutError then.
    max_message: bytes of the largest message to take.
    arguments: what the application finds in ``curdoc().session_context.request.arguments``.

    Raises Unreachable, TimeoutError, UnknownApplication, ApplicationFailed, or what ``customize`` raises.
    """
    remaining = deadline - monotonic()
    if remaining <= 0:
        raise TimeoutError
    loop = IOLoop()
    try:
        pulled: Pulled = loop.run_sync(
            lambda: _pull(server, application, max_message, arguments, customize), timeout=remaining
        )
    finally:
        loop.close(all_fds=True)
    return pulled


async def _pull(
    server: Server,
    application: str,
    max_message: int,
    arguments: Arguments,
    customize: Customize | None,
) -> Pulled:
    key, signed = server.secret_key, server.secret_key is not None
    session_id = generate_session_id(key, signed)
    # As bytes, for that is what an application finds there when its page comes from the server itself.
    asked = {name: [value.encode() for value in values] for name, values in arguments.items()}
    token = generate_jwt_token(session_id, key, signed, extra_payload={"arguments": asked})
    connection = await Connection.open(server.websocket_url(application), token, max_message)
    with _failures_of(application):
        await connection.receive()  # the ACK that says the application has run
        reply = await connection.ask(connection.protocol.create("PULL-DOC-REQ"))
        outline = _outline_of_json(reply.content["doc"])
    if customize is not None:
        document = Document()
        cast(pull_doc_reply, reply).push_to_document(document)
        changes = _collect_changes(document, connection.protocol)
        customize(document)
        with _failures_of(application):
            for change in changes:
                await connection.ask(change)
        outline = _outline_of(document)
    if not outline.roots:
        # A script that raises leaves no roots, and a client gets no other sign of it.
        raise ApplicationFailed(application, "it raised an error or added nothing to its document")
    connection.close()
    return Pulled(session_id, outline)


def _outline_of(document: Document) -> Outline:
    roots = tuple(Root(root.id, root.name) for root in document.roots)
    return Outline(roots, frozenset(type(model).__qualified_model__ for model in document.models))


def _outline_of_json(doc: Any) -> Outline:
    types: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("type") == "object":
                types.add(value["name"])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(doc["roots"])
    roots = tuple(Root(root["id"], root.get("attributes", {}).get("name")) for root in doc["roots"])
    return Outline(roots, frozenset(types))


def _collect_changes(document: Document, protocol: Protocol) -> list[Message[Any]]:
    """Return a list that fills with the messages for whatever is changed in the document from now on."""
    changes: list[Message[Any]] = []

    def on_change(event: DocumentChangedEvent) -> None:
        if isinstance(event, DocumentPatchedEvent):
            # Serialised at once: a later change may alter what this one refers to.
            changes.append(protocol.create("PATCH-DOC", [event]))

    document.on_change(on_change)
    return changes


@contextmanager
def _failures_of(application: str) -> Iterator[None]:
    """Tell an application that failed from a connection that broke."""
    try:
        yield
    except (MessageError, ProtocolError, ValidationError, LookupError, TypeError) as error:
        raise Unreachable(f"it did not answer as a Bokeh server: {error!r}") from error
    except ConnectionClosed as error:
        if error.code is None:
            raise Unreachable("it closed the connection") from error
        raise ApplicationFailed(application, f"the server ended its session: {error}") from error


class ConnectionClosed(Exception):
    """The server closed the websocket. ``code`` is None if it did so without a word."""

    def __init__(self, code: int | None, reason: str | None) -> None:
        super().__init__(f"{code} {reason or ''}".rstrip())
        self.code = code


class Connection:
    """A websocket to a Bokeh server that speaks in whole messages."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.protocol = Protocol()
        self._socket = socket
        self._receiver = Receiver(self.protocol)
        self._sender = WebSocketClientConnectionWrapper(socket)

    @classmethod
    async def open(cls, url: str, token: str, max_message: int) -> Connection:
        """Connect with a session's token. Raises Unreachable, or UnknownApplication for a 404."""
        try:
            socket = await websocket_connect(
                HTTPRequest(url, connect_timeout=0, request_timeout=0),  # the caller's deadline holds
                subprotocols=["bokeh", token],
                max_message_size=max_message,
            )
        except HTTPClientError as error:
            if error.code == 404:
                raise UnknownApplication(url.split("/")[-2]) from error
            raise Unreachable(f"it answered {error.code} {error.message}") from error
        except (OSError, ValueError) as error:
            raise Unreachable(str(error)) from error
        # A message is three small frames: without this each waits for the other side's delayed ACK.
        if socket.protocol is not None:
            socket.protocol.set_nodelay(True)
        return cls(socket)

    async def receive(self) -> Message[Any]:
        """Return the next whole message. Raises ConnectionClosed."""
        while True:
            fragment = await self._socket.read_message()
            if fragment is None:
                raise ConnectionClosed(self._socket.close_code, self._socket.close_reason)
            message = await self._receiver.consume(fragment)
            if message is not None:
                return message

    async def ask(self, request: Message[Any]) -> Message[Any]:
        """Send a message and return the server's reply to it; what else arrives meanwhile is passed over."""
        await request.send(self._sender)
        while True:
            message = await self.receive()
            if message.header.get("reqid") != request.header["msgid"]:
                continue
            if message.msgtype == "ERROR":
                raise ConnectionClosed(1011, str(message.content["text"]))
            return message

    def close(self) -> None:
        """Say goodbye; what has been asked has been answered, so nothing is lost by not waiting."""
        self._socket.close(1000)

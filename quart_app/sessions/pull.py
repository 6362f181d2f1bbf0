"""One session pulled from a Bokeh server: opened, changed, and left behind for its browser.

This is ``bokeh.client.pull_session`` in a form that a web site can call in a thread. Bokeh's own leaks
four descriptors a call, waits for ever for a server that falls silent, builds every model, and loses what
is changed in the document (bokeh#13172).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

from bokeh.document import Document
from bokeh.document.events import DocumentChangedEvent, DocumentPatchedEvent
from bokeh.protocol import Protocol
from bokeh.protocol.exceptions import MessageError, ProtocolError, ValidationError
from bokeh.protocol.message import Message
from bokeh.protocol.messages.pull_doc_reply import pull_doc_reply
from bokeh.util.token import generate_jwt_token, generate_session_id

from quart_app.engine.admission import CREATE, DISCARD, PURPOSE
from quart_app.fleet.server import Server
from quart_app.protocol.outline import Outline, Root
from quart_app.sessions.client import Closed, Connection, MessageTooLarge, Received, Refused
from quart_app.sessions.errors import ApplicationFailed, UnknownApplication

Customize = Callable[[Document], object]
Arguments = Mapping[str, list[str]]


class Unreachable(Exception):
    """The server did not take the connection, or lost it; another one may do better."""


class Full(Exception):
    """The server takes no further session just now; another one may."""


@dataclass(frozen=True)
class Passed:
    """What a page passes to the application: in the token that creates its session, and nowhere else."""

    arguments: Arguments = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    user: Any = None

    def __post_init__(self) -> None:
        for name, values in self.arguments.items():
            if isinstance(values, str) or not all(isinstance(value, str) for value in values):
                raise TypeError(f"arguments: {name!r} takes a list of texts, as ['value'], not {values!r}")

    @property
    def is_of_request(self) -> bool:
        """Whether nothing comes from the page's route: what the visitor's next request passes is as good."""
        return not self.arguments and self.user is None

    @property
    def payload(self) -> dict[str, Any]:
        """The token's payload, as Bokeh's server reads it."""
        # As bytes, for that is what an application finds there when its page comes from the server itself.
        arguments = {name: [value.encode() for value in values] for name, values in self.arguments.items()}
        # Headers even if there are none: else the application would see those of the pull itself.
        payload = {PURPOSE: CREATE, "arguments": arguments, "headers": dict(self.headers)}
        if self.cookies:
            payload["cookies"] = dict(self.cookies)
        if self.user is not None:
            payload["user"] = self.user
        return payload


@dataclass(frozen=True)
class Pulled:
    """A session that was made: its id, and the outline of its document."""

    session_id: str
    outline: Outline


class Pull:
    """Opens one new session of an application on a server. ``run`` blocks: call it in a thread.

    deadline: when to give up, as ``time.monotonic()`` counts, in seconds.
    max_message: bytes of the largest message to take.
    customize: may change the session's document; what it changes is on the server when ``run`` returns.
    """

    def __init__(
        self,
        server: Server,
        application: str,
        *,
        deadline: float,
        max_message: int,
        passed: Passed,
        customize: Customize | None = None,
    ) -> None:
        self._server = server
        self._application = application
        self._passed = passed
        self._protocol = Protocol()
        self._customize = customize
        self._max_message = max_message
        self._connection = Connection(deadline=deadline, max_message=max_message)

    def abandon(self) -> None:
        """Let ``run`` end at once, whatever it waits for. From any thread."""
        self._connection.abort()

    def run(self) -> Pulled:
        """Open the session, change its document, and leave it on the server, where it waits for its browser.

        Raises Unreachable, Full, TimeoutError, UnknownApplication, ApplicationFailed, or what
        ``customize`` raises.
        """
        try:
            pulled = self._run()
        except BaseException:
            self._connection.close(DISCARD)
            raise
        self._connection.close()
        return pulled

    def _run(self) -> Pulled:
        server, connection = self._server, self._connection
        key, signed = server.secret_key, server.secret_key is not None
        session_id = generate_session_id(key, signed)
        token = generate_jwt_token(session_id, key, signed, extra_payload=self._passed.payload)
        with self._failures():
            connection.open(server.websocket_url(self._application), token)
            said = json.loads(connection.receive().content_json).get(PURPOSE)
            outline = Outline.from_json(said) if said else None  # None: from a server that is not ours
            if self._customize is None and outline is None:
                outline = outline_of_json(self._ask_for_document().content_json)
            elif self._customize is not None:
                reply = self._ask_for_document().message(self._protocol)
        if self._customize is not None:
            document = Document()
            cast(pull_doc_reply, reply).push_to_document(document)
            changes = collect_changes(document, self._protocol)
            self._customize(document)
            with self._failures():
                for change in changes:
                    connection.ask(change)
            now = Outline.of(document)
            outline = replace(outline or now, roots=now.roots, types=now.types)
        assert outline is not None  # noqa: S101
        if not outline.roots:
            # A script that raises leaves no roots, and a client of a stock server gets no other sign of it.
            what = "added nothing" if said else "raised an error, or added nothing"
            raise ApplicationFailed(self._application, f"it {what} to its document")
        return Pulled(session_id, outline)

    def _ask_for_document(self) -> Received:
        return self._connection.ask(self._protocol.create("PULL-DOC-REQ"))

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Tell an application that failed from a server that did."""
        try:
            yield
        except Refused as refused:
            raise self._meaning(refused) from refused
        except MessageTooLarge:
            raise ApplicationFailed(
                self._application,
                f"a message of its document has more than the {self._max_message} bytes of BOKEH_MAX_MESSAGE",
            ) from None
        except Closed as closed:
            if closed.code is None:
                raise Unreachable("it closed the connection") from closed
            if closed.code == 1009:
                reason = "a change to its document has more bytes than the server takes in a message"
                raise ApplicationFailed(self._application, reason) from closed
            if closed.code in (1001, 1006, 1012):
                raise Unreachable(f"it ended the connection: {closed}") from closed
            raise ApplicationFailed(self._application, f"the server ended its session: {closed}") from closed
        except TimeoutError:
            raise
        except OSError as error:
            raise Unreachable(str(error)) from error
        except (MessageError, ProtocolError, ValidationError, LookupError, TypeError, ValueError) as error:
            raise Unreachable(f"it did not answer as a Bokeh server: {error!r}") from error

    def _meaning(self, refused: Refused) -> Exception:
        """Return the error that a refused handshake stands for."""
        if refused.status == 404:
            return UnknownApplication(self._application)
        if refused.status == 500 and refused.headers.get("x-bokeh-error") == "application":
            return ApplicationFailed(self._application, refused.body)
        if refused.status == 503:
            return Full(refused.body)
        return Unreachable(f"it answered {refused}")


def collect_changes(document: Document, protocol: Protocol) -> list[Message[Any]]:
    """Return a list that fills with the messages for whatever is changed in the document from now on."""
    changes: list[Message[Any]] = []

    def on_change(event: DocumentChangedEvent) -> None:
        if isinstance(event, DocumentPatchedEvent):
            message = protocol.create("PATCH-DOC", [event])
            # Serialised at once: a later change may alter what this one refers to.
            _ = message.content_json
            changes.append(message)

    document.on_change(on_change)
    return changes


def outline_of_json(content: str) -> Outline:
    """Read the outline from the JSON of a PULL-DOC-REPLY, building nothing of the document.

    Numbers are dropped on the way by a function of ours: that saves their memory, and Python's other threads
    get their turns in the middle of a large document (``json.loads`` alone holds them all up until its end).
    """
    types: set[str] = set()

    def note(value: dict[str, Any]) -> dict[str, Any]:
        if value.get("type") == "object":
            types.add(value["name"])
            attributes = value.get("attributes", {})
            return {"id": value.get("id"), "attributes": {"name": attributes.get("name")}}
        return value

    def drop(_: str) -> None:
        return None

    document = json.loads(content, object_hook=note, parse_float=drop, parse_int=drop)["doc"]
    roots = tuple(Root(root["id"], root["attributes"]["name"]) for root in document["roots"])
    return Outline(roots, frozenset(types))

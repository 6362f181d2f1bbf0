"""Pulls one session from a Bokeh server: creates it, changes its document, and leaves it for its browser.

This is ``bokeh.client.pull_session`` for a thread of a web site. Bokeh's own leaks four descriptors a call,
waits without a deadline, builds every model, and loses changes of the document (bokeh#13172).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from quart_app.fleet.server import Server
from quart_app.protocol.close_codes import ABNORMAL, DISCARD, GOING_AWAY, RESTART, TOO_LARGE
from quart_app.protocol.messages import RawMessage
from quart_app.protocol.outline import Outline
from quart_app.protocol.tokens import PURPOSE, mint_token, new_session_id
from quart_app.sessions.client import Client, ConnectionClosed, ReplyTooLarge, ServerRejected
from quart_app.sessions.errors import ApplicationFailed, UnknownApplication
from quart_app.sessions.session import RequestData, Session

if TYPE_CHECKING:
    from quart_app.sessions.customize import Customize


class Unreachable(Exception):
    """The server did not take the connection, or lost it; another one may do better."""


class ServerFull(Exception):
    """The server takes no further session just now; another one may."""


class Pull:
    """Creates one session of an application on a server. ``run`` blocks: call it in a thread.

    deadline: when to give up, in seconds of ``time.monotonic()``.
    max_message: bytes of the largest websocket message to receive.
    customize: may change the session's document; its changes are on the server when ``run`` returns.
    """

    def __init__(
        self,
        server: Server,
        application: str,
        data: RequestData,
        customize: Customize | None = None,
        *,
        deadline: float,
        max_message: int,
    ) -> None:
        self._server = server
        self._generation = server.generation
        self._application = application
        self._data = data
        self._customize = customize
        self._max_message = max_message
        self._client = Client(deadline=deadline, max_message=max_message)

    def abort(self) -> None:
        """Let ``run`` end at once and discard its session. From any thread."""
        self._client.abort()

    def run(self) -> Session:
        """Create the session, change its document, and leave it on the server for its browser.

        Raises Unreachable, ServerFull, TimeoutError, UnknownApplication, ApplicationFailed, or what
        ``customize`` raises.
        """
        try:
            session = self._create()
        except BaseException:
            self._client.close(DISCARD)
            raise
        self._client.close()
        return session

    def _create(self) -> Session:
        server, client = self._server, self._client
        session_id = new_session_id(server.secret_key)
        token = mint_token(session_id, server.secret_key, self._data.payload)
        with self._map_errors():
            client.open(server.websocket_url(self._application), token)
            sent = json.loads(client.receive().content_json).get(PURPOSE)
            outline = Outline.from_json(sent) if sent else None  # None: a stock server
            if outline is None or self._customize is not None:
                document = client.ask(RawMessage.request("PULL-DOC-REQ"))
            if outline is None and self._customize is None:
                from quart_app.protocol.describe import describe_reply

                outline = describe_reply(document.content_json)
        if self._customize is not None:
            outline = self._change(document, self._customize, outline)
        assert outline is not None  # noqa: S101
        if not outline.roots:
            # A script that raises leaves no roots, and a stock server gives no other sign of it.
            what = "added nothing" if sent else "raised an error, or added nothing"
            raise ApplicationFailed(self._application, f"it {what} to its document")
        return Session(
            session_id,
            self._application,
            server,
            self._generation,
            outline,
            renewable=self._data.is_replayable and self._customize is None,
        )

    def _change(self, reply: RawMessage, customize: Customize, outline: Outline | None) -> Outline:
        """Run ``customize``, make its changes on the server, and return the new outline.

        outline: as the server has sent it; None from a stock server.
        """
        from quart_app.sessions.customize import build_document, change_document

        with self._map_errors():
            message = reply.to_bokeh()
        changes, changed = change_document(build_document(message), customize)
        with self._map_errors():
            for change in changes:
                self._client.ask(change)
        if outline is None:
            return changed
        return replace(
            changed,
            links={**changed.links, **outline.links},
            cdn_to_local={**changed.cdn_to_local, **outline.cdn_to_local},
            models_script=outline.models_script,
            template=outline.template,
        )

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        """Tell an application that failed from a server that did."""
        try:
            yield
        except ServerRejected as rejected:
            raise self._rejection(rejected) from rejected
        except ReplyTooLarge:
            raise ApplicationFailed(
                self._application,
                "the site reads its document (for customize, or from a stock server), and that has more than "
                f"the {self._max_message} bytes of BOKEH_MAX_MESSAGE",
            ) from None
        except ConnectionClosed as closed:
            if closed.code is None:
                raise Unreachable("it closed the connection") from closed
            if closed.code == TOO_LARGE:
                reason = "a change to its document has more bytes than the server takes in a message"
                raise ApplicationFailed(self._application, reason) from closed
            if closed.code in (GOING_AWAY, ABNORMAL, RESTART):
                raise Unreachable(f"it closed the connection: {closed}") from closed
            raise ApplicationFailed(self._application, f"the server ended its session: {closed}") from closed
        except TimeoutError:
            raise
        except OSError as error:
            raise Unreachable(str(error)) from error
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise Unreachable(f"it did not answer as a Bokeh server: {error!r}") from error

    def _rejection(self, rejected: ServerRejected) -> Exception:
        """Return the error that a rejected handshake stands for."""
        if rejected.status == 404:
            return UnknownApplication(self._application)
        if rejected.status == 500 and rejected.headers.get("x-bokeh-error") == "application":
            return ApplicationFailed(self._application, rejected.body)
        if rejected.status == 503:
            return ServerFull(rejected.body)
        return Unreachable(f"it answered {rejected}")

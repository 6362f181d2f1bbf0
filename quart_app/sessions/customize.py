"""Lets a route change a session's document before its browser sees it. Imports Bokeh's models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from bokeh.document import Document
from bokeh.document.events import DocumentChangedEvent, DocumentPatchedEvent
from bokeh.protocol import Protocol
from bokeh.protocol.message import Message
from bokeh.protocol.messages.pull_doc_reply import pull_doc_reply

from quart_app.protocol.describe import describe
from quart_app.protocol.messages import RawMessage
from quart_app.protocol.outline import Outline

Customize = Callable[[Document], object]


def build_document(reply: Message[Any]) -> Document:
    """Build the document of a PULL-DOC-REPLY. Raises what Bokeh raises for a document that is wrong."""
    document = Document()
    cast(pull_doc_reply, reply).push_to_document(document)
    return document


def change_document(document: Document, customize: Customize) -> tuple[list[RawMessage], Outline]:
    """Run ``customize`` and return the messages that make its changes on the server, and the new outline.

    Raises what ``customize`` raises.
    """
    changes: list[Message[Any]] = []

    def on_change(event: DocumentChangedEvent) -> None:
        if isinstance(event, DocumentPatchedEvent):
            message = Protocol().create("PATCH-DOC", [event])
            # Serialised now: a later change may alter what this one refers to.
            _ = message.content_json
            changes.append(message)

    document.on_change(on_change)
    customize(document)
    return list(map(RawMessage.from_bokeh, changes)), describe(document)

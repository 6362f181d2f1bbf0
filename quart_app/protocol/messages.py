"""Bokeh's websocket messages as fragments: header, metadata, content, and a header and bytes per buffer.

Only what is needed of a message is parsed. (Bokeh 4.0 replaces this format by one JSON envelope of header,
content and buffers, and binary fragments.)
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from bokeh.protocol.message import Message


@dataclass
class RawMessage:
    """One message, not parsed."""

    header_json: str
    metadata_json: str = "{}"
    content_json: str = "{}"
    buffers: list[tuple[str, bytes]] = field(default_factory=list)
    """For each buffer its header, as JSON, and its bytes."""

    @classmethod
    def request(cls, msgtype: str) -> Self:
        """Return a message without content, such as ``PULL-DOC-REQ``."""
        return cls(json.dumps({"msgid": secrets.token_hex(16), "msgtype": msgtype}))

    @classmethod
    def from_bokeh(cls, message: Message[Any]) -> Self:
        """Serialise a message of Bokeh's."""
        buffers = [(json.dumps({"id": buffer.id}), buffer.to_bytes()) for buffer in message.buffers]
        return cls(message.header_json, message.metadata_json, message.content_json, buffers)

    def to_bokeh(self) -> Message[Any]:
        """Parse it into Bokeh's object. Imports Bokeh's models. Raises ValueError or LookupError."""
        from bokeh.protocol import Protocol
        from bokeh.protocol.exceptions import MessageError, ProtocolError, ValidationError

        try:
            message = Protocol().assemble(self.header_json, self.metadata_json, self.content_json)
            for header, payload in self.buffers:
                message.assemble_buffer(json.loads(header), payload)
        except (MessageError, ProtocolError, ValidationError) as error:
            raise ValueError(f"not a Bokeh message: {error}") from error
        return message

    @property
    def header(self) -> dict[str, Any]:
        """The parsed header. Raises ValueError if it is none."""
        header = json.loads(self.header_json)
        if not isinstance(header, dict) or "msgtype" not in header:
            raise ValueError("not a Bokeh message")
        return header

    def fragments(self) -> Iterator[str | bytes]:
        """Yield what is sent, each as one websocket message."""
        yield from (self.header_json, self.metadata_json, self.content_json)
        for header, payload in self.buffers:
            yield header
            yield payload

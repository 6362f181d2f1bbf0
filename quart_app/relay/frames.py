"""Finds the boundaries of websocket frames (RFC 6455) in bytes that are forwarded unchanged.

Parsing messages and serialising them again would take five times the CPU and a copy of each message.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

OPCODE_CLOSE = 8
OPCODES = {0, 1, 2, OPCODE_CLOSE, 9, 10}
HEARTBEAT_PREFIX = b"\x81\x80"
"""First bytes of a browser's empty text message; a mask follows. Bokeh has no such message."""
EXTENDED_LENGTHS = {126: 2, 127: 8}
"""Bytes of the extended payload length, by the value of the 7-bit length."""


class FrameError(Exception):
    """Nothing more can be forwarded. ``valid``: the bytes before the frame with the error."""

    valid = b""


class ProtocolViolation(FrameError):
    """The bytes are not a valid websocket frame."""


class MessageTooLarge(FrameError):
    """A message exceeds the limit."""


@dataclass(frozen=True)
class CloseReason:
    """Code and reason of a close frame."""

    code: int
    reason: str


class FrameParser:
    """Tracks the frames of one direction.

    masked: whether frames are masked; those of browsers are, those of servers are not.
    max_message: largest message to let pass, in bytes; None: no limit.
    """

    def __init__(self, *, masked: bool, max_message: int | None) -> None:
        self._is_masked = masked
        self._max_message = max_message
        self._partial_frame = b""
        """First bytes of a frame, until there are enough of them to forward it."""
        self._message_size: int | None = None
        """Bytes of the message whose last frame has not come; None between messages."""
        self.remaining = 0
        """Bytes that are missing from the current frame."""
        self.close_frame = b""
        """The close frame, once it is complete."""
        self.heartbeats = 0
        """Heartbeats of a browser. The relay answers them, and they are not forwarded."""
        self.has_failed = False
        """Whether ``feed`` has raised: nothing is known about further bytes."""

    def feed(self, data: bytes) -> bytes:
        """Return what can be forwarded now: everything before a close frame, without heartbeats.

        Keeps an incomplete frame header for the next call.

        Raises ProtocolViolation or MessageTooLarge.
        """
        if self.close_frame:
            return b""
        data, self._partial_frame = self._partial_frame + data, b""
        start, at = 0, self.remaining
        passed: list[bytes] = []
        while at < len(data):
            try:
                opcode, size = self._parse_header(data[at : at + 10])
            except FrameError as error:
                self.remaining, self.has_failed = 0, True
                error.valid = b"".join((*passed, data[start:at]))
                raise
            is_heartbeat = data.startswith(HEARTBEAT_PREFIX, at)
            if size == 0 or ((opcode == OPCODE_CLOSE or is_heartbeat) and at + size > len(data)):
                self._partial_frame = data[at:]
                break
            if opcode == OPCODE_CLOSE:
                self.close_frame = data[at : at + size]
                break
            if is_heartbeat:
                self.heartbeats += 1
                passed.append(data[start:at])
                start = at + size
            at += size
        self.remaining = max(0, at - len(data))
        return b"".join((*passed, data[start:at]))

    def _parse_header(self, head: bytes) -> tuple[int, int]:
        """Return a frame's opcode and its size in bytes; size 0 if the header is incomplete."""
        if len(head) < 2:
            return 0, 0
        opcode, is_final, length = head[0] & 15, bool(head[0] & 128), head[1] & 127
        if head[0] & 0x70 or opcode not in OPCODES or bool(head[1] & 128) != self._is_masked:
            raise ProtocolViolation
        if opcode >= OPCODE_CLOSE and (length > 125 or not is_final):
            raise ProtocolViolation
        if opcode == OPCODE_CLOSE and length == 1:
            raise ProtocolViolation
        if opcode < OPCODE_CLOSE and (opcode == 0) != (self._message_size is not None):
            raise ProtocolViolation
        extended = EXTENDED_LENGTHS.get(length, 0)
        if len(head) < 2 + extended:
            return opcode, 0
        if extended:
            length = int.from_bytes(head[2 : 2 + extended], "big")
        if opcode < OPCODE_CLOSE:
            message_size = (self._message_size or 0) + length
            if self._max_message is not None and message_size > self._max_message:
                raise MessageTooLarge
            self._message_size = None if is_final else message_size
        return opcode, 2 + extended + 4 * self._is_masked + length

    @property
    def is_between_messages(self) -> bool:
        return self.remaining == 0 and self._message_size is None

    @property
    def close_reason(self) -> CloseReason:
        """Code and reason of the close frame; code 1005 if it has none."""
        payload = self.close_frame[2:]
        if self._is_masked:
            mask, payload = payload[:4], payload[4:]
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        if len(payload) < 2:
            return CloseReason(1005, "")
        return CloseReason(struct.unpack("!H", payload[:2])[0], payload[2:].decode(errors="replace"))

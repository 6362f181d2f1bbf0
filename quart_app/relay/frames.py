"""Where each websocket frame ends: all that the relay needs to know of what it carries.

Frames are passed on as they came. To take a message apart and make it anew would cost the web process five
times as much, a copy of the message, and what makes it one message.
"""

from __future__ import annotations

import struct

CLOSE = 8
KINDS = {0, 1, 2, CLOSE, 9, 10}
HEARTBEAT = b"\x81\x80"
"""How an empty text message of a browser begins; its mask follows."""
SIZES = {126: 2, 127: 8}
"""Bytes of the length, where seven bits do not take it."""


class Fault(Exception):
    """Nothing more is passed on. ``before`` is what came before, and is."""

    before = b""


class Broken(Fault):
    """These are no websocket frames."""


class TooLarge(Fault):
    """A message is above the limit."""


class Frames:
    """Follows the frames of one direction.

    masked: whether each has a mask, as those of browsers have and those of servers have not.
    max_message: bytes of the largest message to let pass.
    """

    def __init__(self, *, masked: bool, max_message: int) -> None:
        self._is_masked = masked
        self._max_message = max_message
        self._held = b""
        """The beginning of a frame of which too little is there to tell what it is."""
        self._message: int | None = None
        """Bytes of the message under way, if there is one."""
        self.left = 0
        """Bytes of the frame under way that are still to come."""
        self.close_frame = b""
        """The frame that says goodbye, once it has come."""
        self.heartbeats = 0
        """Empty text messages of a browser. They are not passed on: Bokeh's messages have none."""
        self.is_broken = False
        """Whether nothing can be told of what comes now."""

    def follow(self, data: bytes) -> bytes:
        """Return what is to be passed on: everything up to a close frame. Raises Broken, or TooLarge."""
        if self.close_frame:
            return b""
        data, self._held = self._held + data, b""
        at = self.left
        while at < len(data):
            try:
                kind, size = self._frame(data[at : at + 10])
            except Fault as fault:
                self.left, self.is_broken, fault.before = 0, True, data[:at]
                raise
            is_heartbeat = data[at : at + 2] == HEARTBEAT
            if size == 0 or ((kind == CLOSE or is_heartbeat) and at + size > len(data)):
                self.left, self._held = 0, data[at:]
                return data[:at]
            if is_heartbeat:
                self.heartbeats += 1
                data = data[:at] + data[at + size :]
                continue
            if kind == CLOSE:
                self.left, self.close_frame = 0, data[at : at + size]
                return data[:at]
            at += size
        self.left = at - len(data)
        return data

    def _frame(self, head: bytes) -> tuple[int, int]:
        """Return the kind of a frame and its bytes, 0 if that cannot be told yet."""
        if len(head) < 2:
            return 0, 0
        kind, is_last, length = head[0] & 15, bool(head[0] & 128), head[1] & 127
        if head[0] & 0x70 or kind not in KINDS or bool(head[1] & 128) != self._is_masked:
            raise Broken
        if kind >= CLOSE and (length > 125 or not is_last or (kind == CLOSE and length == 1)):
            raise Broken
        if kind < CLOSE and (kind == 0) != (self._message is not None):
            raise Broken
        more = SIZES.get(length, 0)
        if len(head) < 2 + more:
            return kind, 0
        if more:
            length = int.from_bytes(head[2 : 2 + more], "big")
        if kind < CLOSE:
            size = (self._message or 0) + length
            if size > self._max_message:
                raise TooLarge
            self._message = None if is_last else size
        return kind, 2 + more + 4 * self._is_masked + length

    @property
    def is_between_messages(self) -> bool:
        return self.left == 0 and self._message is None

    @property
    def goodbye(self) -> tuple[int, str]:
        """The code and the reason in the close frame; 1005 if it has none."""
        payload = self.close_frame[2:]
        if self._is_masked:
            mask, payload = payload[:4], payload[4:]
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        if len(payload) < 2:
            return 1005, ""
        return struct.unpack("!H", payload[:2])[0], payload[2:].decode(errors="replace")


def is_legal(code: int) -> bool:
    """Whether an endpoint may send this close code."""
    return code in {1000, 1001, 1002, 1003} or 1007 <= code <= 1014 or 3000 <= code <= 4999

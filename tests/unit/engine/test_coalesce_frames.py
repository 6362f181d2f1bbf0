"""The frames of a message of the Bokeh server in as few writes as possible."""

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

from quart_app.engine.patches.websocket import MAX_COALESCED, send_coalesced


class Socket:
    """A websocket that records what is written: frames, and large fragments that Tornado frames."""

    def __init__(self) -> None:
        self.write_lock = Lock()
        self.is_closed = False
        self.written: list[bytes] = []
        self.ws_connection = SimpleNamespace(is_closing=lambda: self.is_closed, stream=self)

    async def write(self, frames: bytes) -> None:
        await asyncio.sleep(0)
        self.written.append(frames)

    async def write_message(self, data: str | bytes, binary: bool = False, locked: bool = False) -> None:
        if self.is_closed:
            raise WebSocketClosedError
        assert self.write_lock._block._value == 0, "held by the message"
        assert not locked
        text = data if isinstance(data, str) else "" if binary else data.decode()
        self.written.append(
            Connection(ConnectionType.SERVER).send(BytesMessage(data) if binary else TextMessage(text))
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
def test_a_small_message_is_one_write(size):
    socket, made = Socket(), message(b"x" * size, b"y", text="é")
    asyncio.run(send_coalesced(made, socket))
    assert len(socket.written) == 1
    assert socket.parts() == expected(made)


@pytest.mark.parametrize("size", [MAX_COALESCED - 1, MAX_COALESCED, MAX_COALESCED + 1, 10 * MAX_COALESCED])
def test_a_large_message_arrives_unchanged(size):
    socket, made = Socket(), message(b"a", b"x" * size, b"b", text="é" * size)
    asyncio.run(send_coalesced(made, socket))
    assert socket.parts() == expected(made)


def test_a_write_of_small_frames_has_a_limit():
    socket, made = Socket(), message(*(b"x" * 10_000 for _ in range(50)))
    asyncio.run(send_coalesced(made, socket))
    assert max(map(len, socket.written)) < 2 * MAX_COALESCED
    assert socket.parts() == expected(made)


def test_messages_sent_at_the_same_time_do_not_mix():
    socket, several = (
        Socket(),
        [message(b"x" * size, b"y") for size in (10, 2 * MAX_COALESCED, 20, MAX_COALESCED, 30)],
    )

    async def send_all() -> None:
        await asyncio.gather(*(send_coalesced(made, socket) for made in several))

    asyncio.run(send_all())
    assert socket.parts() == [part for made in several for part in expected(made)]


def test_a_message_for_a_closed_websocket_is_dropped():
    socket = Socket()
    socket.is_closed = True
    asyncio.run(send_coalesced(message(b"x" * MAX_COALESCED * 2), socket))
    assert socket.written == []


def test_bokeh_itself_writes_each_frame_alone():
    socket, made = Socket(), message(b"x", b"y")
    asyncio.run(made.send(socket))
    assert len(socket.written) == len(expected(made)) == 7

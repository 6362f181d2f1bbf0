from __future__ import annotations

import random

import pytest
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from quart_app.relay.frames import Broken, Frames, TooLarge, is_legal

BROWSER, SERVER = ConnectionType.CLIENT, ConnectionType.SERVER


def said_by(side: ConnectionType) -> bytes:
    """Return frames of every kind and of every size of length, as another library makes them."""
    connection = Connection(side)
    events = [TextMessage("ü" * size) for size in (1, 62, 63, 40_000)]
    events += [BytesMessage(bytes(size)) for size in (0, 125, 126, 65_535, 65_536)]
    events += [Ping(b"?"), BytesMessage(b"begun", message_finished=False), Ping(), BytesMessage(b"done")]
    return b"".join(connection.send(event) for event in events)


@pytest.mark.parametrize("side", [BROWSER, SERVER])
@pytest.mark.parametrize("seed", range(20))
def test_frames_are_passed_on_as_they_came_however_they_are_cut(side, seed):
    frames = Frames(masked=side is BROWSER, max_message=80_000)
    said, passed, cut = said_by(side), b"", random.Random(seed)
    data = said
    while data:
        size = cut.choice((1, 2, 3, 9, 1000, 100_000))
        passed, data = passed + frames.follow(data[:size]), data[size:]
    assert passed == said
    assert frames.left == 0


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_heartbeats_of_a_browser_are_counted_and_not_passed_on(size):
    frames = Frames(masked=True, max_message=100)
    connection = Connection(BROWSER)
    before, after = connection.send(TextMessage("before")), connection.send(BytesMessage(b""))
    heartbeats = [connection.send(TextMessage("")) for _ in range(3)]
    data, passed = heartbeats[0] + before + heartbeats[1] + heartbeats[2] + after, b""
    while data:
        passed, data = passed + frames.follow(data[:size]), data[size:]
    assert passed == before + after
    assert frames.heartbeats == 3
    assert frames.is_between_messages


def test_an_empty_text_message_of_a_server_is_passed_on():
    frames = Frames(masked=False, max_message=100)
    assert frames.follow(b"\x81\x00") == b"\x81\x00"
    assert frames.heartbeats == 0


@pytest.mark.parametrize("side", [BROWSER, SERVER])
@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("code", "reason"), [(4410, "gone: ä"), (1000, None), (1012, "x" * 123)])
def test_a_goodbye_and_what_comes_after_it_is_not_passed_on(side, size, code, reason):
    frames = Frames(masked=side is BROWSER, max_message=100)
    connection = Connection(side)
    before = connection.send(TextMessage("before"))
    data, passed = before + connection.send(CloseConnection(code, reason)) + b"more", b""
    while data:
        passed, data = passed + frames.follow(data[:size]), data[size:]
    assert passed == before
    assert frames.goodbye == (code, reason or "")


def test_a_goodbye_without_a_code_is_1005():
    frames = Frames(masked=False, max_message=100)
    assert frames.follow(b"\x88\x00") == b""
    assert frames.goodbye == (1005, "")


@pytest.mark.parametrize("parts", [(101,), (60, 41), (0, 101)])
def test_a_message_above_the_limit_is_too_large_also_in_parts(parts):
    frames = Frames(masked=False, max_message=100)
    connection = Connection(SERVER)
    frames.follow(connection.send(BytesMessage(bytes(100))))
    *firsts, last = parts
    for size in firsts:
        frames.follow(connection.send(BytesMessage(bytes(size), message_finished=False)))
    with pytest.raises(TooLarge):
        frames.follow(connection.send(BytesMessage(bytes(last))))


def test_what_came_before_a_fault_is_passed_on_up_to_the_end_of_its_frame():
    frames = Frames(masked=False, max_message=100)
    connection = Connection(SERVER)
    good = connection.send(TextMessage("x" * 90))
    assert frames.follow(good[:50]) == good[:50]
    with pytest.raises(TooLarge) as fault:
        frames.follow(good[50:] + connection.send(TextMessage("x" * 101)))
    assert fault.value.before == good[50:]
    assert frames.left == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x03abc",  # not masked
        b"\xc1\x80abcd",  # compressed
        b"\x83\x80abcd",  # of no kind
        b"\x80\x80abcd",  # goes on with nothing
        b"\x01\x80abcd\x81\x80abcd",  # begins before the end
        b"\x89\xfe\x00\x80abcd",  # a large ping
        b"\x09\x80abcd",  # a ping in parts
        b"\x88\x81abcdx",  # half a close code
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_frame_of_a_browser_is_broken(data):
    with pytest.raises(Broken):
        Frames(masked=True, max_message=2**20).follow(data)


@pytest.mark.parametrize(
    ("code", "legal"),
    [(1000, True), (1005, False), (1006, False), (1012, True), (4410, True), (10000, False)],
)
def test_a_legal_code_is_one_that_an_endpoint_may_send(code, legal):
    assert is_legal(code) is legal

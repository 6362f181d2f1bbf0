from __future__ import annotations

import random

import pytest
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from quart_app.protocol.close_codes import may_be_sent
from quart_app.relay.frames import (
    CloseReason,
    FrameParser,
    MessageTooLarge,
    ProtocolViolation,
)

BROWSER, SERVER = ConnectionType.CLIENT, ConnectionType.SERVER


def frames_of(side: ConnectionType) -> bytes:
    """Return frames of every opcode and every size of length field, made by wsproto."""
    connection = Connection(side)
    events = [TextMessage("ü" * size) for size in (1, 62, 63, 40_000)]
    events += [BytesMessage(bytes(size)) for size in (0, 125, 126, 65_535, 65_536)]
    events += [Ping(b"?"), BytesMessage(b"begun", message_finished=False), Ping(), BytesMessage(b"done")]
    return b"".join(connection.send(event) for event in events)


@pytest.mark.parametrize("side", [BROWSER, SERVER])
@pytest.mark.parametrize("seed", range(20))
def test_frames_are_forwarded_unchanged_however_they_are_cut(side, seed):
    frames = FrameParser(masked=side is BROWSER, max_message=80_000)
    sent, passed, cut = frames_of(side), b"", random.Random(seed)
    data = sent
    while data:
        size = cut.choice((1, 2, 3, 9, 1000, 100_000))
        passed, data = passed + frames.feed(data[:size]), data[size:]
    assert passed == sent
    assert frames.remaining == 0


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_heartbeats_of_a_browser_are_counted_and_not_forwarded(size):
    frames = FrameParser(masked=True, max_message=100)
    connection = Connection(BROWSER)
    before, after = connection.send(TextMessage("before")), connection.send(BytesMessage(b""))
    heartbeats = [connection.send(TextMessage("")) for _ in range(3)]
    data, passed = heartbeats[0] + before + heartbeats[1] + heartbeats[2] + after, b""
    while data:
        passed, data = passed + frames.feed(data[:size]), data[size:]
    assert passed == before + after
    assert frames.heartbeats == 3
    assert frames.is_between_messages


def test_an_empty_text_message_of_a_server_is_forwarded():
    frames = FrameParser(masked=False, max_message=100)
    assert frames.feed(b"\x81\x00") == b"\x81\x00"
    assert frames.heartbeats == 0


def test_an_error_has_the_bytes_before_its_frame_without_heartbeats():
    frames = FrameParser(masked=True, max_message=100)
    connection = Connection(BROWSER)
    before, heartbeat = connection.send(TextMessage("before")), connection.send(TextMessage(""))
    with pytest.raises(ProtocolViolation) as error:
        frames.feed(before + heartbeat + before + b"\x83\x80abcd")
    assert error.value.valid == before + before


@pytest.mark.parametrize("side", [BROWSER, SERVER])
@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("code", "reason"), [(4410, "gone: ä"), (1000, None), (1012, "x" * 123)])
def test_a_close_frame_and_the_bytes_after_it_are_not_forwarded(side, size, code, reason):
    frames = FrameParser(masked=side is BROWSER, max_message=100)
    connection = Connection(side)
    before = connection.send(TextMessage("before"))
    data, passed = before + connection.send(CloseConnection(code, reason)) + b"more", b""
    while data:
        passed, data = passed + frames.feed(data[:size]), data[size:]
    assert passed == before
    assert frames.close_reason == CloseReason(code, reason or "")


def test_a_close_frame_without_a_code_is_1005():
    frames = FrameParser(masked=False, max_message=100)
    assert frames.feed(b"\x88\x00") == b""
    assert frames.close_reason == CloseReason(1005, "")


@pytest.mark.parametrize("parts", [(101,), (60, 41), (0, 101)])
def test_a_message_above_the_limit_is_too_large_also_in_several_frames(parts):
    frames = FrameParser(masked=False, max_message=100)
    connection = Connection(SERVER)
    frames.feed(connection.send(BytesMessage(bytes(100))))
    *firsts, last = parts
    for size in firsts:
        frames.feed(connection.send(BytesMessage(bytes(size), message_finished=False)))
    with pytest.raises(MessageTooLarge):
        frames.feed(connection.send(BytesMessage(bytes(last))))


def test_an_error_has_the_bytes_before_its_frame():
    frames = FrameParser(masked=False, max_message=100)
    connection = Connection(SERVER)
    good = connection.send(TextMessage("x" * 90))
    assert frames.feed(good[:50]) == good[:50]
    with pytest.raises(MessageTooLarge) as error:
        frames.feed(good[50:] + connection.send(TextMessage("x" * 101)))
    assert error.value.valid == good[50:]
    assert frames.remaining == 0
    assert frames.has_failed


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x03abc",  # not masked
        b"\xc1\x80abcd",  # compressed
        b"\x83\x80abcd",  # an unknown opcode
        b"\x80\x80abcd",  # continues no message
        b"\x01\x80abcd\x81\x80abcd",  # a message within a message
        b"\x89\xfe\x00\x80abcd",  # a large ping
        b"\x09\x80abcd",  # a fragmented ping
        b"\x88\x81abcdx",  # half a close code
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_bytes_that_are_no_frame_of_a_browser_violate_the_protocol(data):
    with pytest.raises(ProtocolViolation):
        FrameParser(masked=True, max_message=2**20).feed(data)


@pytest.mark.parametrize(
    ("code", "is_allowed"),
    [(1000, True), (1005, False), (1006, False), (1012, True), (4410, True), (10000, False)],
)
def test_codes_that_an_endpoint_may_send(code, is_allowed):
    assert may_be_sent(code) is is_allowed

"""Handshakes that are not the page's own: each differs from it in one thing, and is refused."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import WSMsgType
from bokeh.util.token import generate_jwt_token, generate_session_id
from harness import DEADLINE, Site, wait_until
from relaying import (
    PATH,
    SECRET,
    VISITOR,
    Attempt,
    Client,
    RelayedSite,
    altered,
    echo,
    run,
    ticket,
    web_process,
)

STRANGER = "w" * 43
SESSION = "the-session-of-the-page"


def answer_to(site: Site, attempt: Attempt) -> bytes:
    """Return the head of the answer."""
    with attempt.send(site.url) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n\r\n" not in answer and (more := connection.recv(2**16)):
                answer += more
        return answer


def status_of(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    return int(found[1]) if found else 0


def a_ticket(**changes: Any) -> Callable[[str], dict[str, Any]]:
    return lambda url: {"minted": ticket(**{"url": url, "session_id": SESSION, **changes})}


def a_text(make: Callable[[str], str]) -> Callable[[str], dict[str, Any]]:
    """Another text in the place of the ticket, made from a valid ticket."""
    return lambda url: {"minted": make(ticket(url, SESSION))}


def other(**changes: Any) -> Callable[[str], dict[str, Any]]:
    return lambda url: changes


SECRETS = {"k": b"a key of Bokeh's, of 32 bytes or so"}
ATTEMPTS: dict[str, tuple[int, Callable[[str], dict[str, Any]]]] = {
    # The visitor
    "no cookie": (403, other(cookie=None)),
    "logged out": (403, other(cookie="quart_bokeh_visitor=")),
    "another's cookie": (403, other(cookie=f"quart_bokeh_visitor={STRANGER}")),
    "a cookie of another name": (403, other(cookie=f"visitor={VISITOR}")),
    "a made-up cookie": (403, other(cookie="quart_bokeh_visitor=admin")),
    "another's ticket": (403, a_ticket(visitor=STRANGER)),
    # The origin
    "no Origin": (403, other(origin=None)),
    "an evil Origin": (403, other(origin="http://evil.example")),
    "an opaque Origin": (403, other(origin="null")),
    "another scheme": (403, other(origin="https://{host}")),
    "another port": (403, other(origin="http://127.0.0.1:1")),
    "our name in front": (403, other(origin="http://{host}.evil.example")),
    "our name as user": (403, other(origin="http://{host}@evil.example")),
    "two Origins": (403, other(more=["Origin: http://evil.example"])),
    "an evil Host": (403, other(host="evil.example")),
    "rebound DNS": (403, other(host="evil.example", origin="http://evil.example", cookie=None)),
    "forwarded host from a stranger": (
        403,
        other(origin="http://evil.example", more=["X-Forwarded-Host: evil.example"]),
    ),
    "forwarded scheme from a stranger": (
        403,
        other(origin="https://{host}", more=["X-Forwarded-Proto: https"]),
    ),
    # The ticket
    "signed with another key": (403, a_ticket(secret="x" * 32)),
    "expired": (410, a_ticket(session_expiry=1)),
    "altered": (403, a_text(altered)),
    "another signature": (403, a_text(lambda good: good[:-3] + "AAA")),
    "without signature": (403, a_text(lambda good: good.rpartition(".")[0])),
    "without body": (403, a_text(lambda good: "." + good.rpartition(".")[2])),
    "cut": (403, a_text(lambda good: good[:-1])),
    "another application's": (403, a_ticket(application="other")),
    "another server's": (403, a_ticket(server="server-2")),
    "of a server that is not in use any more": (410, a_ticket(url="http://127.0.0.1:9")),
    "of another generation": (410, a_ticket(generation="0123456789abcdef")),
    "a session id": (403, a_text(lambda good: SESSION)),
    "a signed session id": (403, a_text(lambda good: generate_session_id(SECRETS["k"], True))),
    "a Bokeh token": (403, a_text(lambda good: generate_jwt_token(SESSION, signed=False))),
    "a signed Bokeh token": (
        403,
        a_text(lambda good: generate_jwt_token(generate_session_id(SECRETS["k"], True), SECRETS["k"], True)),
    ),
    "the secret key itself as key": (
        403,
        a_text(lambda good: generate_jwt_token(SESSION, SECRET.encode(), signed=False) + ".x"),
    ),
    "no ticket": (403, other(protocol="bokeh")),
    "no subprotocol": (403, other(protocol=None)),
    "another subprotocol": (403, other(protocol="chat, {ticket}")),
    "three subprotocols": (403, other(protocol="bokeh, {ticket}, x")),
    "in the query": (403, other(protocol="bokeh", path=PATH + "?token={ticket}")),
    "in the wrong order": (403, other(protocol="{ticket}, bokeh")),
    # The path
    "another server": (403, other(path="/bokeh/server-2/app/ws")),
    "another application": (403, other(path="/bokeh/server-1/other/ws")),
    "encoded slash": (403, other(path="/bokeh/server-1%2fapp/ws")),
    "encoded letter": (403, other(path="/bokeh/server-1/%61pp/ws")),
    "encoded twice": (403, other(path="/bokeh/server-1/app%252fws")),
    "dots": (403, other(path="/bokeh/server-1/x/../app/ws")),
    "encoded dots": (403, other(path="/bokeh/%2e%2e/bokeh/server-1/app/ws")),
    "double slash": (403, other(path="/bokeh//server-1/app/ws")),
    "double slash in front": (403, other(path="//bokeh/server-1/app/ws")),
    "slash at the end": (403, other(path=PATH + "/")),
    "a line in the path": (403, other(path=PATH + "%0aRefused")),
    "a zero in the path": (403, other(path=PATH + "%00")),
    "a parameter in the path": (403, other(path=PATH + ";x=1")),
    "capital letters": (403, other(path="/bokeh/Server-1/app/ws")),
    "more path": (403, other(path="/bokeh/server-1/app/../../admin/ws")),
    "autoload": (403, other(path="/bokeh/server-1/app/autoload.js")),
    "metadata": (403, other(path="/bokeh/server-1/app/metadata")),
    "the server's root": (403, other(path="/bokeh/server-1/")),
}


def refusals(site: Site) -> int:
    return site.output().count("Refused a websocket")


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_handshake_is_refused_before_the_upgrade_with_one_log_line_and_no_secret(site, fake, name):
    status, change = ATTEMPTS[name]
    before, asked = refusals(site), len(fake.requests)
    lines = site.output().count("\n")
    attempt = Attempt(**{"minted": ticket(fake.url, SESSION), **change(fake.url)})
    answer = answer_to(site, attempt)
    assert status_of(answer) == status
    wait_until(lambda: refusals(site) == before + 1, "the refusal is in the log")
    assert site.output().count("\n") == lines + 1
    assert len(fake.requests) == asked
    log = site.output()
    for secret in (
        attempt.minted[:20],
        attempt.minted[-20:],
        VISITOR,
        STRANGER,
        SESSION,
        SECRET,
        "Traceback",
    ):
        assert not secret or secret not in log


NOT_OURS: dict[str, dict[str, Any]] = {
    "no Host": {"host": None},
    "two Hosts": {"more": ["Host: evil.example"]},
    "HTTP/1.0": {"version": "1.0"},
    "POST": {"method": "POST"},
    "an old websocket": {"websocket_version": "8"},
    "a whole URL": {"path": "http://evil.example" + PATH},
    "capital letters": {"path": "/BOKEH/server-1/app/ws"},
    "below another path": {"path": "/x" + PATH},
    "a space in a header's name": {"more": ["Host : evil.example"]},
    "a large head": {"more": ["X: " + "x" * 200_000]},
    "two lengths": {
        "more": ["Content-Length: 30", "Transfer-Encoding: chunked"],
        "body": b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    },
    "a zero in a header": {"more": ["X: \x00"]},
    "a header in a header": {"protocol": "bokeh, {ticket}\r\nOrigin: http://evil.example"},
}


@pytest.mark.parametrize("name", NOT_OURS)
def test_a_request_that_is_no_websocket_of_the_relay_is_a_4xx(site, fake, name):
    asked = len(fake.requests)
    attempt = Attempt(**{"minted": ticket(fake.url, SESSION), **NOT_OURS[name]})
    answer = answer_to(site, attempt)
    assert 400 <= status_of(answer) < 500
    assert len(fake.requests) == asked
    assert "Traceback" not in site.output()


@pytest.mark.parametrize(
    "frames",
    [
        b"\x81\x03abc",  # not masked
        b"\xc1\x80abcd",  # compressed, which was not negotiated
        b"\x83\x80abcd",  # an unknown opcode
        b"\x80\x80abcd",  # continues no message
        b"\x89\xfe\x00\x80abcd" + bytes(128),  # a large ping
        b"\x81\x82\x00\x00\x00\x00\xff\xff",  # text that is not UTF-8
        b"\x88\x81abcdx",  # half a close code
        b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffabcd",  # endless
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_malformed_frames_end_the_connection_and_no_message_reaches_the_server(site, fake, frames):
    received = []

    async def listen(websocket) -> None:
        async for message in websocket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                received.append(message)

    fake.behaviour = listen
    with Attempt(ticket(fake.url, SESSION)).send(site.url) as connection:
        assert status_of(connection.recv(2**16)) == 101
        connection.sendall(frames)
        with contextlib.suppress(ConnectionError):
            while connection.recv(2**16):
                pass
    wait_until(lambda: fake.open == 0, "the server's websocket is closed too")
    assert received == []
    assert "Traceback" not in site.output()


def test_an_endless_message_is_not_buffered(site, fake):
    """The browser goes on sending a message after the close frame with 1009."""
    worker = web_process(site)
    before = worker.memory_info().rss
    with Attempt(ticket(fake.url, SESSION)).send(site.url) as connection:
        assert status_of(connection.recv(2**16)) == 101
        connection.sendall(b"\x82\xff" + (2**40).to_bytes(8, "big") + b"abcd")
        with pytest.raises(ConnectionError):  # noqa: PT012, one of many writes fails
            for _ in range(2000):
                connection.sendall(bytes(1_000_000))
    assert worker.memory_info().rss - before < 150e6
    wait_until(lambda: fake.open == 0, "the server's websocket is closed too")


def test_too_many_websockets_of_a_visitor_and_too_many_refusals_of_an_address_are_429(fake):
    with RelayedSite(BOKEH_SERVERS=fake.url, BOKEH_MAX_CONNECTS="5") as site:

        async def main() -> None:
            async with Client(site.url) as client, Client(site.url, STRANGER) as stranger:
                statuses = [await client.status_of(ticket(fake.url)) for _ in range(7)]
                assert statuses == [101] * 5 + [429] * 2
                assert [await client.status_of("guess") for _ in range(7)] == [403] * 5 + [429] * 2
                assert await stranger.status_of(ticket(fake.url, visitor=STRANGER)) == 101

        run(main())


def test_a_stranger_with_the_ticket_does_not_replace_the_page_s_websocket(site, fake):
    fake.behaviour = echo

    async def main() -> None:
        async with Client(site.url) as client, Client(site.url, STRANGER) as stranger:
            websocket = await client.attach(ticket(fake.url, SESSION))
            assert await stranger.status_of(ticket(fake.url, SESSION)) == 403
            await websocket.send_str("still here")
            assert (await websocket.receive(DEADLINE)).data == "still here"
            await websocket.close()

    run(main())


def test_no_other_url_of_a_server_is_relayed(site, fake):
    asked = len(fake.requests)
    for path in ("ws", "autoload.js", "metadata", "", "static/js/bokeh.min.js"):
        assert site.get(f"/bokeh/server-1/app/{path}").status_code == 404
    assert len(fake.requests) == asked

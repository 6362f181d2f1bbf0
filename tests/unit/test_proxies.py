from __future__ import annotations

import pytest

from quart_app.asgi.proxies import forwarded, parse_peers
from quart_app.relay.visitor import foreign_origin, visitor_of

PEERS = parse_peers("10.0.0.0/8, 127.0.0.1, ::1")


def scope(client: str | None = "10.0.0.1", type: str = "http", **headers: str):
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": type,
        "scheme": "http" if type == "http" else "ws",
        "client": (client, 1234) if client else None,
        "root_path": "",
        "path": "/page",
        "raw_path": b"/page",
        "headers": [(b"host", b"inner:8000"), *pairs],
    }


def test_a_trusted_proxy_tells_scheme_host_client_and_prefix():
    told = forwarded(
        scope(
            x_forwarded_for="192.0.2.7",
            x_forwarded_proto="https",
            x_forwarded_host="site.example",
            x_forwarded_prefix="/plots/",
        ),
        PEERS,
    )
    assert told["scheme"] == "https"
    assert [value for name, value in told["headers"] if name == b"host"] == [b"site.example"]
    assert told["client"][0] == "192.0.2.7"
    assert (told["root_path"], told["path"], told["raw_path"]) == ("/plots", "/plots/page", b"/plots/page")


def test_a_websocket_behind_tls_is_wss():
    told = forwarded(scope(type="websocket", x_forwarded_proto="https"), PEERS)
    assert told["scheme"] == "wss"


@pytest.mark.parametrize("peer", ["192.0.2.1", "11.0.0.1", "::2", "nonsense", None])
def test_nobody_else_is_believed(peer):
    asked = scope(peer, x_forwarded_for="1.1.1.1", x_forwarded_proto="https", x_forwarded_host="evil.example")
    assert forwarded(asked, PEERS) is asked


def test_a_unix_socket_and_a_mapped_address_can_be_trusted():
    assert forwarded(scope(None, x_forwarded_proto="https"), parse_peers("unix"))["scheme"] == "https"
    assert forwarded(scope("::ffff:10.1.2.3", x_forwarded_proto="https"), PEERS)["scheme"] == "https"


def test_what_stands_before_the_trusted_proxies_is_not_believed():
    told = forwarded(
        scope(
            x_forwarded_for="6.6.6.6, 192.0.2.7, 10.0.0.2",
            x_forwarded_host="evil.example, site.example, inner.example",
            x_forwarded_proto="http, https",
        ),
        PEERS,
    )
    assert told["client"][0] == "192.0.2.7"
    assert (b"host", b"site.example") in told["headers"]
    assert told["scheme"] == "http"


def test_the_original_scope_is_left_as_it_was():
    asked = scope(x_forwarded_host="site.example")
    forwarded(asked, PEERS)
    assert asked["headers"][0] == (b"host", b"inner:8000")


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example", "10.0.0"])
def test_a_peer_is_an_address_or_a_network(text):
    with pytest.raises(ValueError, match=text):
        parse_peers(text)


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "own"),
    [
        ("ws", "h:8000", ["http://h:8000"], True),
        ("ws", "h:80", ["http://h"], True),
        ("wss", "h:443", ["https://h"], True),
        ("wss", "H.example", ["https://h.example"], True),
        ("ws", "[::1]:8000", ["http://[::1]:8000"], True),
        ("ws", "h:8000", [], False),
        ("ws", "h:8000", ["null"], False),
        ("ws", "h:8000", ["http://h"], False),
        ("ws", "h", ["https://h"], False),
        ("wss", "h", ["http://h"], False),
        ("ws", "h", ["http://h.evil.example"], False),
        ("ws", "h", ["http://h/"], False),
        ("ws", "h", ["http://h", "http://h"], False),
        ("ws", "", ["http://"], False),
    ],
)
def test_only_the_exact_origin_of_the_page_is_its_own(scheme, host, origin, own):
    headers = [(b"host", host.encode()), *((b"Origin", value.encode()) for value in origin)]
    assert (foreign_origin({"scheme": scheme, "headers": headers}) == "") is own


def test_a_visitor_is_only_what_we_could_have_made():
    good = "a" * 43
    assert visitor_of([(b"cookie", f"x=1; quart_bokeh_visitor={good}; y=2".encode())]) == good
    for bad in ("", "a" * 42, "a" * 44, "a" * 42 + "é", "a" * 42 + ".", f'"{good}"'):
        assert visitor_of([(b"cookie", f"quart_bokeh_visitor={bad}".encode())]) is None
    assert visitor_of([(b"cookie", f"xquart_bokeh_visitor={good}".encode())]) is None

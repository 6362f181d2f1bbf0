from __future__ import annotations

import asyncio
import logging

import pytest

from quart_app.asgi.proxies import TrustedProxies, forwarded, parse_peers
from quart_app.relay.visitor import origin_error, visitor_of

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


def test_a_trusted_proxy_sets_scheme_host_client_and_prefix():
    new = forwarded(
        scope(
            x_forwarded_for="192.0.2.7",
            x_forwarded_proto="https",
            x_forwarded_host="site.example",
            x_forwarded_prefix="/plots/",
        ),
        PEERS,
    )
    assert new["scheme"] == "https"
    assert [value for name, value in new["headers"] if name == b"host"] == [b"site.example"]
    assert new["client"][0] == "192.0.2.7"
    assert (new["root_path"], new["path"], new["raw_path"]) == ("/plots", "/plots/page", b"/plots/page")


@pytest.mark.parametrize("prefix", ["/user/ann@example.org", "/~ann/x:1"])
def test_the_raw_path_has_the_prefix_unchanged(prefix):  # the relay refuses what is percent-encoded
    assert forwarded(scope(x_forwarded_prefix=prefix), PEERS)["raw_path"] == f"{prefix}/page".encode()


def test_a_websocket_behind_tls_is_wss():
    new = forwarded(scope(type="websocket", x_forwarded_proto="https"), PEERS)
    assert new["scheme"] == "wss"


@pytest.mark.parametrize("peer", ["192.0.2.1", "11.0.0.1", "::2", "nonsense", None])
def test_headers_of_other_peers_are_ignored(peer):
    asked = scope(peer, x_forwarded_for="1.1.1.1", x_forwarded_proto="https", x_forwarded_host="evil.example")
    assert forwarded(asked, PEERS) is asked


def test_a_unix_socket_and_a_mapped_address_can_be_trusted():
    assert forwarded(scope(None, x_forwarded_proto="https"), parse_peers("unix"))["scheme"] == "https"
    assert forwarded(scope("::ffff:10.1.2.3", x_forwarded_proto="https"), PEERS)["scheme"] == "https"


def test_values_from_before_the_trusted_proxies_are_ignored():
    new = forwarded(
        scope(
            x_forwarded_for="6.6.6.6, 192.0.2.7, 10.0.0.2",
            x_forwarded_host="evil.example, site.example, inner.example",
            x_forwarded_proto="http, https",
        ),
        PEERS,
    )
    assert new["client"][0] == "192.0.2.7"
    assert (b"host", b"site.example") in new["headers"]
    assert new["scheme"] == "http"


def test_the_original_scope_is_not_changed():
    asked = scope(x_forwarded_host="site.example")
    forwarded(asked, PEERS)
    assert asked["headers"][0] == (b"host", b"inner:8000")


@pytest.mark.parametrize("prefix", ["/a", "/a/", "/a/b.c/~d", "/.well-known/x", "/a..b", "/@user:1/_-"])
def test_a_prefix_that_is_a_plain_path_is_used(prefix):
    assert forwarded(scope(x_forwarded_prefix=prefix), PEERS)["root_path"] == prefix.rstrip("/")


BAD_PREFIXES = [
    *("//evil.example", "/\\evil.example", "\\\\evil", "https://evil", "evil", "/a//b", "/a//", "/a\\b"),
    *("/..", "/a/../b", "/a/./b", "/.", "/%2e%2e", "/%2fevil", "/a?b", "/a#b", "/a b", "/a\tb", "/a\x00b"),
]


@pytest.mark.parametrize("prefix", BAD_PREFIXES)
def test_a_prefix_that_is_no_plain_path_is_ignored(prefix):
    new = forwarded(scope(x_forwarded_prefix=prefix, x_forwarded_proto="https"), PEERS)
    assert (new["root_path"], new["path"], new["raw_path"]) == ("", "/page", b"/page")
    assert new["scheme"] == "https"


def test_an_ignored_prefix_is_in_the_log_once(caplog):
    async def app(scope: object, receive: object, send: object) -> None:
        pass

    proxies = TrustedProxies(app)
    proxies.peers = PEERS
    with caplog.at_level(logging.WARNING):
        for prefix in BAD_PREFIXES:
            asyncio.run(proxies(scope(x_forwarded_prefix=prefix), None, None))
    assert [record.message for record in caplog.records] == [
        "Ignored the X-Forwarded-Prefix '//evil.example' from a trusted proxy: it is not a plain path"
    ]


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
def test_only_the_exact_origin_of_the_site_is_accepted(scheme, host, origin, own):
    headers = [(b"host", host.encode()), *((b"Origin", value.encode()) for value in origin)]
    assert (origin_error({"scheme": scheme, "headers": headers}) == "") is own


def test_a_visitor_s_cookie_must_be_well_formed():
    good = "a" * 43
    assert visitor_of([(b"cookie", f"x=1; quart_bokeh_visitor={good}; y=2".encode())]) == good
    for bad in ("", "a" * 42, "a" * 44, "a" * 42 + "é", "a" * 42 + ".", f'"{good}"'):
        assert visitor_of([(b"cookie", f"quart_bokeh_visitor={bad}".encode())]) is None
    assert visitor_of([(b"cookie", f"xquart_bokeh_visitor={good}".encode())]) is None

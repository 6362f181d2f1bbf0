"""The X-Forwarded-… headers of reverse proxies, for peers in BOKEH_TRUSTED_PROXIES.

Hypercorn's ProxyFixMiddleware counts hops and does not check the peer's address, has no path prefix, and sets
the scheme of websockets to ``https``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Protocol

log = logging.getLogger(__name__)

Network = IPv4Network | IPv6Network
UNIX = "unix"
"""Stands for clients of a Unix socket, which have no address."""
PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")
"""A path that stays on this host in every URL: no ``//``, ``..``, ``\\``, ``?``, ``#`` or percent sign."""
Headers = Iterable[tuple[bytes, bytes]]


class ASGI(Protocol):
    async def __call__(self, scope: Any, receive: Any, send: Any, /) -> None: ...


class TrustedProxies:
    """ASGI middleware that sets scheme, host, client and path prefix of a request as a proxy reports them.

    ``peers``: the proxies that are trusted; none by default.
    """

    def __init__(self, app: ASGI) -> None:
        self.app = app
        self.peers: tuple[Network | str, ...] = ()
        self._has_warned = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.peers and scope["type"] in ("http", "websocket"):
            scope = forwarded(scope, self.peers, self._warn)
        await self.app(scope, receive, send)

    def _warn(self, prefix: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "Ignored the X-Forwarded-Prefix %a from a trusted proxy: it is not a plain path",
                prefix[:100],
            )


def parse_peers(text: str) -> tuple[Network | str, ...]:
    """Read comma-separated addresses, networks, and ``unix``. Raises ValueError for anything else."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    return tuple(UNIX if word.lower() == UNIX else ip_network(word, strict=False) for word in words)


def forwarded(
    scope: Mapping[str, Any],
    peers: Sequence[Network | str],
    on_bad_prefix: Callable[[str], object] = lambda prefix: None,
) -> Mapping[str, Any]:
    """Return the scope of the browser's request, or the same scope if the peer is not trusted.

    on_bad_prefix: called with a path prefix that is not used, because it is not a plain path.
    """
    client = scope.get("client")
    if not is_trusted(client[0] if client else UNIX, peers):
        return scope
    new = dict(scope)
    chain = _values(scope["headers"], b"x-forwarded-for")
    hops = 1
    while chain and hops < len(chain) and is_trusted(chain[-hops], peers):
        hops += 1
    if chain:
        new["client"] = (chain[-hops], 0)
    if proto := _value(scope["headers"], b"x-forwarded-proto", hops):
        is_secure = proto.lower() in ("https", "wss")
        schemes = ("wss", "ws") if scope["type"] == "websocket" else ("https", "http")
        new["scheme"] = schemes[0] if is_secure else schemes[1]
    if host := _value(scope["headers"], b"x-forwarded-host", hops):
        others = [(name, value) for name, value in scope["headers"] if name.lower() != b"host"]
        new["headers"] = [(b"host", host.encode("latin-1")), *others]
    prefix = _value(scope["headers"], b"x-forwarded-prefix", hops).removesuffix("/")
    if prefix and not PREFIX.fullmatch(prefix):
        on_bad_prefix(prefix)
    elif prefix:
        # The proxy has removed the prefix from the path; in ASGI the path includes it.
        new["root_path"] = prefix + scope.get("root_path", "")
        new["path"] = prefix + scope["path"]
        if scope.get("raw_path") is not None:
            new["raw_path"] = prefix.encode() + scope["raw_path"]  # PREFIX is ASCII without %
    return new


def is_trusted(peer: str, peers: Sequence[Network | str]) -> bool:
    """Whether the address, or ``unix``, is among the peers."""
    if peer == UNIX:
        return UNIX in peers
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(not isinstance(network, str) and address in network for network in peers)


def _values(headers: Headers, name: bytes) -> list[str]:
    """Return the values of all headers of this name, in order, split at commas."""
    found = [value.decode("latin-1") for key, value in headers if key.lower() == name]
    return [word.strip() for word in ",".join(found).split(",") if word.strip()]


def _value(headers: Headers, name: bytes, hops: int) -> str:
    """Return the value of the outermost trusted proxy: those before it may be forged."""
    values = _values(headers, name)
    return values[-min(hops, len(values))] if values else ""

"""Placement: which servers can make a new session, and in what order to try them."""

from __future__ import annotations

from collections.abc import Iterable

from quart_app.fleet.server import Server


def placement_order(servers: Iterable[Server], path: str, now: float) -> list[Server]:
    """Return the running servers that have loaded an application, in the order in which to try them.

    The least recently used server comes first, and servers in cool-down come last.

    path: the path of the application, as in ``Server.load_errors``; empty if it is not known.
    now: the time, as ``time.monotonic()`` counts, in seconds.
    """
    able = (server for server in servers if server.is_running and path not in server.load_errors)
    return sorted(able, key=lambda server: (now < server.cooldown_until, server.used_at))

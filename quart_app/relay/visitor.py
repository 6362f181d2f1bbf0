"""Who sends a request: the visitor's cookie, to which tickets are bound, and the origin of the page."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from quart import Response, g, request

COOKIE = "quart_bokeh_visitor"
VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


def new_visitor() -> str:
    """Return a random value for the cookie of a browser that has none."""
    return secrets.token_urlsafe(32)


def visitor_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the value of the visitor's cookie in a request's headers; None without a well-formed one."""
    for name, value in headers:
        if name.lower() == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, _, text = pair.strip().partition("=")
                if key == COOKIE and VALUE.fullmatch(text):
                    return text
    return None


def current_visitor() -> str:
    """Return the visitor of the current request. A new one gets the cookie with the response."""
    known: str | None = g.get("quart_bokeh_visitor") or visitor_of(request.scope["headers"])
    if known is None:
        known = g.quart_bokeh_visitor = new_visitor()
    return known


def set_visitor_cookie(response: Response, *, in_frames: bool) -> Response:
    """Set the cookie of a visitor that ``current_visitor`` has made for this request.

    in_frames: whether pages of other sites show ours in frames. Browsers send such cookies over https only.
    """
    if new := g.get("quart_bokeh_visitor"):
        response.set_cookie(
            COOKIE,
            new,
            path=request.root_path or "/",
            httponly=True,
            secure=request.is_secure,
            samesite="None" if in_frames and request.is_secure else "Lax",
            partitioned=in_frames and request.is_secure,
        )
    return response


def origin_error(scope: Mapping[str, Any]) -> str:
    """Return why a request's Origin is not this site; empty if it is."""
    found: dict[bytes, list[str]] = {b"origin": [], b"host": []}
    for name, value in scope["headers"]:
        if name.lower() in found:
            found[name.lower()].append(value.decode("latin-1").lower())
    if len(found[b"origin"]) != 1 or len(found[b"host"]) != 1:
        return "the request must have one Origin and one Host header"
    scheme, port = ("https", ":443") if scope.get("scheme") in ("wss", "https") else ("http", ":80")
    origin, host = found[b"origin"][0], found[b"host"][0].removesuffix(port)
    if host and origin == f"{scheme}://{host}":
        return ""
    if host and origin == f"https://{host}":
        return "the Origin is https and the site is http: add the proxy in front to BOKEH_TRUSTED_PROXIES"
    return f"the Origin {origin[:100]!a} is not this site, {f'{scheme}://{host}'[:100]!a}"

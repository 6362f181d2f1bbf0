"""Who is asking: the visitor's cookie, to which tickets are bound, and the origin of the asking page."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from quart import Response, g, request

COOKIE = "quart_bokeh_visitor"
VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


def new_visitor() -> str:
    """Return a value for the cookie of a browser that has none."""
    return secrets.token_urlsafe(32)


def visitor_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the visitor that a request's headers name, or None if there is none that we could have made."""
    for name, value in headers:
        if name.lower() == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, _, text = pair.strip().partition("=")
                if key == COOKIE and VALUE.fullmatch(text):
                    return text
    return None


def current_visitor() -> str:
    """Return the visitor of the current request; one without a cookie gets it with the response."""
    known: str | None = g.get("quart_bokeh_visitor") or visitor_of(request.scope["headers"])
    if known is None:
        known = g.quart_bokeh_visitor = new_visitor()
    return known


def give_cookie(response: Response, *, in_frames: bool) -> Response:
    """Set the cookie of a visitor that ``current_visitor`` had to make.

    in_frames: whether it is for frames in pages of other sites too; browsers take that over https only.
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


def foreign_origin(scope: Mapping[str, Any]) -> str:
    """Return what is wrong with a websocket's Origin; empty if it is the one of the site's own pages."""
    found: dict[bytes, list[str]] = {b"origin": [], b"host": []}
    for name, value in scope["headers"]:
        if name.lower() in found:
            found[name.lower()].append(value.decode("latin-1").lower())
    if len(found[b"origin"]) != 1 or len(found[b"host"]) != 1:
        return "it has no Origin, or more than one"
    scheme, port = ("https", ":443") if scope.get("scheme") in ("wss", "https") else ("http", ":80")
    theirs, own = found[b"origin"][0], found[b"host"][0].removesuffix(port)
    if own and theirs == f"{scheme}://{own}":
        return ""
    if own and theirs == f"https://{own}":
        return "its Origin is https, the site is http: is the proxy in front one of BOKEH_TRUSTED_PROXIES?"
    return "its Origin is not this site"

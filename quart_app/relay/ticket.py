"""What a browser must show to attach to a session: made for a page, checked at the relay.

A ticket is text of the shape ``body.signature``. The body is base64url JSON, in which our loader reads
``session_expiry`` and ``generation``; to a Bokeh server it means nothing. The signature covers the body and
the value of the visitor's cookie, which scripts cannot read: a ticket that has been copied out of a page is
worth nothing in another browser.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

LIFETIME = 12 * 3600
"""Seconds for which a page may come back to its session with the ticket it was given."""
PURPOSE = b"quart-bokeh tickets"


class TicketRefused(Exception):
    """A ticket is not good here; ``status`` is the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Ticket:
    """The right of one visitor to attach to one session."""

    session_id: str
    application: str
    server: str
    """Name of the Bokeh server that has the session."""
    url: str
    """Its address, for web processes that share the key but not the server."""
    generation: str
    """Which start of that server; empty for servers that others run."""
    session_expiry: int
    """Until when it is good: Unix time, in seconds."""
    renewable: bool = False
    """Whether the visitor may have a new session without the page: its route has passed nothing to it."""


def ticket_keys(secrets: Sequence[bytes]) -> tuple[bytes, ...]:
    """Derive the keys of tickets from the site's secret keys: the first signs, all are accepted."""
    return tuple(hmac.digest(secret, PURPOSE, "sha256") for secret in secrets)


def mint(ticket: Ticket, visitor: str, keys: Sequence[bytes]) -> str:
    """Sign a ticket for the visitor, with the first key."""
    body = _encode(json.dumps(asdict(ticket), separators=(",", ":")).encode())
    return f"{body}.{_signature(body, visitor, keys[0])}"


def verify(text: str, visitor: str, keys: Sequence[bytes], now: float) -> Ticket:
    """Return what the ticket says, if one of the keys has signed it for this visitor.

    now: Unix time, in seconds.

    Raises TicketRefused: 403 for what was not minted for this visitor, 410 for what is too old.
    """
    body, _, signature = text.partition(".")
    given = signature.encode(errors="replace")
    # No short cut between the keys, so that time tells nothing.
    good = [hmac.compare_digest(_signature(body, visitor, key).encode(), given) for key in keys]
    if not any(good):
        raise TicketRefused(403, "the ticket is not this visitor's")
    ticket = Ticket(**json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    if now >= ticket.session_expiry:
        raise TicketRefused(410, "the ticket has expired")
    return ticket


def _signature(body: str, visitor: str, key: bytes) -> str:
    # A full stop is in neither of the two: no other pair of them gives the same text.
    return _encode(hmac.digest(key, f"{visitor}.{body}".encode(errors="replace"), "sha256"))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

"""Tickets: the signed right of one visitor's browser to attach to one session.

A page carries its ticket, and the relay checks it. The signature is bound to the value of the visitor's
cookie, which scripts cannot read: a ticket copied out of a page is not valid in another browser.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from itsdangerous import BadData, URLSafeSerializer

LIFETIME = 12 * 3600
"""Seconds for which a page can attach to its session with its ticket."""
SALT = "quart-bokeh ticket"


class TicketRefused(Exception):
    """A ticket is not valid. ``status``: the HTTP status to answer with."""

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
    """Identifies the server process; empty for the servers of BOKEH_SERVERS."""
    session_expiry: int
    """When the ticket expires: Unix time, in seconds."""
    renewable: bool = False
    """Whether the visitor may get a new session without the page: its route has passed nothing to it."""


FIELDS = [field.name for field in fields(Ticket)]


def mint(ticket: Ticket, visitor: str, secret_keys: Sequence[bytes]) -> str:
    """Sign a ticket for the visitor with the first key. The text is a valid websocket subprotocol."""
    return _serializer(visitor, secret_keys).dumps(asdict(ticket))


def verify(text: str, visitor: str, secret_keys: Sequence[bytes], now: float) -> Ticket:
    """Return the ticket, if one of the keys has signed it for this visitor.

    now: Unix time, in seconds.

    Raises TicketRefused: 403 for a ticket that was not minted for this visitor; 410 for one that has expired,
    or lacks a field because another version of this package has minted it.
    """
    try:
        content = _serializer(visitor, secret_keys).loads(text)
    except (BadData, UnicodeEncodeError):
        raise TicketRefused(403, "the ticket is not valid for this visitor") from None
    try:
        ticket = Ticket(**{name: content[name] for name in FIELDS if name in content})
        has_expired = now >= ticket.session_expiry
    except TypeError:
        raise TicketRefused(410, "the ticket is of another version of quart-bokeh") from None
    if has_expired:
        raise TicketRefused(410, f"the ticket has expired, {LIFETIME // 3600} hours after its page was made")
    return ticket


def _serializer(visitor: str, secret_keys: Sequence[bytes]) -> URLSafeSerializer:
    return URLSafeSerializer(
        list(reversed(secret_keys)),  # itsdangerous signs with the last one
        salt=f"{SALT} {visitor}",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )

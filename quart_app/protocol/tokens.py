"""Bokeh session ids and tokens: the web process mints them, the Bokeh server reads them.

A token names a session and carries a payload. On a server that signs, the payload's purpose decides what
the token allows: without one of ours it attaches to a session that exists.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bokeh.core.types import ID
from bokeh.util.token import (
    check_session_id_signature,
    check_token_signature,
    generate_jwt_token,
    generate_session_id,
    get_session_id,
    get_token_payload,
)

PURPOSE = "quart_bokeh"
"""The payload's key for the purpose; in the ACK of a new session, the content's key for its outline."""
CREATE = "create"
"""Creates the session. No other token does on a server that signs."""
BROWSER = "browser"
"""Connects the browser of a session, through the relay. A session has one such websocket."""
LIFETIME = 300
"""Seconds for which a token is good, as in Bokeh."""


class TokenRefused(ValueError):
    """A token or session id is not valid. The message says why, in words for the client's log."""


@dataclass(frozen=True)
class Claim:
    """What a valid token or session id allows its bearer."""

    session_id: str
    creates: bool
    """Whether it may create the session."""
    is_browser: bool = False
    """Whether it connects the session's browser."""


def new_session_id(key: bytes | None) -> str:
    """Return a random session id, signed if there is a key."""
    return str(generate_session_id(key, signed=key is not None))


def mint_token(
    session_id: str, key: bytes | None, payload: Mapping[str, Any] | None = None, *, lifetime: int = LIFETIME
) -> str:
    """Return a token for the session, signed if there is a key.

    payload: what JSON can carry, and bytes. lifetime: in seconds.
    """
    return generate_jwt_token(
        ID(session_id),
        key,
        signed=key is not None,
        extra_payload=dict(payload) if payload else None,
        expiration=lifetime,
    )


def read_token(token: str, *, key: bytes | None, signed: bool, now: float) -> Claim:
    """Return what a token allows. ``now``: Unix time, in seconds. Raises TokenRefused."""
    try:
        is_genuine = check_token_signature(token, key, signed)
        payload: Mapping[str, Any] = get_token_payload(token) if is_genuine else {}
        session_id = get_session_id(token) if is_genuine else ""
        has_expired = is_genuine and now >= payload["session_expiry"]
    except Exception:
        raise TokenRefused("the token cannot be read") from None
    if not is_genuine:
        raise TokenRefused("the token's signature is wrong")
    if has_expired:
        raise TokenRefused("the token has expired")
    _check_id(session_id)
    purpose = payload.get(PURPOSE)
    return Claim(session_id, creates=not signed or purpose == CREATE, is_browser=purpose == BROWSER)


def read_session_id(session_id: str, *, key: bytes | None, signed: bool) -> Claim:
    """Return what a bare session id allows: access to its session, if that exists. Raises TokenRefused."""
    try:
        is_genuine = check_session_id_signature(session_id, key, signed)
    except Exception:  # not ASCII
        is_genuine = False
    if not is_genuine:
        raise TokenRefused("the session id's signature is wrong")
    _check_id(session_id)
    return Claim(session_id, creates=not signed)


def _check_id(session_id: object) -> None:
    """Refuse a token in the place of a session id.

    Both carry a signature of the same key, and everybody who has a page has a token.
    """
    if not isinstance(session_id, str) or not session_id:
        raise TokenRefused("that is not a session id")
    head = session_id.partition(".")[0]
    try:
        content = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        return
    if isinstance(content, dict):
        raise TokenRefused("a token is not a session id")

"""Keys derived from one secret, a different one for each purpose."""

from __future__ import annotations

import hmac

SECRET_KEY = b"quart-bokeh SECRET_KEY"
SESSIONS = b"quart-bokeh sessions"
HEALTH = b"quart-bokeh health"


def derive_key(secret: bytes, purpose: bytes) -> bytes:
    """Return the 32-byte key that belongs to the secret and the purpose (HMAC-SHA256)."""
    return hmac.digest(secret, purpose, "sha256")


def session_key(secret: bytes) -> str:
    """Return the key with which our own Bokeh servers sign, as text for ``BOKEH_SECRET_KEY``."""
    return derive_key(secret, SESSIONS).hex()


def health_token(secret_key: bytes) -> str:
    """Return the bearer token for ``/healthz`` of a Bokeh server that signs with this key."""
    return derive_key(secret_key, HEALTH).hex()

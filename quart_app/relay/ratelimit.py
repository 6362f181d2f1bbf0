"""Rate limits: a token bucket per key."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic

MAX_KEYS = 10_000
"""Buckets that are kept. The least recently used one is dropped first."""


class TokenBuckets:
    """One token bucket per key. ``per_minute`` is its capacity, and the tokens that it gains a minute."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By key: the tokens, and when they were counted."""

    def take(self, key: str, now: float | None = None) -> bool:
        """Take a token from the key's bucket, and return whether there was one.

        now: seconds, as ``time.monotonic()`` counts them; its value by default.
        """
        now = monotonic() if now is None else now
        tokens, counted_at = self._buckets.pop(key, (float(self.per_minute), now))
        tokens = min(float(self.per_minute), tokens + (now - counted_at) * self.per_minute / 60)
        is_allowed = tokens >= 1
        self._buckets[key] = (tokens - is_allowed, now)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        return is_allowed

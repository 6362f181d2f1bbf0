"""How often somebody may do something."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic

REMEMBERED = 10_000
"""How many of them a limit keeps in mind; whoever has been quiet longest is forgotten first."""


class Limit:
    """So many times a minute for each name, all at once if need be."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now: float | None = None) -> bool:
        """Count one for this name, and return whether it was still allowed.

        now: seconds, as ``time.monotonic()`` counts, which is also what is taken by default.
        """
        now = monotonic() if now is None else now
        left, since = self._left.pop(name, (float(self.per_minute), now))
        left = min(float(self.per_minute), left + (now - since) * self.per_minute / 60)
        allowed = left >= 1
        self._left[name] = (left - allowed, now)
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        return allowed

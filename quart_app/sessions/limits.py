"""Limits for the pages that wait for their sessions: in all, per visitor, and per address."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

from quart_app.sessions.errors import TooManyFromOne, TooManyWaiting


class Place(ExitStack):
    """One page's place among those that wait. The end of ``with`` releases it, or ``release``."""

    def release(self) -> None:
        """Release the place. A second call does nothing."""
        self.close()


class Waiting:
    """Counts the pages that wait for their session, and refuses further ones above the limits."""

    def __init__(self, *, total: int, per_visitor: int, per_address: int) -> None:
        self.count = 0
        self._total = total
        self._limits = {"visitor": per_visitor, "address": per_address}
        self._waiting: Counter[tuple[str, str]] = Counter()

    def __repr__(self) -> str:
        return f"<Waiting {self.count} of {self._total}>"

    def admit(self, *, visitor: str | None, address: str | None) -> Place:
        """Let one page wait, until it releases its place.

        visitor: the value of the browser's cookie, None if it has none yet.
        address: of the browser, None if unknown.

        Raises TooManyFromOne or TooManyWaiting.
        """
        keys = [(kind, key) for kind, key in (("visitor", visitor), ("address", address)) if key]
        if any(self._waiting[key] >= self._limits[key[0]] for key in keys):
            raise TooManyFromOne
        if self.count >= self._total:
            raise TooManyWaiting
        self.count += 1
        self._waiting.update(keys)
        place = Place()
        place.callback(self._leave, keys)
        return place

    def _leave(self, keys: list[tuple[str, str]]) -> None:
        self.count -= 1
        self._waiting.subtract(keys)
        self._waiting += Counter()  # drops those at zero

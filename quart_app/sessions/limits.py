"""How many pages may wait for their sessions: in all, of one visitor, and of one address."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

from quart_app.sessions.errors import TooManyFromOne, TooManyWaiting


class Place(ExitStack):
    """One page's place among those that wait: given back at the end of ``with``, or by ``release``."""

    def release(self) -> None:
        """Give the place back; a second time does nothing."""
        self.close()


class Waiting:
    """Counts the pages that wait for their session, and refuses those above the limits.

    Sessions that have a browser are not counted here: whoever has a plot keeps it.
    """

    def __init__(self, *, total: int, per_visitor: int, per_address: int) -> None:
        self.count = 0
        self._total = total
        self._limits = {"visitor": per_visitor, "address": per_address}
        self._waiting: Counter[tuple[str, str]] = Counter()

    def __repr__(self) -> str:
        return f"<Waiting {self.count} of {self._total}>"

    def admit(self, *, visitor: str | None, address: str | None) -> Place:
        """Let one page wait until it gives its place back.

        visitor: what tells one browser from another, None if it has shown nothing yet.
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

"""The garbage collector of a server process, at a rate that nobody notices."""

from __future__ import annotations

import gc
import logging
from time import monotonic

from tornado.ioloop import PeriodicCallback

log = logging.getLogger(__name__)

REST = 5.0
"""Seconds between two full collections, at the least."""
SHARE = 100
"""A collection that took t seconds is followed by at least SHARE * t seconds without one."""


class Collector:
    """Makes one full garbage collection for all sessions that have ended since the last one.

    It stands in for the module ``gc`` where Bokeh calls ``gc.collect()`` at the end of each session.
    A full collection looks at every object of every live session, so its rate is bounded, and the
    objects of the start-up, which live as long as the process, are kept out of it.
    """

    def __init__(self) -> None:
        self._ended = 0
        self._rests_until = 0.0

    def collect(self) -> None:
        """Note that a session has ended."""
        self._ended += 1

    def start(self) -> None:
        """Take over from Python, and collect now and then for as long as the loop runs."""
        gc.collect()
        gc.freeze()
        young, middle, _ = gc.get_threshold()
        # Python would make full collections of its own, at a bad moment and as often as it likes.
        gc.set_threshold(young, middle, 1_000_000)
        PeriodicCallback(self._collect_if_due, 1000).start()

    def _collect_if_due(self) -> None:
        if self.is_due(monotonic()):
            start = monotonic()
            found, self._ended = gc.collect(), 0
            self.note(monotonic() - start)
            log.debug("Collected %d objects in %.3f s", found, monotonic() - start)

    def is_due(self, now: float) -> bool:
        return self._ended > 0 and now >= self._rests_until

    def note(self, seconds: float) -> None:
        """Take notice that a collection has ended now, and how long it took."""
        self._rests_until = monotonic() + max(REST, SHARE * seconds)

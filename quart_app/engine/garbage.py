"""The garbage collector of a server process, at moments that nobody notices."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable
from time import monotonic

from tornado.ioloop import PeriodicCallback

log = logging.getLogger(__name__)

QUIET = 1.0
"""Seconds without the end of a session that are waited for: when many expire, their objects go first."""
PATIENCE = 10.0
"""Seconds after which that moment is not waited for any longer."""
REST = 5.0
"""Seconds between two full collections, at the least."""
SHARE = 50
"""A collection that took t seconds is followed by at least SHARE * t seconds without one."""
SHORT = 0.05
"""Seconds of a collection that may come as soon as there is something to collect."""
FEW = 5
"""So many live sessions may be kept out of all later collections together with what was imported."""


class Collector:
    """Makes one full garbage collection for all sessions that have ended since the last one.

    It stands in for the module ``gc`` where Bokeh calls ``gc.collect()`` at the end of each session. A full
    collection looks at every object of every live session: 0.1 s and more for 400 small ones. So it comes
    when it is short, or when as many sessions have ended as are alive, and never often. What lives as long
    as the process, that is what was imported, is kept out of it.

    live: returns the number of live sessions.
    """

    def __init__(self, live: Callable[[], int]) -> None:
        self._live = live
        self._ended = 0
        self._first_end = self._last_end = 0.0
        self._rests_until = 0.0
        self._cost = 0.0
        """Seconds of a collection for each live session."""
        self._modules = 0

    def collect(self) -> None:
        """Note that a session has ended."""
        self.note_end(monotonic())

    def note_end(self, now: float) -> None:
        if not self._ended:
            self._first_end = now
        self._ended += 1
        self._last_end = now

    def note_collection(self, now: float, seconds: float) -> None:
        """Take notice that a collection has ended now, and how long it took."""
        self._ended = 0
        self._cost = seconds / max(FEW, self._live())
        self._rests_until = now + max(REST, SHARE * seconds)

    def is_due(self, now: float) -> bool:
        if not self._ended or now < self._rests_until:
            return False
        if now - self._last_end < QUIET and now - self._first_end < PATIENCE:
            return False
        live = self._live()
        return live * self._cost <= SHORT or self._ended >= live

    def start(self) -> None:
        """Take over from Python, and collect now and then for as long as the loop runs."""
        self._keep_out()
        young, middle, _ = gc.get_threshold()
        # Python would make full collections of its own, at any moment.
        gc.set_threshold(young, middle, 1_000_000)
        PeriodicCallback(self._tick, 500).start()

    def _tick(self) -> None:
        if self.is_due(monotonic()):
            start = monotonic()
            ended, found = self._ended, gc.collect()
            self.note_collection(monotonic(), monotonic() - start)
            log.debug("Collected %d objects of %d sessions in %.3f s", found, ended, monotonic() - start)
        elif _imported() > self._modules and self._live() <= FEW:
            self._keep_out()

    def _keep_out(self) -> None:
        """Leave what is alive now out of all later collections; what is garbage now would stay for ever."""
        gc.collect()
        gc.freeze()
        self._modules = _imported()


def _imported() -> int:
    """Return how many modules there are, without those of sessions."""
    return sum(not name.startswith("bokeh_app_") for name in sys.modules)

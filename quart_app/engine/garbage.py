"""When a server process collects garbage: not for every session that ends, and where the pause is short."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable
from time import monotonic

from tornado.ioloop import PeriodicCallback

from quart_app.protocol.describe import APP_MODULE_PREFIX

log = logging.getLogger(__name__)

CHECK_INTERVAL = 0.5
"""Seconds between two looks at the schedule."""
DELAY_AFTER_END = 1.0
"""Seconds after the last end of a session before a collection: when many expire, they end first."""
MAX_DELAY = 10.0
"""Seconds after the first end of a session during which DELAY_AFTER_END applies."""
MIN_INTERVAL = 5.0
"""Seconds between two collections."""
MAX_TIME_SHARE = 0.02
"""Share of the time for collections: one of t seconds is followed by at least 50 * t without one."""
SHORT_PAUSE = 0.05
"""Seconds. If the next collection is expected to be shorter, one ended session is enough to start it."""
FREEZE_MAX_LIVE = 5
"""Live sessions up to which ``gc.freeze()`` is called: their objects are never collected either."""


class CollectionSchedule:
    """Makes one full garbage collection for all sessions that have ended since the last one.

    A full collection visits the objects of all live sessions: 0.1 s and more for 400 small ones. It is due
    when it is expected to be short, or when as many sessions have ended as are alive. What was imported is
    frozen, which keeps it out of all collections. It replaces the name ``gc`` in
    ``bokeh.document.document``, so that Bokeh's ``gc.collect()`` only records the end of a session.

    count_live: returns the number of live sessions.
    """

    def __init__(self, count_live: Callable[[], int]) -> None:
        self._count_live = count_live
        self._ended = 0
        self._first_end = self._last_end = 0.0
        self._earliest = 0.0
        self._cost = 0.0
        """Seconds of a collection for each live session."""
        self._frozen_modules = 0

    def collect(self) -> None:
        """Note that a session has ended. Bokeh calls this as ``gc.collect``."""
        self.record_session_end(monotonic())

    def record_session_end(self, now: float) -> None:
        if not self._ended:
            self._first_end = now
        self._ended += 1
        self._last_end = now

    def record_collection(self, now: float, seconds: float) -> None:
        """Note that a collection has ended, and how long it took."""
        self._ended = 0
        self._cost = seconds / max(FREEZE_MAX_LIVE, self._count_live())
        self._earliest = now + max(MIN_INTERVAL, seconds / MAX_TIME_SHARE)

    def is_due(self, now: float) -> bool:
        if not self._ended or now < self._earliest:
            return False
        if now - self._last_end < DELAY_AFTER_END and now - self._first_end < MAX_DELAY:
            return False
        live = self._count_live()
        return live * self._cost <= SHORT_PAUSE or self._ended >= live

    def start(self) -> None:
        """Take full collections over from Python for as long as the loop runs."""
        self._freeze()
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, 1_000_000)
        PeriodicCallback(self._check, CHECK_INTERVAL * 1000).start()

    def _check(self) -> None:
        if self.is_due(monotonic()):
            start = monotonic()
            ended, found = self._ended, gc.collect()
            seconds = monotonic() - start
            self.record_collection(monotonic(), seconds)
            log.debug("Collected %d objects of %d ended sessions in %.3f s", found, ended, seconds)
        elif count_modules() > self._frozen_modules and self._count_live() <= FREEZE_MAX_LIVE:
            self._freeze()

    def _freeze(self) -> None:
        """Keep all live objects out of later collections; collect first, because frozen garbage stays."""
        gc.collect()
        gc.freeze()
        self._frozen_modules = count_modules()


def count_modules() -> int:
    """Return the number of imported modules, without those of sessions."""
    return sum(not name.startswith(APP_MODULE_PREFIX) for name in sys.modules)

"""``/healthz`` of a server process: sessions, connections, lag of the loop, memory."""

from __future__ import annotations

import hmac
import os
from collections import deque
from pathlib import Path
from time import monotonic

from bokeh.server.tornado import BokehTornado
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, RequestHandler

from quart_app.engine.admission import Admission
from quart_app.engine.base_handler import ADMISSION
from quart_app.engine.tornado_internals import is_local
from quart_app.protocol.keys import health_token

PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")
LAG_INTERVAL = 0.25
"""Seconds between two measurements of the loop's lag."""
LAG_WINDOW = 10
"""Seconds of which the worst lag is reported."""


class Lag:
    """How late the loop runs its callbacks, in seconds: the worst of the last ten seconds."""

    def __init__(self) -> None:
        self._late: deque[float] = deque([0.0], maxlen=round(LAG_WINDOW / LAG_INTERVAL))

    def start(self) -> None:
        """Measure from now on."""
        IOLoop.current().call_later(LAG_INTERVAL, self._measure, monotonic() + LAG_INTERVAL)

    def _measure(self, due: float) -> None:
        self._late.append(max(0.0, monotonic() - due))
        self.start()

    @property
    def worst(self) -> float:
        return max(self._late)


def resident_memory() -> int | None:
    """Return this process's resident memory in bytes, or None where the system does not tell (not Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class HealthHandler(RequestHandler):
    """Answers with JSON. Needs the bearer token of ``protocol.keys.health_token``."""

    application: BokehTornado

    def initialize(self, lag: Lag) -> None:
        self._lag = lag

    def get(self) -> None:
        if not self._is_authorized():
            raise HTTPError(403)
        admission: Admission = self.application.settings[ADMISSION]
        applications = {
            path: {
                "sessions": len(context._sessions),
                "connections": sum(session.connection_count for session in context.sessions),
                "starts": admission.last_start.get(path, "unknown"),
            }
            for path, context in self.application.applications.items()
        }
        self.set_header("Cache-Control", "no-store")
        self.write(
            {
                "sessions": admission.session_count,
                "max_sessions": admission.max_sessions,
                "connections": len(admission.websockets),
                "draining": admission.is_draining,
                "applications": applications,
                "loop_lag_seconds": round(self._lag.worst, 4),
                "resident_bytes": resident_memory(),
            }
        )

    def _is_authorized(self) -> bool:
        """Check the bearer token or, where there is no key, that the peer is on this machine."""
        app = self.application
        if app.sign_sessions and app.secret_key:
            given = self.request.headers.get("Authorization", "").encode(errors="replace")
            return hmac.compare_digest(given, f"Bearer {health_token(app.secret_key)}".encode())
        return not any(name in self.request.headers for name in PROXY_HEADERS) and is_local(self.request)

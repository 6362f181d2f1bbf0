"""What a server process tells about itself at ``/healthz``, to those who run it."""

from __future__ import annotations

import hmac
import os
from collections import deque
from ipaddress import ip_address
from pathlib import Path
from time import monotonic

from bokeh.server.tornado import BokehTornado
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, RequestHandler

from quart_app.engine.admission import Gate
from quart_app.engine.guarded import GATE
from quart_app.protocol.keys import health_token

PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")
TICK = 0.25
"""Seconds between two looks at the loop's lag."""


class Lag:
    """How late the loop is, in seconds: the worst of the last ten seconds."""

    def __init__(self) -> None:
        self._late: deque[float] = deque([0.0], maxlen=round(10 / TICK))

    def start(self) -> None:
        """Look at the loop from now on."""
        IOLoop.current().call_later(TICK, self._look, monotonic() + TICK)

    def _look(self, due: float) -> None:
        self._late.append(max(0.0, monotonic() - due))
        self.start()

    @property
    def worst(self) -> float:
        return max(self._late)


def resident_memory() -> int | None:
    """Return the bytes that this process has in memory, where the system tells (Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class HealthHandler(RequestHandler):
    """JSON for machines: sessions, connections, applications, lag of the loop, memory."""

    application: BokehTornado

    def initialize(self, lag: Lag) -> None:
        self._lag = lag

    def get(self) -> None:
        if not self._is_ours():
            raise HTTPError(403)
        gate: Gate = self.application.settings[GATE]
        applications = {
            path: {
                "sessions": len(context._sessions),
                "connections": sum(session.connection_count for session in context.sessions),
                "starts": gate.starts.get(path, "unknown"),
            }
            for path, context in self.application.applications.items()
        }
        self.set_header("Cache-Control", "no-store")
        self.write(
            {
                "sessions": gate.live,
                "max_sessions": gate.max_sessions,
                "connections": len(gate.sockets),
                "draining": gate.is_draining,
                "applications": applications,
                "loop_lag_seconds": round(self._lag.worst, 4),
                "resident_bytes": resident_memory(),
            }
        )

    def _is_ours(self) -> bool:
        """Whether the bearer is right or, where there is no key, the peer is on this machine."""
        app = self.application
        if app.sign_sessions and app.secret_key:
            given = self.request.headers.get("Authorization", "").encode(errors="replace")
            return hmac.compare_digest(given, f"Bearer {health_token(app.secret_key)}".encode())
        if any(name in self.request.headers for name in PROXY_HEADERS):
            return False
        address = getattr(getattr(self.request.connection, "context", None), "address", None)
        try:
            return not isinstance(address, tuple) or ip_address(address[0]).is_loopback
        except ValueError:
            return False

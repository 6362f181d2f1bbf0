"""One Bokeh server: where it is, how its sessions are signed, and whether it can take one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum
from time import monotonic

log = logging.getLogger(__name__)

REST = 2.0
"""Seconds for which a server that could not be reached is not asked again while another one is there."""


class State(Enum):
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPED = "stopped"


@dataclass(eq=False)
class Server:
    """A ``bokeh serve`` process, ours or somebody else's."""

    name: str
    """``server-1``, ``server-2``, …: for people and in URLs."""
    url: str = ""
    """Without a slash at the end; empty while a process of ours has no port yet."""
    public_url: str = ""
    """Where browsers find it, if that is elsewhere."""
    secret_key: bytes | None = None
    """The key of its session ids and tokens; None: it takes unsigned ones."""
    generation: str = ""
    """Other for every process of ours that has this name; empty for somebody else's."""
    state: State = State.RUNNING
    used_at: float = 0.0
    rests_until: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} ({self.url or 'no address'}, {self.state.value})"

    @property
    def is_running(self) -> bool:
        return self.state is State.RUNNING

    @property
    def is_resting(self) -> bool:
        return monotonic() < self.rests_until

    def change(self, state: State, why: str = "") -> None:
        """Take a new state, and say so in the log once."""
        if state is not self.state:
            self.state = state
            log.info("Bokeh server %s%s", self, f": {why}" if why else "")

    def rest(self, why: str) -> None:
        """Leave the server alone for a moment after it could not be reached."""
        if not self.is_resting:
            log.warning("Bokeh server %s could not be reached: %s", self, why)
        self.rests_until = monotonic() + REST

    def websocket_url(self, application: str) -> str:
        return f"ws{self.url.removeprefix('http')}/{application}/ws"

    def browser_url(self, application: str) -> str:
        return f"{self.public_url or self.url}/{application}"

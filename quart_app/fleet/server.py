"""One Bokeh server: its address, its signing key, its state and what it reported at its start."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic

log = logging.getLogger(__name__)

COOLDOWN = 2.0
"""Seconds for which placement prefers other servers to one that could not be reached."""


class State(Enum):
    """The states of a server process; a server that others run is always RUNNING."""

    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    """The process has ended; the next one starts after a delay."""
    STOPPED = "stopped"


@dataclass(eq=False)
class Server:
    """A ``bokeh serve`` process that the site or somebody else runs."""

    name: str
    """``server-1``, ``server-2``, …: shown in logs and part of URLs."""
    url: str = ""
    """Without a slash at the end; empty before the first process of the site has a port."""
    public_url: str = ""
    """The URL that browsers use, if it is another one."""
    secret_key: bytes | None = None
    """Signs session ids and tokens; None: the server takes unsigned ones."""
    generation: str = ""
    """A random text for each process started under this name; empty if the site does not start it."""
    state: State = State.RUNNING
    load_errors: Mapping[str, str] = field(default_factory=dict)
    """The applications that the running process could not load: path and error."""
    used_at: float = 0.0
    """When a new session was last placed here, as ``time.monotonic()`` counts."""
    cooldown_until: float = 0.0
    """When the cool-down after a failed connection ends, as ``time.monotonic()`` counts."""

    def __str__(self) -> str:
        return f"{self.name} ({self.url or 'no address'}, {self.state.value})"

    @property
    def is_running(self) -> bool:
        return self.state is State.RUNNING

    @property
    def in_cooldown(self) -> bool:
        return monotonic() < self.cooldown_until

    def set_state(self, state: State, reason: str = "") -> None:
        """Change the state and log the change, with its reason."""
        if state is not self.state:
            detail = f" ({reason})" if reason else ""
            log.info("Bokeh server %s: %s -> %s%s", self.name, self.state.value, state.value, detail)
            self.state = state

    def mark_unreachable(self, reason: str) -> None:
        """Start a cool-down of COOLDOWN seconds after a connection has failed."""
        if not self.in_cooldown:
            log.warning("Bokeh server %s could not be reached: %s", self, reason)
        self.cooldown_until = monotonic() + COOLDOWN

    def websocket_url(self, application: str) -> str:
        return f"ws{self.url.removeprefix('http')}/{application}/ws"

    def browser_url(self, application: str) -> str:
        return f"{self.public_url or self.url}/{application}"

"""A session that was pulled for one page, and what the page passes to its application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quart_app.fleet.server import Server
from quart_app.protocol.outline import Outline
from quart_app.protocol.tokens import CREATE, PURPOSE

Arguments = Mapping[str, list[str]]


@dataclass(frozen=True)
class RequestData:
    """What a page passes to the application: in the token that creates its session, and nowhere else.

    Raises TypeError for arguments that are not lists of strings.
    """

    arguments: Arguments = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    user: Any = None

    def __post_init__(self) -> None:
        for name, values in self.arguments.items():
            if isinstance(values, str) or not all(isinstance(value, str) for value in values):
                raise TypeError(f"arguments: {name!r} takes a list of strings, as ['value'], not {values!r}")

    @property
    def is_replayable(self) -> bool:
        """Whether a new session needs nothing from the page's route: headers and cookies come again."""
        return not self.arguments and self.user is None

    @property
    def payload(self) -> dict[str, Any]:
        """The token's payload, as Bokeh's server reads it."""
        # As bytes, which is what an application finds there when the Bokeh server makes the page.
        arguments = {name: [value.encode() for value in values] for name, values in self.arguments.items()}
        # Headers even if there are none: else the application would see those of the pull itself.
        payload = {PURPOSE: CREATE, "arguments": arguments, "headers": dict(self.headers)}
        if self.cookies:
            payload["cookies"] = dict(self.cookies)
        if self.user is not None:
            payload["user"] = self.user
        return payload


@dataclass(frozen=True)
class Session:
    """A session that waits on its server for the browser of one page."""

    id: str = field(repr=False)
    """Bokeh's session id. Who knows it can use the session: it belongs in one page and in no log."""
    application: str
    server: Server
    generation: str
    """Identifies the server process that has it; empty for the servers of BOKEH_SERVERS."""
    outline: Outline
    renewable: bool = False
    """Whether a new session can replace it without running the route, which has passed nothing to it."""

    @property
    def is_usable(self) -> bool:
        """Whether its server process is running and reachable, according to its last known state."""
        server = self.server
        return server.is_running and not server.in_cooldown and server.generation == self.generation

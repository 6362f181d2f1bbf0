"""All Bokeh servers of a site, and which of them takes the next session."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from time import monotonic
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from bokeh.settings import settings as bokeh_settings

from quart_app.catalogue import BokehApp, discover
from quart_app.fleet.server import Server, State
from quart_app.fleet.supervisor import Supervisor
from quart_app.fleet.watch import wait_for_change
from quart_app.protocol.keys import session_key
from quart_app.settings import Settings, SettingsError

log = logging.getLogger(__name__)


def by_turns(servers: Iterable[Server]) -> list[Server]:
    """Order the servers that can take a session: the least recently used first, resting ones last."""
    running = (server for server in servers if server.is_running)
    return sorted(running, key=lambda server: (server.is_resting, server.used_at))


class Fleet:
    """The servers named in the settings, or processes of our own that live as long as ``async with`` does."""

    def __init__(self, settings: Settings, applications: dict[str, BokehApp]) -> None:
        self._settings = settings
        self._applications = applications
        self._stack = AsyncExitStack()
        self.servers: list[Server] = []
        self.origins: list[str] | None = None
        """Hosts whose pages may open a websocket to our own servers; None: others decide that."""

    async def __aenter__(self) -> Self:
        if self._settings.servers:
            # Somebody else's servers: signed as Bokeh's own variables say, as with bokeh.client.
            key = bokeh_settings.secret_key_bytes() if bokeh_settings.sign_sessions() else None
            self.servers = [
                Server(f"server-{number}", url, self._settings.public_url, secret_key=key)
                for number, url in enumerate(self._settings.servers, 1)
            ]
        else:
            async with self._stack:
                await self._start_our_own()
                self._stack = self._stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def place(self) -> list[Server]:
        """Return the servers to try for a new session, in this order; the first has had its turn then."""
        servers = by_turns(self.servers)
        if servers:
            servers[0].used_at = monotonic()
        return servers

    def find(self, name: str) -> Server | None:
        """Return the server of that name, whatever its state."""
        return next((server for server in self.servers if server.name == name), None)

    def accepts_pages_of(self, host: str) -> bool:
        """Whether a page opened under this host (``name`` or ``name:port``) may open a websocket."""
        if self.origins is None:
            return True
        from bokeh.server.util import check_allowlist

        return check_allowlist(host.lower(), self.origins)

    async def is_ready(self) -> bool:
        """Whether a server accepts connections now."""
        for server in by_turns(self.servers):
            address = urlsplit(server.url)
            port = address.port or (443 if address.scheme == "https" else 80)
            try:
                async with asyncio.timeout(2):
                    _, writer = await asyncio.open_connection(address.hostname, port)
            except (OSError, TimeoutError):
                continue
            writer.close()
            return True
        return False

    async def _start_our_own(self) -> None:
        settings = self._settings
        key = session_key(settings.secret_key)
        environment = {"BOKEH_SECRET_KEY": key, "BOKEH_SIGN_SESSIONS": "yes", **_allowed_origins()}
        self.origins = environment["BOKEH_ALLOW_WS_ORIGIN"].split(",")
        lifetime = round(settings.session_lifetime * 1000)
        flags = {
            "--address": "127.0.0.1",
            "--port": "0",
            "--session-ids": "external-signed",
            "--unused-session-lifetime": str(lifetime),
            "--check-unused-sessions": str(max(100, min(lifetime // 4, 17_000))),
            "--websocket-max-message-size": str(settings.max_message),
            "--max-sessions": str(settings.max_sessions),
        }

        def arguments() -> list[str]:
            paths = (str(app.path) for app in self._applications.values() if not app.error)
            return [*paths, *(word for flag in flags.items() for word in flag)]

        self.servers = [
            Server(f"server-{number}", secret_key=key.encode(), state=State.STOPPED)
            for number in range(1, settings.processes + 1)
        ]
        supervisors = [
            Supervisor(server, arguments, environment, self._note_broken) for server in self.servers
        ]
        for supervisor in supervisors:
            self._stack.push_async_callback(supervisor.stop)
        try:
            async with asyncio.TaskGroup() as group:
                for supervisor in supervisors:
                    group.create_task(supervisor.start())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        if settings.dev:
            following = asyncio.create_task(self._follow(supervisors))
            self._stack.callback(following.cancel)

    def _note_broken(self, broken: Mapping[str, str]) -> None:
        """Remember the applications that a server could not load: path and error."""
        for app in self._applications.values():
            if error := broken.get(str(app.path)):
                app.error = error

    async def _follow(self, supervisors: Iterable[Supervisor]) -> None:
        """Start the servers again whenever something in the folder of applications has changed."""
        while True:
            await wait_for_change(self._settings.apps)
            log.info("The applications have changed")
            try:
                found = discover(self._settings.apps)
            except SettingsError as error:
                log.error("%s", error)
                continue
            self._applications.clear()
            self._applications.update(found)
            for supervisor in supervisors:
                await supervisor.restart()


def _allowed_origins() -> dict[str, str]:
    """Return Bokeh's own variable as the environment has it, or this machine's names on every port.

    The port of the page is not known before the first request, and only the variable, not the flag
    ``--allow-websocket-origin``, takes ``name:*``.
    """
    names = ("localhost", "127.0.0.1", "[::1]", socket.gethostname().lower())
    ours = ",".join(f"{name}:*" for name in names)
    return {"BOKEH_ALLOW_WS_ORIGIN": os.environ.get("BOKEH_ALLOW_WS_ORIGIN") or ours}

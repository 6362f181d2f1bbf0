"""The Bokeh servers of a site: their processes, and which of them makes the next session."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterable
from contextlib import AsyncExitStack, aclosing
from time import monotonic
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from bokeh.settings import settings as bokeh_settings

from quart_app.catalogue import BokehApp, discover
from quart_app.fleet.placement import placement_order
from quart_app.fleet.server import Server, State
from quart_app.fleet.supervisor import Supervisor
from quart_app.fleet.watch import require_watchfiles, watch_folder
from quart_app.protocol.keys import session_key
from quart_app.settings import Settings, SettingsError

log = logging.getLogger(__name__)


class Fleet:
    """The servers that BOKEH_SERVERS names, or processes of the site that run inside ``async with``."""

    def __init__(self, settings: Settings, applications: dict[str, BokehApp]) -> None:
        self._settings = settings
        self._applications = applications
        self._stack = AsyncExitStack()
        self.servers: list[Server] = []
        self.allowed_origins: list[str] | None = None
        """Hosts whose pages may open a websocket to the site's own servers. None with BOKEH_SERVERS, where
        the servers decide."""

    async def __aenter__(self) -> Self:
        if self._settings.servers:
            # Sessions are signed as Bokeh's own variables say, as with bokeh.client.
            key = bokeh_settings.secret_key_bytes() if bokeh_settings.sign_sessions() else None
            self.servers = [
                Server(f"server-{number}", url, self._settings.public_url, secret_key=key)
                for number, url in enumerate(self._settings.servers, 1)
            ]
        else:
            async with self._stack:
                await self._start_processes()
                self._stack = self._stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def candidates(self, application: str) -> list[Server]:
        """Return the servers to try for a new session, in this order, and record the first one as used."""
        app, now = self._applications.get(application), monotonic()
        servers = placement_order(self.servers, str(app.path) if app else "", now)
        if servers:
            servers[0].used_at = now
        return servers

    def load_error(self, application: str) -> str:
        """Return why no server of the site can run an application, in one line; empty if one may."""
        app = self._applications.get(application)
        if app is None or self._settings.servers:
            return ""
        errors = [server.load_errors.get(str(app.path), "") for server in self.servers]
        return app.error or (errors[0] if errors and all(errors) else "")

    def find(self, name: str) -> Server | None:
        """Return the server of that name, whatever its state."""
        return next((server for server in self.servers if server.name == name), None)

    def allows_origin(self, host: str) -> bool:
        """Whether a page opened under this host (``name`` or ``name:port``) may open a websocket."""
        if self.allowed_origins is None:
            return True
        from bokeh.server.util import check_allowlist  # imports Tornado; needed by direct delivery only

        return check_allowlist(host.lower(), self.allowed_origins)

    async def is_ready(self) -> bool:
        """Whether a server accepts connections now."""
        for server in placement_order(self.servers, "", monotonic()):
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

    async def _start_processes(self) -> None:
        settings = self._settings
        if settings.dev:
            require_watchfiles()
        key = session_key(settings.secret_key)
        environment = {"BOKEH_SECRET_KEY": key, "BOKEH_SIGN_SESSIONS": "yes", **_allowed_origins()}
        self.allowed_origins = environment["BOKEH_ALLOW_WS_ORIGIN"].split(",")
        self.servers = [
            Server(f"server-{number}", secret_key=key.encode(), state=State.STOPPED)
            for number in range(1, settings.processes + 1)
        ]
        supervisors = [Supervisor(server, self._arguments, environment) for server in self.servers]
        for supervisor in supervisors:
            self._stack.push_async_callback(supervisor.stop)
        try:
            async with asyncio.TaskGroup() as group:
                for supervisor in supervisors:
                    group.create_task(supervisor.start())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        if settings.dev:
            reloading = asyncio.create_task(self._reload_on_change(supervisors))
            self._stack.push_async_callback(asyncio.wait, [reloading])
            self._stack.callback(reloading.cancel)

    def _arguments(self) -> list[str]:
        """Return the command line of the next server process."""
        settings = self._settings
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
        # Applications that a server failed to load are included: the next start may load them.
        paths = (str(app.path) for app in self._applications.values() if not app.error)
        return [*paths, *(word for flag in flags.items() for word in flag)]

    async def _reload_on_change(self, supervisors: Iterable[Supervisor]) -> None:
        """Restart the servers, with the applications as they are then, whenever a file changes."""
        async with aclosing(watch_folder(self._settings.apps)) as changes:
            async for names in changes:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                log.info("%s%s changed: restarting the Bokeh servers", ", ".join(names[:3]), more)
                try:
                    found = await asyncio.to_thread(discover, self._settings.apps)
                    self._applications.clear()
                    self._applications.update(found)
                    for supervisor in supervisors:
                        await supervisor.restart()
                except SettingsError as error:
                    log.error("%s", error)
                except Exception:
                    log.exception("The applications could not be reloaded; the next change tries again")


def _allowed_origins() -> dict[str, str]:
    """Return Bokeh's own variable as the environment has it, or this machine's names on every port.

    The port of the page is not known before the first request, and only the variable, not the flag
    ``--allow-websocket-origin``, takes ``name:*``.
    """
    names = ("localhost", "127.0.0.1", "[::1]", socket.gethostname().lower())
    local = ",".join(f"{name}:*" for name in names)
    return {"BOKEH_ALLOW_WS_ORIGIN": os.environ.get("BOKEH_ALLOW_WS_ORIGIN") or local}

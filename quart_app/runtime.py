"""What serving needs: one Runtime, made when serving starts and closed when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from threading import Thread
from typing import cast

from quart import current_app

from quart_app.catalogue import BokehApp, discover
from quart_app.fleet.fleet import Fleet
from quart_app.page.assets import Assets
from quart_app.page.record import PageRecords
from quart_app.page.renderer import Renderer
from quart_app.relay.relay import Relay
from quart_app.sessions.pool import SessionPool
from quart_app.settings import Settings


@dataclass(frozen=True)
class Runtime:
    """The parts of one site that is being served."""

    settings: Settings
    applications: dict[str, BokehApp]
    """The applications of the folder BOKEH_APPS, by name."""
    fleet: Fleet
    pool: SessionPool
    assets: Assets
    renderer: Renderer
    records: PageRecords
    relay: Relay

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, relay: Relay) -> AsyncGenerator[Runtime]:
        """Start the Bokeh servers and all else. Raises SettingsError or StartFailed."""
        async with AsyncExitStack() as stack:
            # With servers that others run, the folder only gives titles, and need not be there.
            needs_folder = not settings.servers or settings.apps.is_dir()
            applications = discover(settings.apps) if needs_folder else {}
            fleet = await stack.enter_async_context(Fleet(settings, applications))
            assets = Assets([str(settings.apps.absolute())])
            assets.load()
            Thread(target=assets.compress, daemon=True).start()
            pool = await stack.enter_async_context(SessionPool(settings, fleet, applications))
            if settings.delivery == "direct":
                # It imports Bokeh's models, which would block the event loop at the first page.
                await asyncio.to_thread(import_module, "quart_app.page.direct")
            await relay.open(settings, fleet)
            stack.push_async_callback(relay.close)
            renderer = Renderer(settings, assets)
            yield cls(settings, applications, fleet, pool, assets, renderer, PageRecords(), relay)


def current_runtime() -> Runtime:
    """Return the runtime of the application that handles this request."""
    return cast(Runtime, current_app.extensions["bokeh-embed"].runtime)

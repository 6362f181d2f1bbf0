"""Live Bokeh applications inside the pages of an async web site: ``hypercorn quart_app:app``."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quart import Quart

    from quart_app.application import create_app
    from quart_app.extension import BokehEmbed
    from quart_app.page.pulled import PulledSession
    from quart_app.settings import SettingsError

_MODULES = {
    "BokehEmbed": "quart_app.extension",
    "PulledSession": "quart_app.page.pulled",
    "SettingsError": "quart_app.settings",
    "create_app": "quart_app.application",
}

__all__ = ["BokehEmbed", "PulledSession", "SettingsError", "app", "create_app"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is used: the Bokeh server process uses none of them (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


@cache
def _create_site() -> Quart:
    return import_module("quart_app.application").create_app()  # type: ignore[no-any-return]


class _LazySite:
    """A proxy that creates the ready-made site on first use: importing BokehEmbed creates no second site.

    Hypercorn reads ``app`` from the module's ``__dict__``, so a module ``__getattr__`` would not be called.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await _create_site()(scope, receive, send)

    def __getattr__(self, name: str) -> Any:
        return getattr(_create_site(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_create_site(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_create_site(), name)

    def __dir__(self) -> list[str]:
        return dir(_create_site())

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(_create_site())


app: Quart = _LazySite()  # type: ignore[assignment]

"""Health checks for load balancers and orchestrators: ``/healthz`` and ``/readyz``."""

from __future__ import annotations

from quart import Blueprint

from quart_app.runtime import current_runtime

health = Blueprint("health", __name__)


@health.get("/healthz")
async def healthz() -> tuple[str, dict[str, str]]:
    """Answer 200 while the event loop runs. Does not ask a Bokeh server."""
    return "alive\n", {"Content-Type": "text/plain", "Cache-Control": "no-store"}


@health.get("/readyz")
async def readyz() -> tuple[str, int, dict[str, str]]:
    """Answer 200 if a Bokeh server accepts connections now, else 503."""
    ready = await current_runtime().fleet.is_ready()
    text, status = ("ready\n", 200) if ready else ("no Bokeh server is ready\n", 503)
    return text, status, {"Content-Type": "text/plain", "Cache-Control": "no-store"}

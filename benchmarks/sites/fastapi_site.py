"""bokeh-fastapi: Bokeh applications inside a FastAPI application."""

import os
from pathlib import Path

from bokeh.command.util import build_single_handler_applications
from bokeh_fastapi import BokehFastAPI

lifetime = round(float(os.environ.get("SESSION_LIFETIME", "15")) * 1000)
check = round(float(os.environ.get("SESSION_CHECK", "17")) * 1000)
paths = sorted(str(path) for path in Path(os.environ["APPLICATIONS"]).glob("*.py"))
bokeh = BokehFastAPI(
    build_single_handler_applications(paths),
    websocket_origins=[os.environ["ORIGIN"]],
    unused_session_lifetime_milliseconds=lifetime,
    check_unused_sessions_milliseconds=check,
)
app = bokeh.app


@app.get("/healthz")
async def healthz():
    return "alive"


@app.get("/")
async def no_session():
    return sorted(bokeh._applications)

"""Bokeh's own ASGI application (Bokeh 3.10 and later)."""

import os
from pathlib import Path

from bokeh.server.asgi import BokehASGI

lifetime = round(float(os.environ.get("SESSION_LIFETIME", "15")) * 1000)
check = round(float(os.environ.get("SESSION_CHECK", "17")) * 1000)
app = BokehASGI(
    {f"/{path.stem}": path for path in sorted(Path(os.environ["APPLICATIONS"]).glob("*.py"))},
    unused_session_lifetime_milliseconds=lifetime,
    check_unused_sessions_milliseconds=check,
)

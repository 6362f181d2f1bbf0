"""Live Bokeh applications inside the pages of an async web site: ``hypercorn quart_app:app``."""

from quart_app.application import create_app
from quart_app.extension import BokehEmbed
from quart_app.page.delivery import PulledSession
from quart_app.settings import SettingsError

app = create_app()

__all__ = ["BokehEmbed", "PulledSession", "SettingsError", "app", "create_app"]

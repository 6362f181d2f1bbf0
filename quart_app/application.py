"""Creates the ready-made site."""

from __future__ import annotations

import logging
from pathlib import Path

from quart import Quart, current_app

from quart_app.extension import BokehEmbed
from quart_app.settings import DEFAULTS
from quart_app.site.health import health
from quart_app.site.pages import pages

HERE = Path(__file__).parent


def beside(name: str) -> Path:
    """Return a folder that a checkout has beside the package, and an installed package inside itself."""
    inside = HERE / name
    return inside if inside.is_dir() else HERE.parent / name


def create_app() -> Quart:
    """Create the site: a gallery of the applications in BOKEH_APPS, and a page for each.

    Settings are keys of ``app.config``, also read from the environment as ``QUART_BOKEH_…``. Nothing is
    started or checked before the application is served.
    """
    app = Quart("quart_app", template_folder=str(beside("templates")), static_folder=None)
    app.config.from_prefixed_env()
    if not Path(DEFAULTS["BOKEH_APPS"]).is_dir():  # nobody's own: show the examples
        app.config.setdefault("BOKEH_APPS", str(beside("bokeh_apps")))
    app.before_serving(set_log_level)
    BokehEmbed(app)
    app.register_blueprint(health)
    app.register_blueprint(pages)
    return app


async def set_log_level() -> None:
    """Show INFO records, unless a level has been set."""
    if current_app.logger.level == logging.NOTSET:
        current_app.logger.setLevel(logging.INFO)

"""Creates the ready-made site."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from quart import Quart, current_app

from quart_app.extension import BokehEmbed
from quart_app.settings import DEFAULTS
from quart_app.site.health import health
from quart_app.site.pages import pages

log = logging.getLogger(__name__)

HERE = Path(__file__).parent


def resource_folder(name: str) -> Path:
    """Return a folder of resources: beside the package in a checkout, inside it when installed."""
    inside = HERE / name
    return inside if inside.is_dir() else HERE.parent / name


def create_app() -> Quart:
    """Create the site: a gallery of the applications in BOKEH_APPS, and a page for each.

    Settings are keys of ``app.config``, also read from the environment as ``QUART_BOKEH_…``. Servers
    start and settings are checked when serving starts, not here.
    """
    app = Quart("quart_app", template_folder=str(resource_folder("templates")), static_folder=None)
    app.config.from_prefixed_env()
    app.before_serving(set_log_level)
    if "BOKEH_APPS" not in app.config and not Path(DEFAULTS["BOKEH_APPS"]).is_dir():
        app.config["BOKEH_APPS"] = app.config["EXAMPLES"] = str(resource_folder("bokeh_apps"))
        app.before_serving(partial(log_examples, Path.cwd()))
    BokehEmbed(app)
    app.register_blueprint(health)
    app.register_blueprint(pages)
    return app


async def log_examples(folder: Path) -> None:
    """Log why the site shows the examples of this package, if it does."""
    config = current_app.config
    if config["BOKEH_APPS"] == config["EXAMPLES"] and not config.get("BOKEH_SERVERS"):
        log.warning(
            "There is no folder bokeh_apps in %s: showing the examples of this package. "
            "Start the site where your bokeh_apps is, or set QUART_BOKEH_APPS.",
            folder,
        )


async def set_log_level() -> None:
    """Show INFO records, unless a level has been set."""
    if current_app.logger.level == logging.NOTSET:
        current_app.logger.setLevel(logging.INFO)

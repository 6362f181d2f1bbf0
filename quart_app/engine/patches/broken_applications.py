"""Serve the applications that can be loaded, and report the others.

What is wrong: ``bokeh serve`` exits on the first application that cannot be parsed, or whose
``app_hooks.py`` or theme fails, and serves none of the others.
Since: 3.9.2 and before; still in 3.10.2.
Upstream: https://github.com/bokeh/bokeh/issues/3861 (closed).
Can go: when ``bokeh serve`` has an option for it.
"""

from __future__ import annotations

import logging

from bokeh.application import Application
from bokeh.command import util
from bokeh.command.subcommands import serve

from quart_app.engine.patches import expect, names_used

log = logging.getLogger(__name__)


def skip_broken_applications(broken: dict[str, str]) -> None:
    """Replace the function with which ``bokeh serve`` loads applications.

    broken: gets the path and the error of each that cannot be loaded, while the command loads them.
    """
    expect(
        "how applications are loaded (Serve.invoke)",
        "build_single_handler_applications" in names_used(serve.Serve.invoke),
        hasattr(serve, "build_single_handler_applications"),
    )
    load = util.build_single_handler_applications

    def build(paths: list[str], argvs: dict[str, list[str]] | None = None) -> dict[str, Application]:
        applications: dict[str, Application] = {}
        for path in paths:
            try:
                applications |= load([path], argvs)
            except Exception as error:
                log.exception("Cannot load %s; it is not served", path)
                broken[path] = _reason(path, error)
        return applications

    vars(serve)["build_single_handler_applications"] = build


def _reason(path: str, error: Exception) -> str:
    """Return the first line of an error, with the remedy for a notebook that needs IPython."""
    reason, _, code = str(error).removeprefix(f"Error loading {path}:").strip().partition("\n")
    if ".ipynb' on line" in reason and code.lstrip().startswith(("%", "!")):
        reason += " magics need IPython, which is not installed"
    return reason or type(error).__name__

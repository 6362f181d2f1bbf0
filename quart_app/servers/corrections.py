"""What stock Bokeh gets wrong for us: one function each, with the reason and the way out."""

from __future__ import annotations

import logging

from bokeh.application import Application
from bokeh.command import util
from bokeh.command.subcommands import serve
from bokeh.document import Document

log = logging.getLogger(__name__)


def leave_out_broken_applications() -> dict[str, str]:
    """Serve the applications that can be loaded, and return the others: path and error.

    ``bokeh serve`` (all versions up to 3.10) ends with the first application that cannot be parsed, or
    whose ``app_hooks.py`` or theme fails, and takes all others with it. The dictionary fills while the
    command loads its applications.
    """
    broken: dict[str, str] = {}
    if not hasattr(serve, "build_single_handler_applications"):
        log.warning("This Bokeh loads its applications in another way: a broken one stops them all")
        return broken

    def build(paths: list[str], argvs: dict[str, list[str]] | None = None) -> dict[str, Application]:
        applications: dict[str, Application] = {}
        for path in paths:
            try:
                applications |= util.build_single_handler_applications([path], argvs)
            except Exception as error:
                log.exception("%s cannot be loaded", path)
                text = str(error).removeprefix(f"Error loading {path}:").strip()
                broken[path] = text.partition("\n")[0] or type(error).__name__
        return applications

    serve.build_single_handler_applications = build
    return broken


def survive_sys_exit() -> None:
    """Let ``sys.exit()`` in an application end its run, not the server.

    Bokeh (all versions up to 3.10) catches Exception only, so that one visit to such an application ends
    the sessions of all. What it has added to its document until then is shown.
    """
    initialize_document = Application.initialize_document

    def survive(self: Application, doc: Document) -> None:
        try:
            initialize_document(self, doc)
        except SystemExit as error:
            log.error("The application called sys.exit(%r)", error.code)

    Application.initialize_document = survive  # type: ignore[method-assign]

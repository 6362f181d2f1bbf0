"""What stock Bokeh gets wrong for us: one function each, with the reason and the way out.

Each looks first whether Bokeh is still as expected, and otherwise leaves it alone, with a warning.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any
from weakref import WeakKeyDictionary

from bokeh.application import Application
from bokeh.application.handlers import CodeHandler, DirectoryHandler
from bokeh.command import util
from bokeh.command.subcommands import serve
from bokeh.document import Document, callbacks
from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession

log = logging.getLogger(__name__)


class Changed(Exception):
    """This Bokeh is not the one that a correction was written for."""


def require(what: str, *expected: bool) -> None:
    """Raise Changed unless everything is as expected."""
    if not all(expected):
        raise Changed(what)


def apply(*corrections: Callable[[], None]) -> None:
    """Make each correction, or warn that this Bokeh has to do without it."""
    for correction in corrections:
        try:
            correction()
        except Changed as changed:
            log.warning("This Bokeh has changed %s: that is not corrected", changed)


def leave_out_broken_applications(broken: dict[str, str]) -> None:
    """Serve the applications that can be loaded, and put the others into ``broken``: path and error.

    ``bokeh serve`` (all versions up to 3.10) ends with the first application that cannot be parsed, or
    whose ``app_hooks.py`` or theme fails, and takes all others with it. The dictionary fills while the
    command loads its applications.
    """
    is_stock = "build_single_handler_applications" in names_of(serve.Serve.invoke)
    require("how it loads its applications", is_stock)

    def build(paths: list[str], argvs: dict[str, list[str]] | None = None) -> dict[str, Application]:
        applications: dict[str, Application] = {}
        for path in paths:
            try:
                applications |= util.build_single_handler_applications([path], argvs)
            except Exception as error:
                log.exception("%s cannot be loaded", path)
                text = str(error).removeprefix(f"Error loading {path}:").strip()
                reason, _, line = text.partition("\n")
                if ".ipynb' on line" in reason and line.lstrip().startswith(("%", "!")):
                    reason += " magics need IPython, which is not installed"
                broken[path] = reason or type(error).__name__
        return applications

    vars(serve)["build_single_handler_applications"] = build


_failures: WeakKeyDictionary[Document, str] = WeakKeyDictionary()


def failure_of(doc: Document) -> str | None:
    """Return the error of the script that was to fill this document, or None."""
    return _failures.get(doc)


def note_failures() -> None:
    """Remember which documents a script left half done, and let its ``sys.exit()`` end nothing but its run.

    Bokeh (all versions up to 3.10, a TODO in ``Application.initialize_document``) writes a script's error
    into its log, and serves the document as if nothing had happened. ``SystemExit`` it does not catch: one
    visit to such an application ends the sessions of all. What was in the document by then is shown.
    """
    initialize = Application.initialize_document
    require("how a document is filled", {"modify_document", "failed", "error"} <= names_of(initialize))

    def initialize_document(self: Application, doc: Document) -> None:
        try:
            initialize(self, doc)
        except SystemExit as error:
            log.error("The application called sys.exit(%r)", error.code)
        for handler in self.handlers:
            # Only these forget the failure of the run before.
            if isinstance(handler, CodeHandler | DirectoryHandler) and handler.failed:
                _failures[doc] = handler.error or "it failed"

    Application.initialize_document = initialize_document  # type: ignore[method-assign]


def survive_callbacks_that_exit() -> None:
    """Let ``sys.exit()`` in a callback be an error of that callback.

    Bokeh (all versions up to 3.10) lets it end the server: one click, and the sessions of all are gone.
    """
    invoke: Any = getattr(callbacks, "invoke_with_curdoc", None)
    require("how callbacks run", invoke is not None and "patch_curdoc" in names_of(invoke))

    @contextmanager
    def surviving() -> Iterator[None]:
        try:
            yield
        except SystemExit as error:
            raise RuntimeError(f"a callback called sys.exit({error.code!r})") from None

    async def finish(result: Awaitable[Any]) -> Any:
        with surviving():
            return await result

    def survive(document: Document, callback: Callable[[], Any]) -> Any:
        with surviving():
            result = invoke(document, callback)
        return finish(result) if inspect.isawaitable(result) else result

    vars(callbacks)["invoke_with_curdoc"] = survive


def free_the_id_of_a_failed_session() -> None:
    """Let a creation that raises end: with its error, for everyone who waits, and with its id free again.

    Up to Bokeh 3.9 the id stays pending: every later request for it waits for ever. 3.10 makes the
    session in a task, which cleans up after itself.
    """
    if hasattr(ApplicationContext, "_session_creation_done"):
        return
    create = ApplicationContext.create_session_if_needed
    require("how a session is made", "_pending_sessions" in names_of(create))

    async def create_or_free(
        self: ApplicationContext, session_id: Any, request: Any = None, token: Any = None
    ) -> ServerSession:
        is_mine = session_id not in self._pending_sessions
        try:
            return await create(self, session_id, request, token)
        except BaseException as error:
            pending = self._pending_sessions.pop(session_id, None) if is_mine else None
            if pending is not None:
                log.error("%s failed to make a session", self.url, exc_info=error)
                if isinstance(error, Exception):
                    pending.set_exception(error)
                    pending.exception()  # nobody else may be waiting for it
                else:
                    pending.cancel()
            raise

    ApplicationContext.create_session_if_needed = create_or_free  # type: ignore[method-assign]


def names_of(function: Any) -> set[str]:
    """Return the names that a function's code uses, those of the functions in it included."""
    code: CodeType = function.__code__
    inner = (const.co_names for const in code.co_consts if isinstance(const, CodeType))
    return {*code.co_names, *(name for names in inner for name in names)}

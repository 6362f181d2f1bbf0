"""The compiled script of an application's own models: types with an ``__implementation__``."""

from __future__ import annotations

import logging
import re
from threading import Lock

from bokeh.core.has_props import HasProps
from bokeh.document import Document
from bokeh.util.compiler import CustomModel, bundle_models

from quart_app.protocol.describe import APP_MODULE_PREFIX, is_compiled

log = logging.getLogger(__name__)

APP_MODULE = re.compile(f"{APP_MODULE_PREFIX}[0-9a-f]{{32}}")
"""The name of an application's module, which differs in every session."""

_lock = Lock()
_scripts: dict[tuple[tuple[str, str], ...], str] = {}


def compiled_types(document: Document) -> list[type[HasProps]]:
    """Return the types of a document's models that Bokeh compiles."""
    types = {type(model) for model in document.models if is_compiled(type(model))}
    return sorted(types, key=lambda type_: type_.__qualified_model__)


def compile_models(types: list[type[HasProps]]) -> str:
    """Return the script of these types; empty if it cannot be compiled. Blocks for a second the first time.

    Bokeh compiles with Node.js and caches scripts by the names of the types' modules, which differ in every
    session of an application. This cache is by their source.
    """
    names = ", ".join(type_.__qualified_model__ for type_ in types)
    try:
        key = tuple((type_.__name__, CustomModel(type_).implementation.code) for type_ in types)
        with _lock:
            if key not in _scripts:
                _scripts[key] = ""
                _scripts[key] = APP_MODULE.sub("bokeh_app", bundle_models(types) or "")
            return _scripts[key]
    except (Exception, SystemExit) as error:  # Bokeh exits when it cannot compile
        reason = "see the output above" if isinstance(error, SystemExit) else error
        log.error("Cannot compile the implementation of %s: %s", names, reason)
        return ""

"""Models of other packages and of applications themselves: what their classes say that a page needs."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection
from itertools import zip_longest
from threading import Lock

from bokeh.core.has_props import HasProps
from bokeh.document import Document
from bokeh.util.compiler import CustomModel, bundle_models

log = logging.getLogger(__name__)

FILES = "static/extensions/"
"""Where a Bokeh server has the files of extensions, and how these refer to them."""
PANEL = f"{FILES}panel/"

MODULE = re.compile("bokeh_app_[0-9a-f]{32}")

Link = tuple[str, str, str]
"""``script``, ``module`` or ``style``; its URL; and the global name that a module's default export gets."""


def links_of(types: Collection[type[HasProps]]) -> dict[str, list[Link]]:
    """Return what the types, and others of their packages that are known here, name as scripts and styles.

    Others too, for a document may get models of them later.
    """
    packages = {package_of(type_) for type_ in types} - {"bokeh"}
    if not packages:
        return {}
    found = {
        name: _links(type_)
        for name, type_ in HasProps.model_class_reverse_map.items()
        if package_of(type_) in packages
    }
    return {name: links for name, links in found.items() if links}


def _links(type_: type[HasProps]) -> list[Link]:
    modules = _urls(type_, "__javascript_modules__")  # this and the next one are Panel's
    exports = _urls(type_, "__javascript_module_exports__")
    return [
        *(("style", url, "") for url in _urls(type_, "__css__")),
        *(("script", url, "") for url in _urls(type_, "__javascript__")),
        *(("module", url, name) for url, name in zip_longest(modules, exports[: len(modules)], fillvalue="")),
    ]


def package_of(type_: type[HasProps]) -> str:
    return type_.__module__.partition(".")[0]


def _urls(type_: type[HasProps], attribute: str) -> list[str]:
    value = getattr(type_, attribute, None) or []
    return [value] if isinstance(value, str) else list(value)


def copies_of(types: Collection[type[HasProps]]) -> dict[str, str]:
    """Return where packages of the types refer to the Internet for their files, and where a server has them.

    Panel does, where it is not its own server that makes the page.
    """
    if not any(package_of(type_) == "panel" for type_ in types):
        return {}
    there = getattr(sys.modules.get("panel.io.resources"), "CDN_DIST", None)
    return {there: PANEL} if there else {}


def implemented_in(document: Document) -> list[type[HasProps]]:
    """Return the types of a document's models that have their implementation in their classes."""
    types = {type(model) for model in document.models if hasattr(type(model), "__implementation__")}
    return sorted(types, key=lambda type_: type_.__qualified_model__)


_lock = Lock()
_scripts: dict[tuple[tuple[str, str], ...], str] = {}


def compiled(types: list[type[HasProps]]) -> str:
    """Return the script of such types. Takes a second the first time: Bokeh has Node.js compile it.

    Bokeh knows a script by the names of the types' modules, and those of applications are other ones in
    every session.
    """
    names = ", ".join(type_.__qualified_model__ for type_ in types)
    try:
        key = tuple((type_.__name__, CustomModel(type_).implementation.code) for type_ in types)
        with _lock:
            if key not in _scripts:
                _scripts[key] = ""
                _scripts[key] = MODULE.sub("bokeh_app", bundle_models(types) or "")
            return _scripts[key]
    except (Exception, SystemExit) as error:  # Bokeh ends the process when it cannot be compiled
        log.error("The implementation of %s cannot be compiled: %s", names, error or "its output is above")
        return ""

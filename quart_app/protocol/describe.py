"""The outline of a Bokeh document.

Our Bokeh server uses it for every session. The web process imports it, and with it Bokeh's models, only
where it has to know a document itself: for ``customize``, and for sessions of stock servers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable
from itertools import zip_longest
from typing import Any

import bokeh.plotting  # noqa: F401  (defines model types, as bokeh.models does: all are known by name then)
from bokeh.core.has_props import HasProps
from bokeh.document import Document
from bokeh.model import DataModel
from bokeh.models.glyphs import MathTextGlyph
from bokeh.models.text import MathText
from bokeh.models.widgets import TableWidget, Widget

from quart_app.protocol.outline import EXTENSION_FILES, Link, Outline, Root

PANEL_FILES = f"{EXTENSION_FILES}panel/"
APP_MODULE_PREFIX = "bokeh_app_"
"""Prefix of the module names that Bokeh generates for each session of an application. Data models that these
define come with the document."""
EVAL_MODEL_PREFIXES = (
    "CustomJS",
    "CustomLabelingPolicy",
    "CanvasTexture",
    "HTMLTemplateFormatter",
    "ReactiveHTML",
    "VegaPlot",
)
"""Prefixes of the names, without the package, of model types that need ``'unsafe-eval'``."""


def describe(document: Document) -> Outline:
    """Return the outline of a document, without the script of its own models and without its template."""
    types = {type(model) for model in document.models}
    shipped = (type_ for type_ in types if not issubclass(type_, DataModel) and not is_compiled(type_))
    return outline_of(
        tuple(Root(root.id, root.name) for root in document.roots),
        {type_.__qualified_model__ for type_ in shipped},
        links=links_of(types),
        cdn_to_local=cdn_to_local(types),
    )


def describe_reply(content: str) -> Outline:
    """Read the outline from the content of a PULL-DOC-REPLY, building none of its models.

    A hook drops what is not needed while the JSON is parsed. That saves memory, and other threads run
    meanwhile: ``json.loads`` alone keeps Python's lock until it has parsed the whole document.
    """
    types: set[str] = set()
    names: dict[str, str | None] = {}
    """By id. A root to which an earlier one refers is in the list of roots as its id only."""

    def note(value: dict[str, Any]) -> dict[str, Any]:
        if value.get("type") == "object":
            types.add(value["name"])
            names[value["id"]] = value.get("attributes", {}).get("name")
            return {"id": value["id"]}
        return value

    def drop(_: str) -> None:
        return None

    document = json.loads(content, object_hook=note, parse_float=drop, parse_int=drop)["doc"]
    return outline_of(tuple(Root(root["id"], names[root["id"]]) for root in document["roots"]), types)


def outline_of(roots: tuple[Root, ...], types: Iterable[str], **more: Any) -> Outline:
    """Return the outline of a document with these roots and, by qualified name, these model types."""
    bundles, packages, eval_models = {"bokeh"}, set(), set()
    known = HasProps.model_class_reverse_map  # which Bokeh copies at each access
    for name in types:
        if name.startswith(APP_MODULE_PREFIX):
            continue
        type_ = known.get(name)
        if type_ is not None:
            bundles |= _bundles_of(type_)
        if type_ is None or package_of(type_) != "bokeh":
            packages.add(name.partition(".")[0])
        short = name.rpartition(".")[2]
        if short.startswith(EVAL_MODEL_PREFIXES):
            eval_models.add(short)
    return Outline(roots, frozenset(bundles), tuple(sorted(packages)), tuple(sorted(eval_models)), **more)


def _bundles_of(type_: type[HasProps]) -> set[str]:
    bundles = set()
    if issubclass(type_, Widget):
        bundles.add("bokeh-widgets")
    if issubclass(type_, TableWidget):
        bundles |= {"bokeh-widgets", "bokeh-tables"}
    if issubclass(type_, MathText | MathTextGlyph):
        bundles.add("bokeh-mathjax")
    return bundles


def is_compiled(type_: type[HasProps]) -> bool:
    """Whether Bokeh compiles the type's script from its ``__implementation__``."""
    return hasattr(type_, "__implementation__")


def links_of(types: Collection[type[HasProps]]) -> dict[str, list[Link]]:
    """Return the scripts and styles that types of other packages name, for all types of these packages.

    For all, because a document may get further models later.
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


def cdn_to_local(types: Collection[type[HasProps]]) -> dict[str, str]:
    """Return the URL of Panel's CDN with the path of the same files at a Bokeh server, if Panel is used.

    Panel refers to its CDN wherever the page is not made by its own server.
    """
    if not any(package_of(type_) == "panel" for type_ in types):
        return {}
    url = getattr(sys.modules.get("panel.io.resources"), "CDN_DIST", None)
    return {url: PANEL_FILES} if url else {}

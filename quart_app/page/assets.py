"""What a page loads: BokehJS, extensions of it, and our own files; compressed once, cached for good."""

from __future__ import annotations

import gzip
import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock

import bokeh.plotting  # noqa: F401  (with its models, too, every model of Bokeh is known by its name)
import brotli  # type: ignore[import-untyped]
from bokeh.core.has_props import HasProps
from bokeh.models.glyphs import MathTextGlyph
from bokeh.models.text import MathText
from bokeh.models.widgets import TableWidget, Widget
from bokeh.settings import settings as bokeh_settings

from quart_app.page.extensions import extension_file, extension_script
from quart_app.page.loader import load_loader

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent.parent / "static"
OURS = ("embed.js", "embed.css", "site.css")
BUNDLES = ("bokeh", "bokeh-gl", "bokeh-widgets", "bokeh-tables", "bokeh-mathjax")
"""BokehJS, in the order in which it has to be loaded."""
OF_APPLICATION = "bokeh_app_"
"""How Bokeh begins the names of applications' own modules, which are others for each session: the document
brings their data models along, and there is no package to look for."""
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
# BokehJS, 1.27 MB: quality 9 gives 307 kB in 0.08 s, 11 gives 279 kB in 1.9 s, and gzip 351 kB in 0.05 s.
BROTLI_QUALITY = 9
GZIP_LEVEL = 9
EXTENSION = re.compile(r"ext-(\w+)-[0-9a-f]{16}\.js")


@dataclass(eq=False)
class Asset:
    """One file: its text as it is now, and its name, which changes with the text."""

    name: str
    content: bytes = field(repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:16]

    @property
    def file_name(self) -> str:
        path = Path(self.name)
        return f"{path.stem}-{self.digest}{path.suffix}"

    @property
    def content_type(self) -> str:
        return TYPES[Path(self.name).suffix]

    def encoded(self, encoding: str) -> bytes:
        """Return the content as ``br``, ``gzip`` or ``identity``; the first time takes up to 0.1 s."""
        if encoding == "identity":
            return self.content
        with self._lock:
            return self._brotli if encoding == "br" else self._gzip

    def ready(self, encoding: str) -> bytes | None:
        """Return what ``encoded`` would, if that takes no time."""
        names = {"br": "_brotli", "gzip": "_gzip", "identity": "content"}
        body: bytes | None = self.__dict__.get(names[encoding])
        return body

    @cached_property
    def _brotli(self) -> bytes:
        return bytes(brotli.compress(self.content, quality=BROTLI_QUALITY))

    @cached_property
    def _gzip(self) -> bytes:
        return gzip.compress(self.content, GZIP_LEVEL, mtime=0)


class Assets:
    """Every file that pages load, by its name with the hash. ``load`` reads them.

    folders: where extensions are looked for before they are where other packages are.
    """

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self.folders = folders
        self._by_name: dict[str, Asset] = {}
        self._by_file_name: dict[str, Asset] = {}
        self._unknown: set[str] = set()

    def load(self) -> None:
        """Read BokehJS of this process's Bokeh and our own files. Blocks for some 20 ms."""
        folder = Path(bokeh_settings.bokehjs_path()) / "js"
        for name in BUNDLES:
            self._add(f"{name}.js", folder / f"{name}.min.js")
        for name in OURS[1:]:
            self._add(name, STATIC / name)
        self._by_name["embed.js"] = loader = Asset("embed.js", load_loader().encode())
        self._put(loader)

    def compress(self) -> None:
        """Compress what nearly every page needs before it is asked for. Blocks for some 0.2 s."""
        for name in ("bokeh.js", "bokeh-widgets.js", *OURS):
            self._by_name[name].encoded("br")

    def get(self, file_name: str) -> Asset | None:
        found = EXTENSION.fullmatch(file_name)
        if found and file_name not in self._by_file_name:  # named in a page by another worker
            self._load_extension(found[1])
        return self._by_file_name.get(file_name)

    def of_extension(self, package: str, path: str) -> Asset | Path | None:
        """Return a file that an extension brings, scripts and styles as they can be compressed. Blocks."""
        file = extension_file(package, path, self.folders)
        if file is None or file.suffix not in TYPES:
            return file
        return _read_again(file, file.stat().st_mtime_ns)

    def file_name(self, name: str) -> str:
        """Return the name with the hash of a file such as ``embed.js``."""
        return self._by_name[name].file_name

    def bundles(self, types: Iterable[str], code: str = "") -> tuple[list[str], list[str]]:
        """Return the bundles that a document needs, and the others, each in the order of loading.

        types: qualified names of its models. They do not tell whether there is text for MathJax or a plot
            for WebGL, or what comes later: the loader sees that, and takes it from the others.
        code: the script of models of its own.
        """
        names = {"bokeh"}
        extensions: list[str] = []
        for type_ in sorted(types):
            if type_.startswith(OF_APPLICATION):
                continue
            model = HasProps.model_class_reverse_map.get(type_)
            if model is not None:
                names |= _bundles_of(model)
            if model is None or not model.__module__.startswith("bokeh."):
                extension = self._extension(type_)
                if extension is not None and extension not in extensions:
                    extensions.append(extension)
        if code:
            extensions.append(self._put(Asset("models.js", code.encode())))
        if extensions:
            # Their scripts take classes from these when they are loaded, whatever the document uses.
            names |= {"bokeh-widgets", "bokeh-tables"}
        needed = [self.file_name(f"{name}.js") for name in BUNDLES if name in names]
        others = [self.file_name(f"{name}.js") for name in BUNDLES if name not in names]
        return needed + extensions, others

    def _extension(self, type_: str) -> str | None:
        """Return the script of the Python package that a model comes from, such as ``panel``."""
        package = type_.partition(".")[0]
        if package in self._unknown:
            return None
        name = self._load_extension(package)
        if name is None:
            self._unknown.add(package)
            log.warning(
                "There is no script for %s: the relay shows models of Bokeh, and of packages with a "
                "bokeh.ext.json that are installed here too",
                type_,
            )
        return name

    def _load_extension(self, package: str) -> str | None:
        name = f"ext-{package}.js"
        if name not in self._by_name:
            script = extension_script(package, self.folders)
            if script is None:
                return None
            self._add(name, script)
        return self.file_name(name)

    def _add(self, name: str, path: Path) -> None:
        self._by_name[name] = asset = _read(name, path)
        self._put(asset)

    def _put(self, asset: Asset) -> str:
        """Serve it, and return its file name."""
        return self._by_file_name.setdefault(asset.file_name, asset).file_name


def _read(name: str, path: Path) -> Asset:
    # The line names a file that we do not serve, and browsers' tools would ask for it.
    return Asset(name, re.sub(rb"\n//# sourceMappingURL=\S+\s*$", b"\n", path.read_bytes()))


@lru_cache(maxsize=32)
def _read_again(path: Path, _changed: int) -> Asset:
    return _read(path.name, path)


def _bundles_of(model: type[HasProps]) -> set[str]:
    names = set()
    if issubclass(model, Widget):
        names.add("bokeh-widgets")
    if issubclass(model, TableWidget):
        names |= {"bokeh-widgets", "bokeh-tables"}
    if issubclass(model, MathText | MathTextGlyph):
        names.add("bokeh-mathjax")
    return names

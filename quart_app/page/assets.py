"""The files that pages load: BokehJS, its extensions, and our own; compressed once, cached by their hash."""

from __future__ import annotations

import gzip
import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from threading import Lock

import brotli  # type: ignore[import-untyped]
from bokeh.settings import settings as bokeh_settings

from quart_app.page.extensions import extension_file, extension_script
from quart_app.page.loader import load_loader
from quart_app.protocol.outline import Outline

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent.parent / "static"
STYLESHEETS = ("embed.css", "site.css")
BUNDLES = ("bokeh", "bokeh-gl", "bokeh-widgets", "bokeh-tables", "bokeh-mathjax")
"""BokehJS, in the order in which it has to be loaded."""
CONTENT_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
# BokehJS, 1.27 MB: quality 9 gives 307 kB in 0.08 s, 11 gives 279 kB in 1.9 s, and gzip 351 kB in 0.05 s.
BROTLI_QUALITY = 9
GZIP_LEVEL = 9
EXTENSION = re.compile(r"ext-(\w+)-[0-9a-f]{16}\.js")


class AssetChanged(LookupError):
    """The file of an asset has other content than when its name was made, or is gone."""


class Asset:
    """One file. Its file name has a hash of its content; its compressed forms are made when first needed.

    read: returns the content, which is not kept: BokehJS has 3.9 MB. Raises OSError.
    """

    def __init__(self, name: str, read: Callable[[], bytes]) -> None:
        self.name = name
        self._read = read
        self._lock = Lock()
        self.digest = _digest(read())

    @property
    def content(self) -> bytes:
        """Read the content. Raises AssetChanged: browsers would keep another one under this name for ever."""
        try:
            content = self._read()
        except OSError as error:
            raise AssetChanged(f"{self.file_name}: {error}") from None
        if _digest(content) != self.digest:
            raise AssetChanged(f"{self.file_name} has changed since the site was started")
        return content

    @property
    def file_name(self) -> str:
        path = Path(self.name)
        return f"{path.stem}-{self.digest}{path.suffix}"

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[Path(self.name).suffix]

    def encoded(self, encoding: str) -> bytes:
        """Return the content as ``br``, ``gzip`` or ``identity``. Blocks, the first time for up to 0.1 s."""
        if encoding == "identity":
            return self.content
        with self._lock:
            return self._brotli if encoding == "br" else self._gzip

    def ready(self, encoding: str) -> bytes | None:
        """Return what ``encoded`` would, if that is in memory."""
        body: bytes | None = self.__dict__.get({"br": "_brotli", "gzip": "_gzip"}.get(encoding, ""))
        return body

    @cached_property
    def _brotli(self) -> bytes:
        return bytes(brotli.compress(self.content, quality=BROTLI_QUALITY))

    @cached_property
    def _gzip(self) -> bytes:
        return gzip.compress(self.content, GZIP_LEVEL, mtime=0)


class Assets:
    """The files that pages load, by their file names. ``load`` reads them.

    folders: where extensions are looked for before they are looked for among installed packages.
    """

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self.folders = folders
        self._by_name: dict[str, Asset] = {}
        self._by_file_name: dict[str, Asset] = {}
        self._missing: set[str] = set()

    def load(self) -> None:
        """Read BokehJS of the installed Bokeh and our own files. Blocks for some 20 ms."""
        folder = Path(bokeh_settings.bokehjs_path()) / "js"
        for name in BUNDLES:
            self._add(f"{name}.js", folder / f"{name}.min.js")
        for name in STYLESHEETS:
            self._add(name, STATIC / name)
        self._by_name["embed.js"] = loader = Asset("embed.js", partial(bytes, load_loader().encode()))
        self._put(loader)

    def compress(self) -> None:
        """Compress what nearly every page needs, before it is requested. Blocks for some 0.2 s."""
        for name in ("bokeh.js", "bokeh-widgets.js", "embed.js", *STYLESHEETS):
            self._by_name[name].encoded("br")

    def get(self, file_name: str) -> Asset | None:
        found = EXTENSION.fullmatch(file_name)
        if found and file_name not in self._by_file_name:  # a page of another worker names it
            self._load_extension(found[1])
        return self._by_file_name.get(file_name)

    def get_extension_file(self, package: str, path: str) -> Asset | Path | None:
        """Return a file of an extension; scripts and style sheets as an Asset. Blocks."""
        file = extension_file(package, path, self.folders)
        if file is None or file.suffix not in CONTENT_TYPES:
            return file
        return _cached_asset(file, file.stat().st_mtime_ns)

    def file_name(self, name: str) -> str:
        """Return the file name, with its hash, of a file such as ``embed.js``."""
        return self._by_name[name].file_name

    def for_outline(self, outline: Outline) -> tuple[list[str], list[str]]:
        """Return the file names of the scripts that a document needs, in loading order, and of the rest.

        The outline cannot tell whether text for MathJax, WebGL, or later models need more bundles: the loader
        detects that, and loads them from the rest.
        """
        bundles = set(outline.bundles)
        extensions = [name for package in outline.packages if (name := self._extension(package))]
        if outline.models_script:
            asset = Asset("models.js", partial(bytes, outline.models_script.encode()))
            extensions.append(self._put(asset))
        if extensions:
            # Their scripts take classes from these when they are loaded, whatever the document uses.
            bundles |= {"bokeh-widgets", "bokeh-tables"}
        needed = [self.file_name(f"{name}.js") for name in BUNDLES if name in bundles]
        rest = [self.file_name(f"{name}.js") for name in BUNDLES if name not in bundles]
        return needed + extensions, rest

    def _extension(self, package: str) -> str | None:
        """Return the file name of the extension script of a Python package, such as ``panel``."""
        if package in self._missing:
            return None
        name = self._load_extension(package)
        if name is None:
            self._missing.add(package)
            log.warning(
                "There is no BokehJS extension for models of %s: install the package, which has to have a "
                "bokeh.ext.json, in the site's environment too",
                package,
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
        self._by_name[name] = asset = Asset(name, partial(_read, path))
        self._put(asset)

    def _put(self, asset: Asset) -> str:
        """Serve an asset, and return its file name."""
        return self._by_file_name.setdefault(asset.file_name, asset).file_name


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _read(path: Path) -> bytes:
    # The removed line names a file that we do not serve, which developer tools would request.
    return re.sub(rb"\n//# sourceMappingURL=\S+\s*$", b"\n", path.read_bytes())


@lru_cache(maxsize=32)
def _cached_asset(path: Path, _modified: int) -> Asset:
    return Asset(path.name, partial(_read, path))

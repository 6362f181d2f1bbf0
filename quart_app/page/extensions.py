"""Extensions of BokehJS: files that Python packages bring for their models, and the URLs that name them."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from werkzeug.security import safe_join

from quart_app.protocol.outline import EXTENSION_FILES

REFERENCE = re.compile(rf"""(["'(=]\s*)(?:\./)?{re.escape(EXTENSION_FILES)}""")


def extension_script(package: str, folders: Sequence[str] = ()) -> Path | None:
    """Return where a Bokeh extension has its script, as ``bokeh.embed.bundle`` does, without importing it.

    folders: where to look for the package first.
    """
    if not package.isidentifier():
        return None
    try:
        spec = PathFinder.find_spec(package, folders) or importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin:
        return None
    base = Path(spec.origin).parent
    if not (base / "bokeh.ext.json").exists():
        return None
    candidates = [base / "dist" / f"{package}.min.js", base / "dist" / f"{package}.js"]
    try:
        described = json.loads((base / "package.json").read_text(encoding="utf-8"))
        if main := described.get("module") or described.get("main"):
            candidates.insert(0, base / main)
    except (OSError, ValueError):
        pass
    return next((path for path in candidates if path.is_file()), None)


def extension_file(package: str, path: str, folders: Sequence[str] = ()) -> Path | None:
    """Return a file in the folder of an extension's script, or below; None if there is none."""
    script = extension_script(package, folders)
    if script is None:
        return None
    found = safe_join(str(script.parent), path)
    return Path(found) if found and os.path.isfile(found) else None


class AssetUrlRewriter:
    """Rewrites references to files of extensions to this site's URLs.

    root_path: the site's path prefix.
    cdn_to_local: maps URLs of a CDN to the paths of the same files here, as in an Outline.
    """

    def __init__(self, root_path: str, cdn_to_local: Mapping[str, str]) -> None:
        self._root_path = root_path
        self.cdn_to_local = {url: self._path(path) for url, path in cdn_to_local.items()}
        """The same, with this site's paths."""

    def url(self, url: str) -> str:
        """Return the URL of a script or style sheet that a model names."""
        replaced = self._replace_cdn(url)
        if replaced != url or re.match(r"[a-z]+:|//", url, re.IGNORECASE):
            return replaced
        return self._path(re.sub(r"^[./]*", "", url))

    def page(self, page: str) -> str:
        """Return the HTML of an application's own template with rewritten references."""
        return REFERENCE.sub(lambda found: found[1] + self._path(EXTENSION_FILES), self._replace_cdn(page))

    def _replace_cdn(self, text: str) -> str:
        for url, path in self.cdn_to_local.items():
            text = text.replace(url, path)
        return text

    def _path(self, path: str) -> str:
        if path.startswith(EXTENSION_FILES):
            path = f"bokeh/extensions/{path.removeprefix(EXTENSION_FILES)}"
        return f"{self._root_path}/{path}"

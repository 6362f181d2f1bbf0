"""Extensions of BokehJS: the scripts, styles and images that Python packages bring for their models."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from werkzeug.security import safe_join

from quart_app.engine.extensions import FILES

REFERENCE = re.compile(rf"""(["'(=]\s*)(?:\./)?{re.escape(FILES)}""")


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
    """Return a file beside the script of an extension, or below; None if there is none."""
    script = extension_script(package, folders)
    if script is None:
        return None
    found = safe_join(str(script.parent), path)
    return Path(found) if found and os.path.isfile(found) else None


class AtThisSite:
    """How references to files of extensions lead to this site, from any page of it.

    copies: where packages refer to the Internet for files that are here too, as in an Outline.
    """

    def __init__(self, root_path: str, copies: Mapping[str, str]) -> None:
        self._root_path = root_path
        self.copies = {there: self._path(here) for there, here in copies.items()}
        """The same, with paths that lead to this site."""

    def url(self, url: str) -> str:
        """Return where a script or style sheet is that a model names."""
        copied = self._copied(url)
        if copied != url or re.match(r"[a-z]+:|//", url, re.IGNORECASE):
            return copied
        return self._path(re.sub(r"^[./]*", "", url))

    def page(self, page: str) -> str:
        """Return an application's own page with its references leading to this site."""
        return REFERENCE.sub(lambda found: found[1] + self._path(FILES), self._copied(page))

    def _copied(self, text: str) -> str:
        for there, here in self.copies.items():
            text = text.replace(there, here)
        return text

    def _path(self, path: str) -> str:
        if path.startswith(FILES):
            path = f"bokeh/extensions/{path.removeprefix(FILES)}"
        return f"{self._root_path}/{path}"

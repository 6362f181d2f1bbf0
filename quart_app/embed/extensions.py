"""Extensions of BokehJS: the scripts, styles and images that Python packages bring for their models."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from werkzeug.security import safe_join

from quart_app.servers.extensions import FILES

REFERENCE = re.compile(rf"""(["'(=]\s*)(?:\./)?{re.escape(FILES)}""")


def extension_script(package: str, folders: Sequence[str] = ()) -> Path | None:
    """Return where a Bokeh extension has its script, as ``bokeh.embed.bundle`` does, without importing it.

    folders: where to look for the package first.
    """
    spec = PathFinder.find_spec(package, [*folders, *sys.path]) if package.isidentifier() else None
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


def at_this_site(url: str, root_path: str) -> str:
    """Return a URL that a model names, as one that leads from any page to this site, unless it leads away."""
    if re.match(r"[a-z]+:|//", url, re.IGNORECASE):
        return url
    path = re.sub(r"^[./]*", "", url)
    return f"{root_path}/{'bokeh/extensions/' + path.removeprefix(FILES) if path.startswith(FILES) else path}"


def refer_to_this_site(page: str, root_path: str) -> str:
    """Return an application's own page with its references to files of extensions leading to this site."""
    return REFERENCE.sub(rf"\g<1>{root_path}/bokeh/extensions/", page)

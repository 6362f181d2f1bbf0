"""The catalogue of applications: files, folders and notebooks in one folder, read without running them."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from quart_app.settings import SettingsError

# First parts of the site's own URLs, which no application can have as its name.
RESERVED = frozenset({"bokeh", "healthz", "readyz", "metrics", "static", "favicon.ico"})
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass
class BokehApp:
    """One application of the folder, with its title and description for a gallery."""

    name: str
    """The file's or folder's name without its suffix: part of the URL, as with ``bokeh serve``."""
    path: Path
    """The argument of ``bokeh serve``: a ``.py`` or ``.ipynb`` file, or a folder with a ``main`` file."""
    title: str
    description: str = ""
    error: str = ""
    """Why no server is asked to load it, in one line; empty if there is no reason."""

    @property
    def static_folder(self) -> Path | None:
        """The folder of static files that Bokeh serves as ``/name/static``."""
        folder = self.path / "static"
        return folder if folder.is_dir() else None


def discover(folder: Path) -> dict[str, BokehApp]:
    """Find the applications in a folder: ``name.py``, ``name.ipynb``, ``name/main.py``, ``name/main.ipynb``.

    Names that begin with ``_`` or ``.`` are left out: modules that applications share, and caches.
    An application that cannot be parsed, or a notebook without nbconvert, is listed with its error, because
    it would keep a Bokeh server from starting. No application is run.

    Raises SettingsError if there is no such folder, or if two pages would have the same URL.
    """
    if not folder.is_dir():
        raise SettingsError(f"BOKEH_APPS: there is no folder {str(folder)!r}")
    found: dict[str, BokehApp] = {}
    for path in sorted(folder.iterdir()):
        main = _main_file(path)
        if main is None or path.name.startswith(("_", ".")):
            continue
        name = path.name if path.is_dir() else path.stem
        if name in RESERVED:
            raise SettingsError(f"BOKEH_APPS: {path} would hide the site's own /{name}: rename it")
        if name in found:
            raise SettingsError(f"BOKEH_APPS: {found[name].path} and {path} are both /{name}: rename one")
        found[name] = _read(name, path.absolute(), main)
    return found


def _main_file(path: Path) -> Path | None:
    """Return the file that Bokeh runs for this entry of the folder; None if it is not an application."""
    if path.is_dir():
        mains = (path / "main.py", path / "main.ipynb")
        return next((main for main in mains if main.is_file()), None)
    return path if path.suffix in (".py", ".ipynb") and path.is_file() else None


def _read(name: str, path: Path, main: Path) -> BokehApp:
    app = BokehApp(name, path, title=name.replace("_", " ").replace("-", " ").capitalize())
    try:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"the name {name!r} cannot be part of a URL: use letters, digits, '_', '-' and '.'"
            )
        source = main.read_text(encoding="utf-8")
        text = _notebook_heading(source) if main.suffix == ".ipynb" else ast.get_docstring(ast.parse(source))
    except SyntaxError as error:
        app.error = f"{main.name}, line {error.lineno}: {error.msg}"
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        app.error = f"{main.name}: {error}"
    else:
        title, _, rest = (text or "").strip().partition("\n")
        app.title = title.strip().rstrip(".") or app.title
        app.description = " ".join(rest.strip().partition("\n\n")[0].split())
        if main.suffix == ".ipynb" and find_spec("nbconvert") is None:
            app.error = f"{main.name} needs nbconvert: pip install 'quart-bokeh[notebook]'"
    return app


def _notebook_heading(source: str) -> str:
    """Return the first heading of a notebook, and the text below it in the same cell."""
    for cell in json.loads(source)["cells"]:
        text = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown" and text.startswith("#"):
            heading, _, rest = text.partition("\n")
            return f"{heading.lstrip('#').strip()}\n{rest}"
    return ""

"""Join the modules of the loader into the one script that browsers load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "static" / "loader"
ENTRY = "main.js"
IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([^"]+)";\n', re.MULTILINE)
DECLARATION = re.compile(r"^(export )?((?:async function|function|class|const|let) (\w+))", re.MULTILINE)
LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
COMMENT = re.compile(r"^[ \t]*(?:/\*\*.*?\*/[ \t]*\n?|//[^\n]*\n)", re.MULTILINE | re.DOTALL)
"""A comment at the beginning of a line."""


class JoinError(ValueError):
    """The modules cannot be joined."""


def load_loader() -> str:
    """Return the script of the loader. Blocks for some milliseconds."""
    modules = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.js")}
    return join(modules, ENTRY)


def join(modules: Mapping[str, str], entry: str) -> str:
    """Return the module ``entry`` and what it imports as one script, each module after its imports.

    modules: texts by file name. They may use ``import {a, b} from "./name.js"``, and ``export`` in front of
        declarations, each at the beginning of a line. Comments that begin a line are left out.

    Raises JoinError for any other import or export, an import that is not exported, two declarations of one
    name, and imports that go round in a circle.
    """
    texts: dict[str, str] = {}
    owners: dict[str, str] = {}
    exports: dict[str, set[str]] = {}

    def add(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            raise JoinError(f"{' -> '.join((*path, module))} is a circle")
        if module in texts:
            return
        text = modules[module]
        for names, source in IMPORT.findall(text):
            if source not in modules:
                raise JoinError(f"{module} imports from {source}, which does not exist")
            add(source, (*path, module))
            for name in filter(None, map(str.strip, names.split(","))):
                if name not in exports[source]:
                    raise JoinError(f"{module} imports {name}, which {source} does not export")
        for _, _, name in DECLARATION.findall(text):
            if (owner := owners.setdefault(name, module)) != module:
                raise JoinError(f"{owner} and {module} both declare {name}")
        exports[module] = {name for export, _, name in DECLARATION.findall(text) if export}
        texts[module] = DECLARATION.sub(r"\2", IMPORT.sub("", COMMENT.sub("", text))).strip()
        if left := LEFT.search(texts[module]):
            raise JoinError(f"{module} has {left[0]!r}, which cannot be joined")

    add(entry, ())
    return "\n".join(f"// {module}\n{text}" for module, text in texts.items()) + "\n"

"""The architecture of the package: who imports whom, sizes of modules, what an import loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from harness import ROOT

PACKAGE = ROOT / "quart_app"
LINES = 250
LAYERS = (
    ("__init__",),
    ("application",),
    ("site",),
    ("extension",),
    ("routes",),
    ("view",),
    ("runtime",),
    ("page", "relay", "sessions"),
    ("fleet",),
    ("asgi", "protocol", "settings", "catalogue"),
)
"""The packages of the web process, from the one that imports most to those that import least."""
SAME_LAYER = {
    ("page", "relay"),
    ("page", "sessions"),
    ("catalogue", "settings"),
    ("settings", "asgi"),
    ("settings", "protocol"),
}
"""Imports that are allowed between packages of one layer."""


def allowed() -> dict[str, set[str]]:
    """Return which other packages each package may import."""
    packages: dict[str, set[str]] = {"engine": {"protocol"}}
    for number, layer in enumerate(LAYERS):
        below = {package for lower in LAYERS[number + 1 :] for package in lower}
        for package in layer:
            packages[package] = below | {other for one, other in SAME_LAYER if one == package}
    return {**packages, "protocol": set()}


def name_of(path: Path) -> str:
    """Return a module's dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def package_of(module: str) -> str:
    """Return the folder of a module, or its own name where it stands directly in the package."""
    return module.split(".")[1] if "." in module else "__init__"


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk through a module, also into functions, but not into ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from (node for other in child.orelse for node in (other, *nodes(other)))
        else:
            yield child
            yield from nodes(child)


def imported(module: str, path: Path) -> set[str]:
    """Return which modules of the package a module imports."""
    names: set[str] = set()
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            origin = ".".join(filter(None, (base, node.module)))
            inside = {f"{origin}.{alias.name}" for alias in node.names}
            names |= inside & MODULES.keys() or {origin}
    return (names & MODULES.keys()) - {module}


IMPORTS = {module: imported(module, path) for module, path in MODULES.items()}


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the nodes of one cycle in a graph, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def test_imports_inside_functions_are_read_and_those_for_type_checkers_are_not(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from quart_app.extension import BokehEmbed\n"
        "else:\n    import quart_app.settings\n"
        "def function():\n    from .. import catalogue\n    from ..fleet import fleet\n"
    )
    assert imported("quart_app.relay.module", path) == {
        *("quart_app.settings", "quart_app.catalogue", "quart_app.fleet.fleet")
    }


def test_packages_import_only_the_packages_below_them():
    packages = allowed()
    wrong = [
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in sorted(others)
        if package_of(other) != package_of(module) and package_of(other) not in packages[package_of(module)]
    ]
    assert wrong == []


def test_every_module_belongs_to_a_known_package():
    assert {package_of(module) for module in MODULES} <= allowed().keys()


def test_packages_do_not_import_each_other_in_a_cycle():
    graph: dict[str, set[str]] = {}
    for module, others in IMPORTS.items():
        graph.setdefault(package_of(module), set()).update(
            set(map(package_of, others)) - {package_of(module)}
        )
    assert cycle_in(graph) == []


def test_modules_do_not_import_each_other_in_a_cycle():
    assert cycle_in(IMPORTS) == []


def test_no_module_is_longer_than_250_lines():
    paths = [*MODULES.values(), *(PACKAGE / "static").rglob("*.js")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in paths}
    assert {name: count for name, count in lines.items() if count > LINES} == {}


def test_each_module_says_what_it_is_for():
    trees = {module: ast.parse(path.read_text()) for module, path in MODULES.items()}
    assert [module for module, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


def loaded_by(statement: str, *names: str) -> list[str]:
    """Return which of these modules a fresh Python process has loaded after a statement."""
    script = f"import sys; {statement}; print(*(set({names}) & set(sys.modules)))"
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()


def test_the_web_process_loads_neither_bokehs_models_nor_tornado():
    heavy = ("bokeh.models", "bokeh.server", "bokeh.document", "tornado")
    assert loaded_by("import quart_app; quart_app.create_app()", *heavy) == []


def test_the_bokeh_server_process_loads_no_web_framework():
    assert loaded_by("import quart_app.engine.serve", "quart", "hypercorn", "quart_app.extension") == []

"""Patches of Bokeh, one module per subject, and how they are applied.

A patch is a function that first checks that Bokeh is as it expects (``expect``) and then changes it. Patches
that security or correctness rests on go to ``require``, all others to ``improve``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import Any

import bokeh

log = logging.getLogger(__name__)

Patch = Callable[[], None]
Names = Mapping[type, Iterable[str]]
"""Attributes by class, those that ``__init__`` sets included."""


class BokehChanged(Exception):
    """Bokeh, or Tornado, is not as expected. The message names what has changed."""


def expect(what: str, *conditions: bool) -> None:
    """Raise BokehChanged unless all conditions hold. ``what`` names the part of Bokeh that they describe."""
    if not all(conditions):
        raise BokehChanged(what)


def expect_names(names: Names) -> None:
    """Raise BokehChanged for the first of these names that has gone."""
    for owner, attributes in names.items():
        set_in_init = set().union(*(names_used(vars(base).get("__init__")) for base in owner.__mro__))
        for name in attributes:
            is_there = hasattr(owner, name) or name in set_in_init
            expect(f"{owner.__module__}.{owner.__qualname__}.{name}", is_there)


def require(*patches: Patch) -> None:
    """Apply patches that the server must not run without. Exits with status 1 if Bokeh has changed."""
    for patch in patches:
        try:
            patch()
        except (BokehChanged, AttributeError, ImportError) as error:
            raise SystemExit(
                f"This server does not work with Bokeh {bokeh.__version__}, which has changed {error}. "
                "Install an earlier version of Bokeh."
            ) from None


def improve(*patches: Patch) -> None:
    """Apply patches that the server also runs without. Logs a warning for each that no longer fits Bokeh."""
    for patch in patches:
        try:
            patch()
        except (BokehChanged, AttributeError, ImportError) as error:
            name = getattr(patch, "func", patch).__qualname__  # of a partial, too
            log.warning("Patch %s is not applied: Bokeh %s has changed %s", name, bokeh.__version__, error)


def names_used(function: Any) -> set[str]:
    """Return the names that a function's code uses, including those of nested functions."""
    code = getattr(inspect.unwrap(function), "__code__", None)  # None of what is not written in Python
    return _names_in(code) if code else set()


def _names_in(code: CodeType) -> set[str]:
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*map(_names_in, inner))

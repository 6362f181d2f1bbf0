"""What a page must know of a session's document before it shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from bokeh.document import Document


@dataclass(frozen=True)
class Root:
    """A root of a document: its id, and its name if it has one."""

    id: str
    name: str | None = None


@dataclass(frozen=True)
class Outline:
    """The roots of a document, and the names of the model types in it.

    A server of ours puts it into its first message, so that a page has not to take the whole document.
    """

    roots: tuple[Root, ...]
    types: frozenset[str]

    @classmethod
    def of(cls, document: Document) -> Self:
        return cls(
            tuple(Root(root.id, root.name) for root in document.roots),
            frozenset(type(model).__qualified_model__ for model in document.models),
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(tuple(Root(**root) for root in content["roots"]), frozenset(content["types"]))

    def to_json(self) -> dict[str, Any]:
        return {"roots": [asdict(root) for root in self.roots], "types": sorted(self.types)}

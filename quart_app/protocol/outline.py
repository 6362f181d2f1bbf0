"""What a page must know of a session's document before it shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from bokeh.core.templates import FILE
from bokeh.document import Document
from bokeh.model import DataModel

from quart_app.engine.extensions import Link, copies_of, links_of


@dataclass(frozen=True)
class Root:
    """A root of a document: its id, and its name if it has one."""

    id: str
    name: str | None = None


@dataclass(frozen=True)
class Outline:
    """The roots of a document, and what its models need in a page.

    A server of ours puts it into its first message, so that a page has not to take the whole document.
    """

    roots: tuple[Root, ...]
    types: frozenset[str]
    """Names of the model types in it whose scripts are files: not those that it defines itself."""
    links: Mapping[str, Sequence[Link]] = field(default_factory=dict)
    """What each of these types, and of others that may follow them, names as its scripts and style sheets."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Where they refer to the Internet for files that are here too."""
    code: str = ""
    """The script of the types that have their implementation in their classes."""
    has_template: bool = False
    """Whether it has a page of its own."""

    @classmethod
    def of(cls, document: Document) -> Self:
        types = {type(model) for model in document.models}
        return cls(
            tuple(Root(root.id, root.name) for root in document.roots),
            frozenset(
                type_.__qualified_model__
                for type_ in types
                if not (issubclass(type_, DataModel) or hasattr(type_, "__implementation__"))
            ),
            links_of(types),
            copies_of(types),
            has_template=document.template is not FILE,
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        roots = tuple(Root(**root) for root in content["roots"])
        return cls(**{**content, "roots": roots, "types": frozenset(content["types"])})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "types": sorted(self.types)}

"""What a page needs to know of a session's document, as plain data.

Our Bokeh server sends it in the ACK of a new session, so that no page has to pull the whole document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

EXTENSION_FILES = "static/extensions/"
"""The path at which a Bokeh server has the files of extensions."""

Link = tuple[str, str, str]
"""``script``, ``module`` or ``style``; its URL; and the global name that a module's default export gets."""


@dataclass(frozen=True)
class Root:
    """A root of a document: its id, and its name if it has one."""

    id: str
    name: str | None = None


@dataclass(frozen=True)
class Template:
    """A document's own template, rendered as a page with an empty element for each root."""

    html: str
    elements: Mapping[str, str]
    """The id of the element for each root id."""


@dataclass(frozen=True)
class Outline:
    """Summary of a document: its roots, the scripts that its models need in a page, its own template."""

    roots: tuple[Root, ...]
    bundles: frozenset[str] = frozenset({"bokeh"})
    """Bundles of BokehJS, such as ``bokeh-widgets``."""
    packages: tuple[str, ...] = ()
    """Python packages whose BokehJS extensions it uses, such as ``panel``."""
    eval_models: tuple[str, ...] = ()
    """Names of its model types that evaluate text as JavaScript, which needs ``'unsafe-eval'``."""
    links: Mapping[str, Sequence[Link]] = field(default_factory=dict)
    """By model type of another package: the scripts and style sheets that it names."""
    cdn_to_local: Mapping[str, str] = field(default_factory=dict)
    """Maps URLs of a CDN, to which packages refer, to the paths of the same files at the Bokeh server."""
    models_script: str = ""
    """The compiled script of types with an ``__implementation__``."""
    template: Template | None = None
    """The document's own template, if it has one."""

    @property
    def root_names(self) -> list[str]:
        """The names of the roots that have one, in the document's order."""
        return [root.name for root in self.roots if root.name]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` returned. Raises LookupError or TypeError for anything else."""
        template = content["template"]
        return cls(
            **{
                **content,
                "roots": tuple(Root(**root) for root in content["roots"]),
                "bundles": frozenset(content["bundles"]),
                "packages": tuple(content["packages"]),
                "eval_models": tuple(content["eval_models"]),
                "template": Template(**template) if template else None,
            }
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "bundles": sorted(self.bundles)}

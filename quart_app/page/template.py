"""An application's own template as the page of one session: its roots, put into their elements."""

from __future__ import annotations

import re
from collections.abc import Callable

from markupsafe import Markup

from quart_app.protocol.outline import Template

ELEMENT = re.compile(r'(?P<tag><div id="(?P<id>[^"]+)"[^>]*>)</div>')
"""What Bokeh's macro ``embed`` writes for a root."""


def fill(template: Template, root: Callable[[str], Markup]) -> str:
    """Return the page with ``root(root_id)`` in the element of each root."""
    by_element = {element: root_id for root_id, element in template.elements.items()}

    def place(element: re.Match[str]) -> str:
        root_id = by_element.get(element["id"])
        return element[0] if root_id is None else f"{element['tag']}\n{root(root_id)}\n</div>"

    return ELEMENT.sub(place, template.html)

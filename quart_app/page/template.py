"""An application's own ``templates/index.html``, as the page of one session on this site.

Only a server of ours can render it: it has the document, with its template and its variables. It leaves
Bokeh's scripts and styles out of it, and says which element is for which root; here the roots come in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from time import monotonic
from urllib.parse import urlsplit

from markupsafe import Markup

PLACEHOLDER = "<!-- quart-bokeh: script -->"
"""Where the page would have had Bokeh's script."""
ELEMENT = re.compile(r'(?P<tag><div id="(?P<id>[^"]+)"[^>]*>)</div>')
"""What Bokeh's macro ``embed`` writes for a root."""


@dataclass(frozen=True)
class Template:
    """A rendered page with an empty element for each root."""

    html: str
    elements: dict[str, str]
    """Which element is for which root: root id to element id."""

    def fill(self, root: Callable[[str], Markup]) -> str:
        """Return the page with ``root(root_id)`` in the element of each root."""
        by_element = {element: root_id for root_id, element in self.elements.items()}

        def place(element: re.Match[str]) -> str:
            root_id = by_element.get(element["id"])
            return element[0] if root_id is None else f"{element['tag']}\n{root(root_id)}\n</div>"

        return ELEMENT.sub(place, self.html.replace(PLACEHOLDER, ""))


def fetch_template(url: str, token: str, *, deadline: float) -> Template | None:
    """Ask the server for the page of the session that the token names; None if it has no own template.

    url: of the application on its server. deadline: as ``time.monotonic()`` counts; what is left of it at the
    beginning is the most for each wait. Blocks. Raises OSError.
    """
    address = urlsplit(url)
    connect = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = connect(address.netloc, timeout=max(deadline - monotonic(), 0.001))
    try:
        connection.request("GET", f"{address.path}/page", headers={"Bokeh-Token": token})
        answer = connection.getresponse()
        html = answer.read().decode()
        if answer.status != 200 or answer.headers.get("X-Bokeh-Template") != "own":
            return None
        return Template(html, json.loads(answer.headers.get("X-Bokeh-Roots", "{}")))
    except HTTPException as error:
        raise OSError(f"no page: {error!r}") from error
    finally:
        connection.close()

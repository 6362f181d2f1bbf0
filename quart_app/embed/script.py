"""From a pulled session to the text that a template puts at ``{{ script|indent(4)|safe }}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from bokeh.core.types import ID
from bokeh.embed import server_session
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from quart_app.embed.errors import EmbedError
from quart_app.servers.extensions import Link
from quart_app.servers.outline import Root

RELAY = Markup(
    """\
{preloads}
{stylesheet}
<div class="bokeh-embed" data-app="{app}" data-state="loading">
  <script type="application/json">{block}</script>
</div>
{loader}"""
)
FAILURE = Markup(
    """\
<link rel="stylesheet" href="{stylesheet}">
<div class="bokeh-embed" data-app="{app}" data-state="error">
  <div class="bokeh-embed-note" role="alert">
    <p><strong>{title}.</strong> <span data-error="{error_id}">{text}</span></p>
    <p><a href="">Try again</a></p>
  </div>
</div>"""
)
PRELOAD = Markup('<link rel="preload" as="script" href="{}" data-bokeh-embed>')
STYLESHEET = Markup('<link rel="stylesheet" href="{}">')
LOADER = Markup('<script type="module" async src="{}"></script>')


def direct(session_id: str, url: str) -> Markup:
    """Return what the classic recipe returns: the browser then talks to the Bokeh server itself.

    url: of the application on its server, as the browser reaches it.
    """
    return Markup(server_session(session_id=ID(session_id), url=url))


@dataclass(frozen=True)
class Block:
    """What the loader in the page has to know about a session: the data block, key for key.

    All URLs begin at the host: they have the path prefix in them.
    """

    app: str
    ticket: str
    path: str
    """Of the websocket, without its ``/ws``."""
    renew: str
    """Where an element that came later asks for a new session, and, at ``/state``, every one for its own."""
    bokeh: str
    """Version of the BokehJS in the bundles."""
    dev: bool
    """Whether the page gets a new session by itself, as its application is being written."""
    roots: tuple[Root, ...]
    bundles: tuple[str, ...]
    """URLs of the scripts that the document needs, in the order of loading."""
    others: tuple[str, ...]
    """URLs of those that it may need when it changes."""
    links: Mapping[str, Sequence[Link]] = field(default_factory=dict)
    """What models of other packages need, by their types: as in an Outline, with URLs for this page."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Where their files are on the Internet, and where on this site."""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def relay(block: Block, *, loader: str, stylesheet: str, root: str | None = None) -> Markup:
    """Return an element with the data block, and our loader: the browser then talks to this site only.

    loader, stylesheet: URLs of embed.js and embed.css.
    root: name of the one root that the element shows; None: all of them.
    """
    content = block.as_dict()
    if root is not None:
        content["root"] = root
    return RELAY.format(
        app=block.app,
        block=htmlsafe_json_dumps(content, separators=(",", ":")),
        loader=LOADER.format(loader),
        stylesheet=STYLESHEET.format(stylesheet),
        preloads=preloads(block.bundles),
    )


def preloads(urls: Sequence[str]) -> Markup:
    """Return the tags that make a browser fetch scripts, in their order, while it still reads the page."""
    return Markup("\n").join(map(PRELOAD.format, urls))


def early(urls: Sequence[str], *, loader: str, stylesheet: str) -> Markup:
    """Return what the head of a page may have, so that its scripts run while its session is being made."""
    return Markup("\n").join([preloads(urls), STYLESHEET.format(stylesheet), LOADER.format(loader)])


def failure(application: str, error: EmbedError, *, stylesheet: str) -> Markup:
    """Return what stands in a page that has begun, in place of a plot that there will not be."""
    error_id = getattr(error, "id", None)
    return FAILURE.format(
        stylesheet=stylesheet,
        app=application,
        title=error.name,
        text=error.description,
        error_id=error_id or "",
    )

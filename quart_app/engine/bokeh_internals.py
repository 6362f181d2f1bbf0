"""The names of Bokeh's server that admission and our handlers rest on, and the check that they exist."""

from __future__ import annotations

from bokeh.server.contexts import ApplicationContext
from bokeh.server.server import Server
from bokeh.server.session import ServerSession
from bokeh.server.views.autoload_js_handler import AutoloadJsHandler
from bokeh.server.views.doc_handler import DocHandler
from bokeh.server.views.session_handler import SessionHandler
from bokeh.server.views.ws import WSHandler

from quart_app.engine.patches import Names, expect, expect_names, names_used

NAMES: Names = {
    ApplicationContext: ["_sessions", "_pending_sessions", "_discard_session", "create_session_if_needed"],
    ServerSession: ["_token", "block_expiration", "unblock_expiration", "connection_count", "destroyed"],
    WSHandler: ["_async_open", "_token", "connection", "application_context", "send_message"],
    SessionHandler: ["get_session", "application_context"],
    Server: ["_tornado", "_sigterm"],
}


def check() -> None:
    """Raise BokehChanged if a name has gone, or if Bokeh's handlers no longer use what ours replace."""
    expect_names(NAMES)
    for handler in (DocHandler, AutoloadJsHandler):
        used = "get_session" in names_used(handler.get)
        expect(f"how {handler.__qualname__} gets its session", used)
    opens = {"create_session_if_needed", "new_connection", "send_message"} <= names_used(
        WSHandler._async_open
    )
    expect("how a websocket is opened (WSHandler._async_open)", opens)
    expect("which method opens a websocket (WSHandler.open)", "_async_open" in names_used(WSHandler.open))

"""Websocket close codes (RFC 6455, 7.4) and what they mean between browser, site and Bokeh server."""

from __future__ import annotations

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
ABNORMAL = 1006
"""No close frame came. It is never sent."""
TOO_LARGE = 1009
INTERNAL_ERROR = 1011
RESTART = 1012
"""The server or the site restarts: connect again."""
OPENED_ELSEWHERE = 4409
"""A newer websocket of the same session has replaced this one."""
DISCARD = 4410
"""From the web process to the Bokeh server: discard this session, no browser will connect to it."""


def may_be_sent(code: int) -> bool:
    """Whether an endpoint may put this code into a close frame."""
    return code in {1000, 1001, 1002, 1003} or 1007 <= code <= 1014 or 3000 <= code <= 4999

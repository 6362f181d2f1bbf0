"""What is said on one carried websocket: a pump for each direction, and how the end is told."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from aiohttp import ClientWebSocketResponse, WebSocketError, WSMessage, WSMsgType

from quart_app.browser import Browser

SEND_TIMEOUT = 30.0
"""Seconds for one message to be taken; who needs longer has stopped reading."""


class Closed(Exception):
    """The end of one carried websocket, as the browser is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


async def to_server(browser: Browser, upstream: ClientWebSocketResponse) -> None:
    """Pass on what the browser says. Raises Gone when it leaves."""
    while True:
        data = await browser.receive()
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                if isinstance(data, str):
                    await upstream.send_str(data)
                else:
                    await upstream.send_bytes(data)
        except TimeoutError:
            raise Closed(1011, "the server takes nothing") from None
        except ConnectionError:
            return  # the other pump finds out why


async def to_browser(upstream: ClientWebSocketResponse, browser: Browser) -> None:
    """Pass on what the server says. Raises Closed when it ends."""
    connection = upstream.get_extra_info("socket")
    acknowledge = getattr(socket, "TCP_QUICKACK", None)  # Linux
    while True:
        message = await upstream.receive()
        if acknowledge and connection is not None:
            # A stock server sends a message in three small writes and waits for the ACK of each.
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, acknowledge, 1)
        if message.type is WSMsgType.BINARY or message.type is WSMsgType.TEXT:
            try:
                async with asyncio.timeout(SEND_TIMEOUT):
                    await browser.send(message.data)
            except TimeoutError:
                raise Closed(1011, "the browser takes nothing") from None
        else:
            raise _why(message)


def _why(message: WSMessage) -> Closed:
    """Return how a browser is told what a server's last message means."""
    if message.type is WSMsgType.CLOSE:
        return Closed(message.data if is_legal(message.data) else 1011, message.extra or "")
    if isinstance(message.data, WebSocketError):
        large = message.data.code == 1009
        return Closed(1009, "message too large") if large else Closed(1011, "the server broke the protocol")
    return Closed(1012, "the server has gone")


def is_legal(code: int) -> bool:
    """Whether an endpoint may send this close code."""
    return code in {1000, 1001, 1002, 1003} or 1007 <= code <= 1014 or 3000 <= code <= 4999

"""What is said on one carried websocket: a pump for each direction, and how the end is told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic

from aiohttp import ClientWebSocketResponse, WebSocketError, WSMessage, WSMsgType

from quart_app.relay.browser import Browser
from quart_app.relay.sockets import Wire

SEND_TIMEOUT = 30.0
"""Seconds for one message to be taken; who needs longer has stopped reading."""
GOODBYE = 0.5
"""Seconds to wait for the other side's close frame."""


class Closed(Exception):
    """The end of one carried websocket, as the browser is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Patience:
    """Ends the carrying when a side does not take a message in time.

    Looked at now and then: a timer for each frame would cost a tenth of what carrying it costs.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def begin(self, who: str) -> None:
        self._since[who] = monotonic()

    def end(self, who: str) -> None:
        del self._since[who]

    async def watch(self) -> None:
        """Raise Closed when it is at an end."""
        while True:
            await asyncio.sleep(SEND_TIMEOUT / 6)
            for who, since in self._since.items():
                if monotonic() - since > SEND_TIMEOUT:
                    raise Closed(1011, f"{who} takes nothing")


async def to_server(browser: Browser, upstream: ClientWebSocketResponse, patience: Patience) -> None:
    """Pass on what the browser says. Raises Gone when it leaves."""
    wire = Wire(upstream.get_extra_info("socket"))
    while True:
        data = await browser.receive()
        wire.cork()
        patience.begin("the server")
        try:
            if isinstance(data, str):
                await upstream.send_str(data)
            else:
                await upstream.send_bytes(data)
        except ConnectionError:
            return  # the other pump finds out why
        finally:
            patience.end("the server")


async def to_browser(upstream: ClientWebSocketResponse, browser: Browser, patience: Patience) -> None:
    """Pass on what the server says. Raises Closed when it ends."""
    wire = Wire(upstream.get_extra_info("socket"))
    while True:
        message = await upstream.receive()
        wire.acknowledge()
        if message.type is not WSMsgType.BINARY and message.type is not WSMsgType.TEXT:
            raise _why(message)
        patience.begin("the browser")
        await browser.send(message.data)
        patience.end("the browser")


async def leave(upstream: ClientWebSocketResponse, code: int = 1001) -> None:
    """Close the connection to a server that may still be talking."""
    with suppress(TimeoutError):
        # aiohttp reads on to the close frame, for as long as messages come.
        async with asyncio.timeout(GOODBYE):
            await upstream.close(code=code)


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

"""A tunnel: one websocket between a browser and a Bokeh server, whose bytes are forwarded unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any

from quart_app.protocol.close_codes import INTERNAL_ERROR, PROTOCOL_ERROR, RESTART, TOO_LARGE, may_be_sent
from quart_app.relay.browser import Browser, Disconnected
from quart_app.relay.frames import CloseReason, FrameParser, MessageTooLarge, ProtocolViolation
from quart_app.relay.upstream import CLOSE_TIMEOUT, ServerConnection

CHUNK_SIZE = 2**16
"""Largest number of bytes that one read returns."""
PING_INTERVAL = 20.0
"""Seconds between pings to both sides; less if Hypercorn's ``--websocket-ping-interval`` is."""
IDLE_TIMEOUT = 90.0
"""Seconds without a byte from one side until it counts as gone. A server is silent during a long callback,
and a browser's pong waits behind megabytes on a slow line."""
MASKED_PING = b"\x89\x80\0\0\0\0"
HEARTBEAT_REPLY = b"\x81\x00"
"""An empty text message, which answers that of a browser. JavaScript cannot see ping frames."""


class Tunnel:
    """Forwards the frames of an accepted websocket, with backpressure: reads no faster than it can write.

    max_message: largest message of the browser to let pass, in bytes. Those of the server have no limit, as
        with Bokeh: they are forwarded in pieces.
    """

    def __init__(self, browser: Browser, server: ServerConnection, max_message: int) -> None:
        self._browser, self._server = browser, server
        self._from_browser = FrameParser(masked=True, max_message=max_message)
        self._from_server = FrameParser(masked=False, max_message=None)
        self._heartbeat_reply_pending = False
        """Whether a heartbeat is to be answered after the server's current message."""
        self._ended: asyncio.Future[CloseReason] = asyncio.get_running_loop().create_future()
        browser.forward = self._to_server

    def end(self, reason: CloseReason) -> None:
        """End the tunnel, and close the browser's websocket with this reason."""
        if not self._ended.done():
            self._ended.set_result(reason)

    async def run(self) -> CloseReason | None:
        """Forward until one side ends. Return why to close the browser's side; None if that has closed."""
        parts: list[Coroutine[Any, Any, CloseReason | None]] = [
            self._to_browser(),
            self._browser.wait_disconnect(),
            self._check_activity(),
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        ends: list[asyncio.Future[Any]] = [self._ended, *tasks]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self._ended.cancel()
        reason: CloseReason | None = done.pop().result()
        if reason is not None:
            await self._finish_frame()
        return reason

    async def _to_server(self, data: bytes) -> None:
        """Forward bytes of the browser. Its next bytes are read when this returns."""
        if self._from_browser.has_failed:
            return
        try:
            passed = self._from_browser.feed(data)
        except MessageTooLarge:
            self.end(CloseReason(TOO_LARGE, "message too large"))
            return
        except ProtocolViolation:
            self.end(CloseReason(PROTOCOL_ERROR, "invalid websocket frame"))
            return
        close_frame = self._from_browser.close_frame
        with suppress(OSError):  # reading from the server then ends the tunnel
            if not self._ended.done() and passed + close_frame:
                await self._server.write(passed + close_frame)
        if close_frame:
            await self._browser.forward_close(close_frame)
        elif self._from_browser.heartbeats and not self._ended.done():
            await self._answer_heartbeat()

    async def _answer_heartbeat(self) -> None:
        self._from_browser.heartbeats = 0
        self._heartbeat_reply_pending = not self._from_server.is_between_messages
        if not self._heartbeat_reply_pending:
            with suppress(Disconnected):
                await self._browser.write(HEARTBEAT_REPLY)

    async def _to_browser(self) -> CloseReason | None:
        """Forward bytes of the server."""
        frames = self._from_server
        try:
            while data := await self._server.read(CHUNK_SIZE):
                try:
                    passed, reason = frames.feed(data), None
                except ProtocolViolation as error:
                    passed = error.valid
                    reason = CloseReason(INTERNAL_ERROR, "the Bokeh server sent an invalid frame")
                if frames.close_frame:
                    reason = frames.close_reason
                    if not may_be_sent(reason.code):
                        reason = CloseReason(INTERNAL_ERROR, reason.reason)
                if self._heartbeat_reply_pending and frames.is_between_messages:
                    self._heartbeat_reply_pending, passed = False, passed + HEARTBEAT_REPLY
                await self._browser.write(passed)
                if reason is not None:
                    return reason
        except Disconnected:
            return None
        return CloseReason(RESTART, "the Bokeh server closed the connection")

    async def _finish_frame(self) -> None:
        """Complete the current frame to the browser: a close frame can only follow it."""
        frames = self._from_server
        with suppress(Disconnected, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                while frames.remaining and (
                    data := await self._server.read(min(CHUNK_SIZE, frames.remaining))
                ):
                    await self._browser.write(frames.feed(data))
        if frames.remaining:
            self._browser.abort()

    async def _check_activity(self) -> CloseReason | None:
        """Ping both sides. Return when one has been silent for IDLE_TIMEOUT although it could answer."""
        directions = (
            (self._browser, self._server, self._from_browser),
            (self._server, self._browser, self._from_server),
        )
        while True:
            await asyncio.sleep(min(PING_INTERVAL, self._browser.ping_interval))
            now = monotonic()
            for source, sink, frames in directions:
                if sink.is_blocked:
                    source.last_activity = now  # backpressure: nothing is read from it
                elif frames.remaining:
                    sink.last_activity = now  # it gets no ping in the middle of a frame, which may take long
            if now - self._browser.last_activity > IDLE_TIMEOUT:
                self._browser.abort()
                return None
            if now - self._server.last_activity > IDLE_TIMEOUT:
                return CloseReason(RESTART, "the Bokeh server does not answer")
            with suppress(TimeoutError, OSError, Disconnected):
                async with asyncio.timeout(PING_INTERVAL):
                    if not self._from_server.remaining:
                        await self._browser.ping()
                    if not self._from_browser.remaining:
                        await self._server.write(MASKED_PING)

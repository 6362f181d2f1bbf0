"""One websocket on its way between a browser and a Bokeh server: passed on as it comes, until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from quart_app.relay.browser import Browser, Gone
from quart_app.relay.frames import Broken, Frames, TooLarge, is_legal
from quart_app.relay.upstream import GOODBYE, ServerSocket

CHUNK = 2**16
"""Bytes read at once."""
PING_EVERY = 20.0
"""Seconds between pings to both sides."""
SILENCE = 90.0
"""Seconds without a pong or anything else from one side after which it is gone. A server says nothing during
a long callback; a pong of a browser comes after megabytes that wait in between for a slow line."""
MASKED_PING = b"\x89\x80\0\0\0\0"
HEARTBEAT = b"\x81\x00"
"""An empty text message answers an empty text message of a browser: its scripts cannot see pings."""


@dataclass(frozen=True)
class Closed:
    """The end of one carried websocket, as the browser is told."""

    code: int
    reason: str


class Carrying:
    """Carries the frames of an accepted websocket. Each side is read only as fast as the other one takes it.

    max_message: bytes of the largest message to let pass, in either direction.
    """

    def __init__(self, browser: Browser, server: ServerSocket, max_message: int) -> None:
        self._browser, self._server = browser, server
        self._from_browser = Frames(masked=True, max_message=max_message)
        self._from_server = Frames(masked=False, max_message=max_message)
        self._owes_heartbeat = False
        self._ending: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        browser.forward = self._to_server

    def end(self, code: int, reason: str) -> None:
        """End it, and tell the browser why."""
        if not self._ending.done():
            self._ending.set_result(Closed(code, reason))

    async def run(self) -> Closed | None:
        """Carry until it ends. Return what the browser is to be told; None if it has left by itself."""
        parts: list[Coroutine[Any, Any, Closed | None]] = [
            self._to_browser(),
            self._browser.leave(),
            self._watch(),
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        ends: list[asyncio.Future[Any]] = [self._ending, *tasks]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self._ending.cancel()
        closed: Closed | None = done.pop().result()
        if closed is not None:
            await self._finish_frame()
        return closed

    async def _to_server(self, data: bytes) -> None:
        """Pass on what the browser says. Its reader goes on when this returns."""
        if self._from_browser.is_broken:
            return
        try:
            passed = self._from_browser.follow(data)
        except TooLarge:
            self.end(1009, "message too large")
            return
        except Broken:
            self.end(1002, "no websocket frames")
            return
        goodbye = self._from_browser.close_frame
        with suppress(OSError):  # the other direction finds out why
            if not self._ending.done() and passed + goodbye:
                await self._server.write(passed + goodbye)
        if goodbye:
            await self._browser.say_goodbye(goodbye)
        elif self._from_browser.heartbeats:
            await self._answer_heartbeat()

    async def _answer_heartbeat(self) -> None:
        """Answer the browser now, or after the server's message that is under way."""
        self._from_browser.heartbeats = 0
        self._owes_heartbeat = not self._from_server.is_between_messages
        if not self._owes_heartbeat:
            with suppress(Gone):
                await self._browser.write(HEARTBEAT)

    async def _to_browser(self) -> Closed | None:
        """Pass on what the server says."""
        frames = self._from_server
        try:
            while data := await self._server.read(CHUNK):
                try:
                    passed, closed = frames.follow(data), None
                except TooLarge as fault:
                    passed, closed = fault.before, Closed(1009, "message too large")
                except Broken as fault:
                    passed, closed = fault.before, Closed(1011, "the server broke the protocol")
                if frames.close_frame:
                    code, reason = frames.goodbye
                    closed = Closed(code if is_legal(code) else 1011, reason)
                if self._owes_heartbeat and frames.is_between_messages:
                    self._owes_heartbeat, passed = False, passed + HEARTBEAT
                await self._browser.write(passed)
                if closed is not None:
                    return closed
        except Gone:
            return None
        return Closed(1012, "the server has gone")

    async def _finish_frame(self) -> None:
        """Complete the frame under way to the browser: nothing can be said in the middle of it."""
        frames = self._from_server
        with suppress(Gone, TimeoutError):
            async with asyncio.timeout(GOODBYE):
                while frames.left and (data := await self._server.read(min(CHUNK, frames.left))):
                    await self._browser.write(frames.follow(data))
        if frames.left:
            self._browser.abort()

    async def _watch(self) -> Closed | None:
        """Return when one side has been silent for too long, while it could be asked and heard."""
        upwards = self._browser, self._server, self._from_browser
        downwards = self._server, self._browser, self._from_server
        while True:
            await asyncio.sleep(PING_EVERY)
            now = monotonic()
            for source, sink, frames in (upwards, downwards):
                if sink.is_full:
                    source.heard_at = now  # what it says waits
                elif frames.left:
                    sink.heard_at = now  # no ping goes into a frame, which may take long to come
            if now - self._browser.heard_at > SILENCE:
                self._browser.abort()
                return None
            if now - self._server.heard_at > SILENCE:
                return Closed(1012, "the server does not answer")
            with suppress(TimeoutError, OSError, Gone):
                async with asyncio.timeout(PING_EVERY):
                    if not self._from_server.left:
                        await self._browser.ping()
                    if not self._from_browser.left:
                        await self._server.write(MASKED_PING)

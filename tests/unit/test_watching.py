"""When the relay takes one side of a websocket for gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from quart_app.relay import tunnel as carrying
from quart_app.relay.tunnel import SILENCE, Carrying, Closed

STEP = 30.0
HALF_A_FRAME = {"browser": b"\x82\xfe\xff\xff....half", "server": b"\x82\x7e\xff\xffhalf"}


class Clock:
    """Seconds that pass when the test says so; ``looks`` counts how often somebody asked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now


class Side:
    """A browser or a server: what the relay knows of it. It says what is put into ``words``."""

    forward: Callable[[bytes], Awaitable[None]]

    def __init__(self) -> None:
        self.heard_at = 0.0
        self.is_full = False
        self.is_aborted = False
        self.pings = 0
        self.words: asyncio.Queue[bytes] = asyncio.Queue()

    async def leave(self) -> None:
        await asyncio.Event().wait()

    async def read(self, _: int) -> bytes:
        return await self.words.get()

    async def write(self, data: bytes) -> None:
        self.pings += data == carrying.MASKED_PING

    async def ping(self) -> None:
        self.pings += 1

    def abort(self) -> None:
        self.is_aborted = True


class Watched:
    """A carried websocket; ``silent`` is the side that says nothing, ``other`` goes on."""

    def __init__(self, clock: Clock, silent: str) -> None:
        self.clock = clock
        self.browser, self.server = Side(), Side()
        self.silent = self.browser if silent == "browser" else self.server
        self.other = self.server if silent == "browser" else self.browser
        self.carrying = Carrying(self.browser, self.server, 2**20)  # type: ignore[arg-type]
        self.running: asyncio.Task[Closed | None]

    async def wait(self, seconds: float) -> None:
        """Let time pass, while the other side goes on, until it is over."""
        end = self.clock.now + seconds
        while self.clock.now < end and not self.running.done():
            self.clock.now += STEP
            self.other.heard_at = self.clock.now
            looks = self.clock.looks
            while self.clock.looks < looks + 3 and not self.running.done():
                await asyncio.sleep(0.001)


@asynccontextmanager
async def watched(clock: Clock, silent: str) -> Any:
    async with asyncio.timeout(10):
        made = Watched(clock, silent)
        made.running = asyncio.create_task(made.carrying.run())
        try:
            yield made
        finally:
            made.running.cancel()
            await asyncio.wait([made.running])


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(carrying, "monotonic", clock)
    monkeypatch.setattr(carrying, "PING_EVERY", 0.001)
    return clock


def test_a_browser_that_answers_no_ping_is_dropped(clock):
    async def main() -> None:
        async with watched(clock, "browser") as carried:
            await carried.wait(SILENCE + STEP)
            assert carried.running.done()
            assert carried.running.result() is None
            assert carried.browser.is_aborted
            assert carried.browser.pings

    asyncio.run(main())


def test_the_browser_of_a_server_that_answers_no_ping_is_told(clock):
    async def main() -> None:
        async with watched(clock, "server") as carried:
            await carried.wait(SILENCE + STEP)
            assert carried.running.result() == Closed(1012, "the server does not answer")
            assert carried.server.pings

    asyncio.run(main())


def test_nobody_is_silent_who_cannot_be_heard(clock):
    async def main() -> None:
        async with watched(clock, "browser") as carried:
            carried.server.is_full = True
            await carried.wait(10 * SILENCE)
            assert not carried.running.done()
            carried.server.is_full = False
            await carried.wait(SILENCE + 2 * STEP)
            assert carried.browser.is_aborted

    asyncio.run(main())


@pytest.mark.parametrize("silent", ["server", "browser"])
def test_nobody_is_silent_who_waits_for_the_rest_of_a_slow_frame(clock, silent):
    async def main() -> None:
        async with watched(clock, silent) as carried:
            if silent == "server":
                await carried.browser.forward(HALF_A_FRAME["browser"])
            else:
                carried.server.words.put_nowait(HALF_A_FRAME["server"])
            await carried.wait(10 * SILENCE)
            assert not carried.running.done()

    asyncio.run(main())


def test_a_server_that_takes_nothing_is_silent_in_the_middle_of_a_frame_too(clock):
    async def main() -> None:
        async with watched(clock, "server") as carried:
            await carried.browser.forward(HALF_A_FRAME["browser"])
            carried.server.is_full = True
            await carried.wait(SILENCE + STEP)
            assert carried.running.result() == Closed(1012, "the server does not answer")

    asyncio.run(main())

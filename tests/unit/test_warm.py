from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from quart_app.sessions.errors import ApplicationFailed
from quart_app.sessions.warm import WarmPool


class Session:
    def __init__(self, number: int) -> None:
        self.number = number
        self.is_usable = True


class Maker:
    """Makes numbered sessions, or fails while it is told to."""

    def __init__(self) -> None:
        self.made: list[Session] = []
        self.fails = False

    async def __call__(self, name: str) -> Session:
        if self.fails:
            raise RuntimeError("on purpose")
        self.made.append(Session(len(self.made)))
        return self.made[-1]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def run(test: Callable[[Maker], Awaitable[None]]) -> None:
    asyncio.run(test(Maker()))


def test_it_fills_gives_the_oldest_and_fills_again():
    async def test(make: Maker) -> None:
        async with WarmPool({"a": 2}, make, max_age=60, is_busy=lambda: False) as warm:
            await until(lambda: repr(warm) == "<WarmPool a 2 of 2>")
            assert warm.take("a") is make.made[0]
            assert warm.take("b") is None
            await until(lambda: len(make.made) == 3)
            assert warm.get_stats()["a"]["hits"] == 1

    run(test)


def test_it_leaves_the_server_to_pages_that_wait():
    async def test(make: Maker) -> None:
        busy = True
        async with WarmPool({"a": 1}, make, max_age=60, is_busy=lambda: busy) as warm:
            await asyncio.sleep(0)
            assert warm.take("a") is None
            assert not make.made
            busy = False
            await until(lambda: len(make.made) == 1)

    run(test)


def test_sessions_are_replaced_before_they_are_too_old_and_never_given_after():
    async def test(make: Maker) -> None:
        async with WarmPool({"a": 1}, make, max_age=0.4, is_busy=lambda: False) as warm:
            await until(lambda: len(make.made) >= 3)
            assert warm.take("a") is make.made[-1]

    run(test)


def test_a_session_whose_server_has_gone_is_not_given():
    async def test(make: Maker) -> None:
        async with WarmPool({"a": 1}, make, max_age=60, is_busy=lambda: False) as warm:
            await until(lambda: len(make.made) == 1)
            make.made[0].is_usable = False
            assert warm.take("a") is None
            await until(lambda: len(make.made) == 2)

    run(test)


def test_failures_are_counted_told_once_and_not_tried_again_at_once(caplog):
    async def test(make: Maker) -> None:
        make.fails = True
        async with WarmPool({"a": 2}, make, max_age=60, is_busy=lambda: False) as warm:
            await until(lambda: warm.get_stats()["a"]["errors"] >= 2)
            assert caplog.text.count("No warm session of a: on purpose") == 1
            make.fails = False
            await until(lambda: warm.get_stats()["a"]["available"] == 2)

    run(test)


def test_the_reason_of_an_application_that_fails_is_told(caplog):
    async def test(make: Maker) -> None:
        async def fail(name: str) -> Session:
            raise ApplicationFailed(name, "division by zero")

        async with WarmPool({"a": 1}, fail, max_age=60, is_busy=lambda: False) as warm:
            await until(lambda: warm.get_stats()["a"]["errors"] == 1)
        assert "No warm session of a: division by zero" in caplog.text

    run(test)


def test_closing_ends_a_session_that_is_being_made():
    async def test(make: Maker) -> None:
        cancelled = False

        async def never(name: str) -> Session:
            nonlocal cancelled
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled = True
                raise
            raise AssertionError

        async with WarmPool({"a": 1}, never, max_age=60, is_busy=lambda: False):
            await asyncio.sleep(0.01)
        assert cancelled

    run(test)

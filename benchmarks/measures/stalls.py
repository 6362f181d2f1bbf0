"""What others do to a bystander: sessions that end, and a callback that blocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from benchmarks.bench import Bench, Site
from benchmarks.client import Failed, Socket, plain
from benchmarks.peers import Contestant
from benchmarks.results import Quantity

NAME = "stalls"
SLOW = 0.25
"""Seconds from which on an answer counts as a stall."""
PERIOD = 0.05
"""Seconds between two questions of a bystander."""
BLOCK = 2.0
"""Seconds for which one session's callback blocks."""
CALM = 2.0
"""Seconds without a stall after which nothing more is expected."""
LIMIT = 240.0
"""Seconds after which nobody waits any more."""
STALLED = Quantity(NAME, "seconds in slow answers, open session", "s")
LONGEST = Quantity(NAME, "longest answer, open session", "s")
PAGES_STALLED = Quantity(NAME, "seconds in slow answers, cheap route", "s")
BLOCKED = Quantity(NAME, "longest answer while another's callback blocks for 2 s", "s")
STARTED = Quantity(NAME, "longest answer while another's application starts for 1 s", "s")


def chosen(bench: Bench) -> list[Contestant]:
    """Leave out those whose sessions live in a server that somebody else is measured with."""
    present = bench.alone()
    names = {contestant.name for contestant in present}
    return [contestant for contestant in present if contestant.sessions_of not in names]


async def measure(bench: Bench) -> None:
    plan = bench.plan
    bench.results.remark(
        f"Stalls: {plan.expiring} pages whose browser never comes; their sessions live {plan.lifetime:g} s. "
        f"A slow answer is one of more than {SLOW:g} s to a bystander who asks every {PERIOD:g} s. "
        "Contestants with the same kind of server behind them are measured once."
    )
    for turn in range(max(1, plan.starts // 3)):
        for contestant in chosen(bench):
            with bench.counted(NAME, contestant):
                async with bench.running(contestant, plan.lifetime) as site:
                    await _blocking(bench, site, turn)
                    await _expiring(bench, site, turn)
            bench.say(f"{NAME}: {contestant.name}")


class Bystander:
    """Somebody with an open session who asks a small question again and again."""

    def __init__(self) -> None:
        self._answers: list[float] = []
        self._asked_at: float | None = None
        self._stalled_at = time.perf_counter()

    async def ask(self, question: Callable[[], Awaitable[object]]) -> None:
        while True:
            self._asked_at = begin = time.perf_counter()
            await question()
            self._asked_at = None
            now = time.perf_counter()
            self._answers.append(now - begin)
            if now - begin > SLOW:
                self._stalled_at = now
            await asyncio.sleep(PERIOD)

    def answers(self) -> list[float]:
        """Return the seconds of all answers, and of the one that is still waited for if it is slow."""
        waiting = 0.0 if self._asked_at is None else time.perf_counter() - self._asked_at
        return [*self._answers, waiting] if waiting > SLOW else list(self._answers)

    def stalled(self) -> float:
        """Return the seconds in slow answers."""
        return sum(answer for answer in self.answers() if answer > SLOW)

    def calm(self) -> float:
        """Return the seconds since the last slow answer."""
        if self._asked_at is not None and time.perf_counter() > self._asked_at + SLOW:
            return 0.0
        return time.perf_counter() - self._stalled_at


async def _expiring(bench: Bench, site: Site, turn: int) -> None:
    socket = await site.attach("sliders")
    begin = time.perf_counter()
    await site.visit_many("sliders", bench.plan.expiring)
    made = time.perf_counter()
    if made > begin + bench.plan.lifetime:
        bench.results.fail(NAME, site.name, "the first sessions ended before the last was made")
    cheap = site.url + site.contestant.cheap
    session, route = Bystander(), Bystander()
    tasks = [
        asyncio.create_task(session.ask(socket.exchange)),
        asyncio.create_task(route.ask(lambda: plain(site.http, cheap, LIMIT))),
    ]
    try:
        # Until the last of them has ended, and it has been calm for a while.
        expected = made + bench.plan.lifetime + site.check + CALM
        while time.perf_counter() < expected or min(session.calm(), route.calm()) < CALM:
            if time.perf_counter() > made + LIMIT:
                bench.results.fail(NAME, site.name, f"still not calm {LIMIT:g} s after the last page")
                break
            for task in tasks:
                if task.done():
                    raise task.exception() or Failed("the bystander has gone")
            await asyncio.sleep(0.2)
        add = bench.results.add
        add(STALLED, site.name, turn, [session.stalled()])
        add(LONGEST, site.name, turn, [max(session.answers())])
        add(PAGES_STALLED, site.name, turn, [route.stalled()])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await socket.close()


async def _blocking(bench: Bench, site: Site, turn: int) -> None:
    watched, blocker = await site.attach("sliders"), await site.attach("blocker")
    model = await blocker.find("offset")
    answers = await _answers_beside(watched, blocker.change(model, BLOCK))
    bench.results.add(BLOCKED, site.name, turn, [max(answers)])
    answers = await _answers_beside(watched, site.attach("slow"))
    bench.results.add(STARTED, site.name, turn, [max(answers)])
    await asyncio.gather(watched.close(), blocker.close())


async def _answers_beside(watched: Socket, work: Awaitable[object]) -> list[float]:
    """Return the seconds of a bystander's answers while something else is done."""
    bystander = Bystander()
    task = asyncio.create_task(bystander.ask(watched.exchange))
    try:
        await asyncio.sleep(4 * PERIOD)
        await work
        await asyncio.sleep(4 * PERIOD)
        if task.done():
            raise task.exception() or Failed("the bystander has gone")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return bystander.answers()

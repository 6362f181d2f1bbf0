"""Pages with new sessions: how long one takes, how many a second, and what the web loop does meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.bench import Bench, Polled, Site
from benchmarks.client import Failed, Socket, plain
from benchmarks.results import Quantity

NAME = "pages"
NO_SESSION = Quantity(NAME, "page without a session", "ms")
FIRST = Quantity(NAME, "first byte", "ms")
LAST = Quantity(NAME, "last byte", "ms")
SESSION = Quantity(NAME, "until the session", "ms")
SLOW_FIRST = Quantity(NAME, "first byte, application that starts for 1 s", "ms")
SLOW = Quantity(NAME, "until the session, application that starts for 1 s", "ms")
LARGE = Quantity(NAME, "until the session, 5 MB document", "ms")
ATTACHED = Quantity(NAME, "pages with websocket/s, 8 at once", "1/s", "higher")
FAILED = Quantity(NAME, "failed of 100 pages", "%")


def rate_of(crowd: int) -> Quantity:
    return Quantity(NAME, f"pages/s, {crowd} at once", "1/s", "higher")


def time_of(crowd: int) -> Quantity:
    return Quantity(NAME, f"page time, {crowd} at once", "ms")


def lag_beside(crowd: int) -> Quantity:
    return Quantity(NAME, f"cheap route beside {crowd} at once", "ms")


async def measure(bench: Bench, sites: Sequence[Site]) -> None:
    # An application's first page ever is start-up time.
    firsts = [site.visit(name) for site in sites for name in ("slow", "large")]
    await asyncio.gather(*firsts, return_exceptions=True)
    for turn, site in bench.turns(sites, NAME, bench.plan.rounds):
        await _one_at_a_time(bench, site, turn)
        for crowd in bench.plan.crowds:
            await _at_once(bench, site, turn, crowd)
        await _attached(bench, site, turn)


async def _one_at_a_time(bench: Bench, site: Site, turn: int) -> None:
    add = bench.results.add
    for _ in range(bench.plan.visits):
        with bench.counted(NAME, site):
            add(NO_SESSION, site.name, turn, [1000 * await plain(site.http, site.page(""))])
        with bench.counted(NAME, site):
            page = await site.visit("sliders")
            add(FIRST, site.name, turn, [1000 * page.first_byte])
            add(LAST, site.name, turn, [1000 * page.last_byte])
            add(SESSION, site.name, turn, [1000 * page.session])
    with bench.counted(NAME, site):
        page = await site.visit("slow")
        add(SLOW_FIRST, site.name, turn, [1000 * page.first_byte])
        add(SLOW, site.name, turn, [1000 * page.session])
    with bench.counted(NAME, site):
        add(LARGE, site.name, turn, [1000 * (await site.visit("large")).session])


async def _at_once(bench: Bench, site: Site, turn: int, crowd: int) -> None:
    count = max(bench.plan.crowd, crowd)
    numbers = iter(range(count))
    failed = 0

    async def visitor() -> None:
        nonlocal failed
        for _ in numbers:
            try:
                page = await site.visit("sliders")
                bench.results.add(time_of(crowd), site.name, turn, [1000 * page.session])
            except Failed as error:
                failed += 1
                bench.results.fail(NAME, site.name, f"{error} ({crowd} at once)")

    begin = time.perf_counter()
    async with Polled(site) as answers:
        await asyncio.gather(*(visitor() for _ in range(crowd)))
    seconds = time.perf_counter() - begin
    bench.results.add(rate_of(crowd), site.name, turn, [(count - failed) / seconds])
    bench.results.add(lag_beside(crowd), site.name, turn, [1000 * answer for answer in answers])
    bench.results.add(FAILED, site.name, turn, [100 * failed / count])


async def _attached(bench: Bench, site: Site, turn: int) -> None:
    """Whole visits: what a server puts off until the websocket opens is done here too."""
    count = max(16, bench.plan.crowd // 2)
    numbers = iter(range(count))
    sockets: list[Socket] = []

    async def visitor() -> None:
        for _ in numbers:
            with bench.counted(NAME, site):
                sockets.append(await site.attach("sliders"))

    begin = time.perf_counter()
    await asyncio.gather(*(visitor() for _ in range(8)))
    seconds = time.perf_counter() - begin
    bench.results.add(ATTACHED, site.name, turn, [len(sockets) / seconds])
    await asyncio.gather(*(socket.close() for socket in sockets))

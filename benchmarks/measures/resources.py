"""What sessions and pages cost: descriptors, threads and memory, while they are there and afterwards."""

from __future__ import annotations

import asyncio
import time

from benchmarks.bench import Bench, Polled, Site
from benchmarks.client import Failed
from benchmarks.processes import Use
from benchmarks.results import Quantity

NAME = "resources"
OPEN = 100
"""Sessions that figures are given for; they are scaled where fewer are opened."""
LIMIT = 240.0
"""Seconds after which no more pages are opened."""
CROWD = 32
"""Visitors at once."""
IDLE = Quantity(NAME, "memory after the start", "MB")
PER_OPEN = Quantity(NAME, f"memory of {OPEN} open sessions", "MB")
DESCRIPTORS_OPEN = Quantity(NAME, f"descriptors of {OPEN} open sessions", "1")
THREADS = Quantity(NAME, "threads", "1")
RATE = Quantity(NAME, "pages/s", "1/s", "higher")
FIRST = Quantity(NAME, "pages/s, first tenth", "1/s", "higher")
LAST = Quantity(NAME, "pages/s, last tenth", "1/s", "higher")
BESIDE = Quantity(NAME, "cheap route beside all pages", "ms")
FAILED = Quantity(NAME, "failed of 100 pages", "%")
DESCRIPTORS = Quantity(NAME, "descriptors gained by all pages", "1")
MEMORY = Quantity(NAME, "memory after all pages", "MB")
RESTED = Quantity(NAME, "memory after a rest", "MB")
RESTED_DESCRIPTORS = Quantity(NAME, "descriptors kept after a rest", "1")
GROWTH = Quantity(NAME, "memory after the rest / after 300 pages", "1")


async def measure(bench: Bench) -> None:
    plan = bench.plan
    bench.results.remark(
        f"Resources: {plan.open} open sessions; then {plan.views} pages at {CROWD} at once (at most "
        f"{LIMIT:g} s), then {plan.rest:g} s of rest. Unused sessions live 15 s. All processes of a "
        "contestant together; memory is resident, and what processes share is counted once."
    )
    for contestant in bench.alone():
        with bench.counted(NAME, contestant):
            async with bench.running(contestant, 15.0) as site:
                start = await _settled(site)
                await _open_sessions(bench, site, start)
                await _views(bench, site, start)
        bench.say(f"{NAME}: {contestant.name}")


async def _settled(site: Site) -> Use:
    """Look at the processes when what the last requests left open has been closed."""
    await asyncio.sleep(1)
    return await asyncio.to_thread(site.group.use)


async def _open_sessions(bench: Bench, site: Site, start: Use) -> None:
    count = bench.plan.open
    sockets = await site.attach_many("sliders", count)
    use = await _settled(site)
    scale = OPEN / count
    add = bench.results.add
    add(IDLE, site.name, 0, [start.memory])
    add(PER_OPEN, site.name, 0, [scale * (use.memory - start.memory)])
    add(DESCRIPTORS_OPEN, site.name, 0, [scale * (use.descriptors - start.descriptors)])
    await asyncio.gather(*(socket.close() for socket in sockets))


async def _views(bench: Bench, site: Site, start: Use) -> None:
    plan, add = bench.plan, bench.results.add
    count = plan.views
    done: list[float] = []
    failed = 0
    begin = time.perf_counter()

    async def visitors(until: int) -> None:
        async def visitor() -> None:
            nonlocal failed
            while len(done) + failed + waiting[0] < until and time.perf_counter() < begin + LIMIT:
                waiting[0] += 1
                try:
                    await site.visit("sliders")
                    done.append(time.perf_counter() - begin)
                except Failed as error:
                    failed += 1
                    bench.results.fail(NAME, site.name, str(error))
                finally:
                    waiting[0] -= 1

        waiting = [0]
        await asyncio.gather(*(visitor() for _ in range(CROWD)))

    async with Polled(site) as answers:
        await visitors(max(1, round(count * 0.15)))
        early = await asyncio.to_thread(site.group.use)
        await visitors(count)
    add(BESIDE, site.name, 0, [1000 * answer for answer in answers])
    if len(done) + failed < count:
        bench.results.fail(NAME, site.name, f"only {len(done) + failed} of {count} pages in {LIMIT:g} s")
    if done:
        add(RATE, site.name, 0, [len(done) / done[-1]])
    tenth = len(done) // 10
    if tenth >= 10:  # fewer say nothing about a rate
        add(FIRST, site.name, 0, [tenth / done[tenth - 1]])
        add(LAST, site.name, 0, [tenth / (done[-1] - done[-1 - tenth])])
    add(FAILED, site.name, 0, [100 * failed / max(1, len(done) + failed)])
    use = await _settled(site)
    add(THREADS, site.name, 0, [use.threads])
    add(DESCRIPTORS, site.name, 0, [use.descriptors - start.descriptors])
    add(MEMORY, site.name, 0, [use.memory])
    await asyncio.sleep(plan.rest)
    rested = await _settled(site)
    add(RESTED, site.name, 0, [rested.memory])
    add(RESTED_DESCRIPTORS, site.name, 0, [rested.descriptors - start.descriptors])
    add(GROWTH, site.name, 0, [rested.memory / early.memory])

"""Descriptors, threads and memory: with open sessions, after many pages, and after an idle time."""

from __future__ import annotations

import asyncio
import time

from benchmarks.bench import Bench, CheapRoutePoller, Site
from benchmarks.client import VisitError
from benchmarks.processes import ResourceUsage
from benchmarks.results import Quantity

NAME = "resources"
OPEN_SESSIONS = 100
"""The figures are for this number of sessions; they are scaled if fewer are opened."""
TIME_LIMIT = 240.0
"""Seconds after which no more pages are opened."""
CONCURRENCY = 32
"""Pages that are opened at the same time."""
LIFETIME = 15.0
"""Seconds after which an unused session expires."""
IDLE = Quantity(NAME, "memory after the start", "MB")
MEMORY_OPEN = Quantity(NAME, f"memory of {OPEN_SESSIONS} open sessions", "MB")
DESCRIPTORS_OPEN = Quantity(NAME, f"descriptors of {OPEN_SESSIONS} open sessions", "1")
THREADS = Quantity(NAME, "threads", "1")
RATE = Quantity(NAME, "pages/s", "1/s", "higher")
FIRST_TENTH = Quantity(NAME, "pages/s, first tenth", "1/s", "higher")
LAST_TENTH = Quantity(NAME, "pages/s, last tenth", "1/s", "higher")
CHEAP_ROUTE = Quantity(NAME, "cheap route beside all pages", "ms")
FAILED = Quantity(NAME, "failed of 100 pages", "%")
DESCRIPTORS = Quantity(NAME, "descriptors gained by all pages", "1")
MEMORY = Quantity(NAME, "memory after all pages", "MB")
MEMORY_AT_END = Quantity(NAME, "memory after a rest", "MB")
DESCRIPTORS_AT_END = Quantity(NAME, "descriptors kept after a rest", "1")
GROWTH = Quantity(NAME, "memory after the rest / after 300 pages", "1")


async def measure(bench: Bench) -> None:
    plan = bench.plan
    bench.results.add_remark(
        f"Resources: {plan.open_sessions} open sessions; then {plan.resource_pages} pages, {CONCURRENCY} at "
        f"once (at most {TIME_LIMIT:g} s); then {plan.idle_seconds:g} s of rest without requests. Unused "
        f"sessions expire after {LIFETIME:g} s. Figures are sums over all processes of a contestant; memory "
        "is resident, and shared pages count once."
    )
    for contestant in bench.isolated():
        with bench.record_failures(NAME, contestant):
            async with bench.running(contestant, LIFETIME) as site:
                at_start = await _settled_usage(site)
                await _measure_open_sessions(bench, site, at_start)
                await _measure_pages(bench, site, at_start)
        bench.log(f"{NAME}: {contestant.name}")


async def _settled_usage(site: Site) -> ResourceUsage:
    """Return the usage after the connections of the last requests have been closed."""
    await asyncio.sleep(1)
    return await asyncio.to_thread(site.processes.usage)


async def _measure_open_sessions(bench: Bench, site: Site, at_start: ResourceUsage) -> None:
    count = bench.plan.open_sessions
    websockets = await site.connect_many("sliders", count)
    usage = await _settled_usage(site)
    scale = OPEN_SESSIONS / count
    add = bench.results.add
    add(IDLE, site.name, 0, [at_start.memory])
    add(MEMORY_OPEN, site.name, 0, [scale * (usage.memory - at_start.memory)])
    add(DESCRIPTORS_OPEN, site.name, 0, [scale * (usage.descriptors - at_start.descriptors)])
    await asyncio.gather(*(websocket.close() for websocket in websockets))


async def _measure_pages(bench: Bench, site: Site, at_start: ResourceUsage) -> None:
    plan, add = bench.plan, bench.results.add
    count = plan.resource_pages
    completed: list[float] = []
    failed = 0
    begin = time.perf_counter()

    async def open_pages(total: int) -> None:
        pending = 0

        async def client() -> None:
            nonlocal failed, pending
            while len(completed) + failed + pending < total and time.perf_counter() < begin + TIME_LIMIT:
                pending += 1
                try:
                    await site.visit("sliders")
                    completed.append(time.perf_counter() - begin)
                except VisitError as error:
                    failed += 1
                    bench.results.add_failure(NAME, site.name, str(error))
                finally:
                    pending -= 1

        await asyncio.gather(*(client() for _ in range(CONCURRENCY)))

    async with CheapRoutePoller(site) as times:
        await open_pages(max(1, round(count * 0.15)))
        early = await asyncio.to_thread(site.processes.usage)
        await open_pages(count)
    add(CHEAP_ROUTE, site.name, 0, [1000 * value for value in times])
    opened = len(completed) + failed
    if opened < count:
        bench.results.add_failure(NAME, site.name, f"only {opened} of {count} pages in {TIME_LIMIT:g} s")
    if completed:
        add(RATE, site.name, 0, [len(completed) / completed[-1]])
    tenth = len(completed) // 10
    if tenth >= 10:  # a rate of fewer pages means nothing
        add(FIRST_TENTH, site.name, 0, [tenth / completed[tenth - 1]])
        add(LAST_TENTH, site.name, 0, [tenth / (completed[-1] - completed[-1 - tenth])])
    add(FAILED, site.name, 0, [100 * failed / max(1, opened)])
    usage = await _settled_usage(site)
    add(THREADS, site.name, 0, [usage.threads])
    add(DESCRIPTORS, site.name, 0, [usage.descriptors - at_start.descriptors])
    add(MEMORY, site.name, 0, [usage.memory])
    await asyncio.sleep(plan.idle_seconds)
    at_end = await _settled_usage(site)
    add(MEMORY_AT_END, site.name, 0, [at_end.memory])
    add(DESCRIPTORS_AT_END, site.name, 0, [at_end.descriptors - at_start.descriptors])
    add(GROWTH, site.name, 0, [at_end.memory / early.memory])

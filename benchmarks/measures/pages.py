"""Pages with new sessions: response times, pages a second, and the latency of a cheap route meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.bench import Bench, CheapRoutePoller, Site, run_concurrently
from benchmarks.client import BokehWebsocket, VisitError, time_request
from benchmarks.results import Quantity

NAME = "pages"
NO_SESSION = Quantity(NAME, "page without a session", "ms")
FIRST_BYTE = Quantity(NAME, "first byte", "ms")
LAST_BYTE = Quantity(NAME, "last byte", "ms")
SESSION = Quantity(NAME, "until the session", "ms")
SLOW_FIRST_BYTE = Quantity(NAME, "first byte, application that starts for 1 s", "ms")
SLOW_SESSION = Quantity(NAME, "until the session, application that starts for 1 s", "ms")
LARGE_SESSION = Quantity(NAME, "until the session, 5 MB document", "ms")
CONNECTED_RATE = Quantity(NAME, "pages with websocket/s, 8 at once", "1/s", "higher")
FAILED = Quantity(NAME, "failed of 100 pages", "%")


def rate_quantity(concurrency: int) -> Quantity:
    return Quantity(NAME, f"pages/s, {concurrency} at once", "1/s", "higher")


def time_quantity(concurrency: int) -> Quantity:
    return Quantity(NAME, f"page time, {concurrency} at once", "ms")


def cheap_route_quantity(concurrency: int) -> Quantity:
    return Quantity(NAME, f"cheap route beside {concurrency} at once", "ms")


async def measure(bench: Bench, sites: Sequence[Site]) -> None:
    # The first page of an application is not measured.
    first_visits = [site.visit(name) for site in sites for name in ("slow", "large")]
    await asyncio.gather(*first_visits, return_exceptions=True)
    for round_number, site in bench.rounds(sites, NAME, bench.plan.rounds):
        await _measure_sequential(bench, site, round_number)
        for concurrency in bench.plan.concurrency:
            await _measure_concurrent(bench, site, round_number, concurrency)
        await _measure_connected(bench, site, round_number)


async def _measure_sequential(bench: Bench, site: Site, round_number: int) -> None:
    """Open pages one after the other."""
    add = bench.results.add
    for _ in range(bench.plan.sequential_pages):
        with bench.record_failures(NAME, site):
            seconds = await time_request(site.http, site.page_url(""))
            add(NO_SESSION, site.name, round_number, [1000 * seconds])
        with bench.record_failures(NAME, site):
            page = await site.visit("sliders")
            add(FIRST_BYTE, site.name, round_number, [1000 * page.first_byte])
            add(LAST_BYTE, site.name, round_number, [1000 * page.last_byte])
            add(SESSION, site.name, round_number, [1000 * page.session])
    with bench.record_failures(NAME, site):
        page = await site.visit("slow")
        add(SLOW_FIRST_BYTE, site.name, round_number, [1000 * page.first_byte])
        add(SLOW_SESSION, site.name, round_number, [1000 * page.session])
    with bench.record_failures(NAME, site):
        page = await site.visit("large")
        add(LARGE_SESSION, site.name, round_number, [1000 * page.session])


async def _measure_concurrent(bench: Bench, site: Site, round_number: int, concurrency: int) -> None:
    """Open pages without their websockets."""
    add = bench.results.add
    count = max(bench.plan.concurrent_pages, concurrency)
    failed = 0

    async def visit() -> None:
        nonlocal failed
        try:
            page = await site.visit("sliders")
            add(time_quantity(concurrency), site.name, round_number, [1000 * page.session])
        except VisitError as error:
            failed += 1
            bench.results.add_failure(NAME, site.name, f"{error} ({concurrency} at once)")

    begin = time.perf_counter()
    async with CheapRoutePoller(site) as times:
        await run_concurrently(visit, count, concurrency)
    seconds = time.perf_counter() - begin
    add(rate_quantity(concurrency), site.name, round_number, [(count - failed) / seconds])
    add(cheap_route_quantity(concurrency), site.name, round_number, [1000 * value for value in times])
    add(FAILED, site.name, round_number, [100 * failed / count])


async def _measure_connected(bench: Bench, site: Site, round_number: int) -> None:
    """Open pages and their websockets: includes what a server defers until the websocket opens."""
    count = max(16, bench.plan.concurrent_pages // 2)
    websockets: list[BokehWebsocket] = []

    async def connect() -> None:
        with bench.record_failures(NAME, site):
            websockets.append(await site.connect("sliders"))

    begin = time.perf_counter()
    await run_concurrently(connect, count)
    seconds = time.perf_counter() - begin
    bench.results.add(CONNECTED_RATE, site.name, round_number, [len(websockets) / seconds])
    await asyncio.gather(*(websocket.close() for websocket in websockets))

"""Round trips on open websockets: slider changes with their new data, and requests for server versions."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.bench import Bench, Site
from benchmarks.client import BokehWebsocket, VisitError
from benchmarks.results import Quantity

NAME = "round-trips"
EXCHANGES = Quantity(NAME, "bare exchanges/s, 1 connection", "1/s", "higher")


def rate_quantity(connections: int) -> Quantity:
    return Quantity(NAME, f"slider changes/s, {connections} connections", "1/s", "higher")


def time_quantity(connections: int) -> Quantity:
    return Quantity(NAME, f"slider change to new data, {connections} connections", "ms")


async def measure(bench: Bench, sites: Sequence[Site]) -> None:
    for round_number, site in bench.rounds(sites, NAME, bench.plan.rounds):
        with bench.record_failures(NAME, site):
            await _measure_site(bench, site, round_number)


async def _measure_site(bench: Bench, site: Site, round_number: int) -> None:
    add, seconds = bench.results.add, bench.plan.round_trip_seconds
    websockets: list[BokehWebsocket] = []
    limit = asyncio.Semaphore(4)  # the rate of new pages is another measure

    async def connect() -> None:
        async with limit:
            websockets.append(await site.connect("sliders"))

    try:
        connecting = [connect() for _ in range(max(bench.plan.connections))]
        for failure in await asyncio.gather(*connecting, return_exceptions=True):
            if failure is not None:
                bench.results.add_failure(NAME, site.name, str(failure))
        sliders = {websocket: await websocket.find_model("offset") for websocket in websockets}
        # A slider must not get the value it has: without a change there is no new data.
        values = {
            websocket: itertools.cycle([step / 10 for step in range(1, 51)]) for websocket in websockets
        }
        times = await _repeat(websockets[:1], lambda websocket: websocket.request_server_info(), seconds)
        add(EXCHANGES, site.name, round_number, [len(times) / seconds])
        for connections in bench.plan.connections:
            if connections > len(websockets):
                raise VisitError(f"only {len(websockets)} of {connections} websockets")
            times = await _repeat(
                websockets[:connections],
                lambda websocket: websocket.move_slider(sliders[websocket], next(values[websocket])),
                seconds,
            )
            add(rate_quantity(connections), site.name, round_number, [len(times) / seconds])
            add(time_quantity(connections), site.name, round_number, [1000 * value for value in times])
    finally:
        await asyncio.gather(*(websocket.close() for websocket in websockets), return_exceptions=True)


async def _repeat(
    websockets: Sequence[BokehWebsocket], action: Callable[[BokehWebsocket], Awaitable[None]], seconds: float
) -> list[float]:
    """Repeat an action on all websockets at the same time; return the seconds that each one took."""
    times: list[float] = []
    deadline = time.perf_counter() + seconds

    async def work(websocket: BokehWebsocket) -> None:
        while (begin := time.perf_counter()) < deadline:
            await action(websocket)
            end = time.perf_counter()
            if end <= deadline:
                times.append(end - begin)

    await asyncio.gather(*(work(websocket) for websocket in websockets))
    return times

"""Round trips a second on open websockets: a slider's new data, and an exchange that costs nothing."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.bench import Bench, Site
from benchmarks.client import Failed, Socket
from benchmarks.results import Quantity

NAME = "round-trips"
EXCHANGE = Quantity(NAME, "bare exchanges/s, 1 connection", "1/s", "higher")


def rate_of(connections: int) -> Quantity:
    return Quantity(NAME, f"slider changes/s, {connections} connections", "1/s", "higher")


def time_of(connections: int) -> Quantity:
    return Quantity(NAME, f"slider change to new data, {connections} connections", "ms")


async def measure(bench: Bench, sites: Sequence[Site]) -> None:
    for turn, site in bench.turns(sites, NAME, bench.plan.rounds):
        with bench.counted(NAME, site):
            await _measure(bench, site, turn)


async def _measure(bench: Bench, site: Site, turn: int) -> None:
    sockets: list[Socket] = []
    limit = asyncio.Semaphore(4)  # pages one needs; how many a second is another measure

    async def attach() -> None:
        async with limit:
            sockets.append(await site.attach("sliders"))

    try:
        attaching = [attach() for _ in range(max(bench.plan.connections))]
        for failure in await asyncio.gather(*attaching, return_exceptions=True):
            if failure is not None:
                bench.results.fail(NAME, site.name, str(failure))
        sliders = dict(zip(sockets, [await socket.find("offset") for socket in sockets], strict=True))
        # Never the same value twice in a row on one slider: that would be no change, and no new data.
        values = {socket: itertools.cycle([step / 10 for step in range(1, 51)]) for socket in sockets}
        times = await _repeat(sockets[:1], lambda socket: socket.exchange(), bench.plan.seconds)
        bench.results.add(EXCHANGE, site.name, turn, [len(times) / bench.plan.seconds])
        for connections in bench.plan.connections:
            if connections > len(sockets):
                raise Failed(f"only {len(sockets)} of {connections} websockets")
            times = await _repeat(
                sockets[:connections],
                lambda socket: socket.change(sliders[socket], next(values[socket])),
                bench.plan.seconds,
            )
            bench.results.add(rate_of(connections), site.name, turn, [len(times) / bench.plan.seconds])
            bench.results.add(time_of(connections), site.name, turn, [1000 * value for value in times])
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets), return_exceptions=True)


async def _repeat(
    sockets: Sequence[Socket], action: Callable[[Socket], Awaitable[None]], seconds: float
) -> list[float]:
    """Do it again and again on every socket, and return the seconds that each time took."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def work(socket: Socket) -> None:
        while (begin := time.perf_counter()) < end:
            await action(socket)
            done = time.perf_counter()
            if done <= end:
                times.append(done - begin)

    await asyncio.gather(*(work(socket) for socket in sockets))
    return times

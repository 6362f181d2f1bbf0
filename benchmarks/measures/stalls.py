"""Stalls of an open session while other sessions expire, block in a callback, or start slowly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from benchmarks.bench import Bench, Site
from benchmarks.client import BokehWebsocket, VisitError, time_request
from benchmarks.contestants import Contestant
from benchmarks.results import Quantity

NAME = "stalls"
SLOW = 0.25
"""Seconds above which a response counts as a stall."""
PERIOD = 0.05
"""Seconds between a response and the next request of a probe."""
BLOCK = 2.0
"""Seconds for which a callback of another session blocks."""
QUIET = 2.0
"""Seconds without a stall after which the measure ends."""
TIMEOUT = 240.0
"""Seconds after which the measure ends in any case."""
STALLED = Quantity(NAME, "seconds in slow answers, open session", "s")
LONGEST = Quantity(NAME, "longest answer, open session", "s")
ROUTE_STALLED = Quantity(NAME, "seconds in slow answers, cheap route", "s")
BLOCKED = Quantity(NAME, "longest answer while another's callback blocks for 2 s", "s")
STARTED = Quantity(NAME, "longest answer while another's application starts for 1 s", "s")


def distinct_servers(bench: Bench) -> list[Contestant]:
    """Return one contestant for each kind of Bokeh server."""
    contestants = bench.isolated()
    names = {contestant.name for contestant in contestants}
    return [contestant for contestant in contestants if contestant.same_server_as not in names]


async def measure(bench: Bench) -> None:
    plan = bench.plan
    bench.results.add_remark(
        f"Stalls: {plan.expiring_sessions} pages without a websocket, whose sessions expire after "
        f"{plan.expiring_lifetime:g} s. A slow answer takes more than {SLOW:g} s; probes send a request "
        f"{PERIOD:g} s after each answer. Contestants with the same kind of Bokeh server are measured once."
    )
    for round_number in range(max(1, plan.starts // 3)):
        for contestant in distinct_servers(bench):
            with bench.record_failures(NAME, contestant):
                async with bench.running(contestant, plan.expiring_lifetime) as site:
                    await _measure_blocking(bench, site, round_number)
                    await _measure_expiring(bench, site, round_number)
            bench.log(f"{NAME}: {contestant.name}")


class LatencyProbe:
    """Repeat a request and record the latencies in seconds."""

    def __init__(self, request: Callable[[], Awaitable[object]]) -> None:
        self._request = request
        self._latencies: list[float] = []
        self._sent_at: float | None = None
        self._last_stall = time.perf_counter()

    async def run(self) -> None:
        while True:
            self._sent_at = sent_at = time.perf_counter()
            await self._request()
            self._sent_at = None
            now = time.perf_counter()
            self._latencies.append(now - sent_at)
            if now - sent_at > SLOW:
                self._last_stall = now
            await asyncio.sleep(PERIOD)

    def latencies(self) -> list[float]:
        """Return all latencies; an unanswered request counts if it is slow already."""
        pending = 0.0 if self._sent_at is None else time.perf_counter() - self._sent_at
        return [*self._latencies, pending] if pending > SLOW else list(self._latencies)

    def stalled(self) -> float:
        """Return the sum of all latencies that count as a stall."""
        return sum(latency for latency in self.latencies() if latency > SLOW)

    def quiet_for(self) -> float:
        """Return the seconds since the last stall."""
        if self._sent_at is not None and time.perf_counter() > self._sent_at + SLOW:
            return 0.0
        return time.perf_counter() - self._last_stall


async def _measure_expiring(bench: Bench, site: Site, round_number: int) -> None:
    """Let many sessions expire; probe an open session and the cheap route."""
    lifetime = bench.plan.expiring_lifetime
    websocket = await site.connect("sliders")
    begin = time.perf_counter()
    await site.visit_many("sliders", bench.plan.expiring_sessions)
    created = time.perf_counter()
    if created > begin + lifetime:
        bench.results.add_failure(NAME, site.name, "sessions expired before the last one was created")
    session = LatencyProbe(websocket.request_server_info)
    route = LatencyProbe(lambda: time_request(site.http, site.cheap_url, TIMEOUT))
    tasks = [asyncio.create_task(probe.run()) for probe in (session, route)]
    try:
        # Wait until the last session has expired, and then for a time without stalls.
        expected = created + lifetime + site.check_interval + QUIET
        while time.perf_counter() < expected or min(session.quiet_for(), route.quiet_for()) < QUIET:
            if time.perf_counter() > created + TIMEOUT:
                bench.results.add_failure(NAME, site.name, f"still stalls {TIMEOUT:g} s after the last page")
                break
            for task in tasks:
                if task.done():
                    raise task.exception() or VisitError("a probe ended early")
            await asyncio.sleep(0.2)
        add = bench.results.add
        add(STALLED, site.name, round_number, [session.stalled()])
        add(LONGEST, site.name, round_number, [max(session.latencies())])
        add(ROUTE_STALLED, site.name, round_number, [route.stalled()])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await websocket.close()


async def _measure_blocking(bench: Bench, site: Site, round_number: int) -> None:
    """Probe an open session while a callback of another one blocks, and while a slow one is created."""
    probed, blocker = await site.connect("sliders"), await site.connect("blocker")
    slider = await blocker.find_model("offset")
    latencies = await _latencies_during(blocker.move_slider(slider, BLOCK), probed)
    bench.results.add(BLOCKED, site.name, round_number, [max(latencies)])
    latencies = await _latencies_during(site.connect("slow"), probed)
    bench.results.add(STARTED, site.name, round_number, [max(latencies)])
    await asyncio.gather(probed.close(), blocker.close())


async def _latencies_during(work: Awaitable[object], probed: BokehWebsocket) -> list[float]:
    """Return the latencies of an open session while ``work`` is done."""
    probe = LatencyProbe(probed.request_server_info)
    task = asyncio.create_task(probe.run())
    try:
        await asyncio.sleep(4 * PERIOD)
        await work
        await asyncio.sleep(4 * PERIOD)
        if task.done():
            raise task.exception() or VisitError("a probe ended early")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return probe.latencies()

"""Time to start, and to stop with open pages."""

from __future__ import annotations

from benchmarks.bench import LONG_LIFETIME, Bench
from benchmarks.client import http_client
from benchmarks.processes import STOP_TIMEOUT
from benchmarks.results import Quantity

NAME = "lifetimes"
OPEN_PAGES = 5
START = Quantity(NAME, "start until the first page", "s")
STOP = Quantity(NAME, f"stop with {OPEN_PAGES} open pages", "s")
KILLED = Quantity(NAME, f"processes that had to be killed after {STOP_TIMEOUT:g} s", "1")


async def measure(bench: Bench) -> None:
    for round_number in range(bench.plan.starts):
        for contestant in bench.isolated():
            with bench.record_failures(NAME, contestant):
                async with http_client() as http:
                    site = bench.site(contestant, http, LONG_LIFETIME)
                    bench.results.add(START, site.name, round_number, [await site.start()])
                    try:
                        websockets = await site.connect_many("sliders", OPEN_PAGES)
                    finally:
                        seconds, killed = await site.processes.stop()
                    bench.results.add(STOP, site.name, round_number, [seconds])
                    bench.results.add(KILLED, site.name, round_number, [killed])
                    for websocket in websockets:
                        await websocket.close()
        bench.log(f"{NAME}: round {round_number + 1} of {bench.plan.starts}")

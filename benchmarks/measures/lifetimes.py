"""How long a start takes, and a stop with open pages."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.client import client
from benchmarks.processes import STOP
from benchmarks.results import Quantity

NAME = "lifetimes"
OPEN = 5
START = Quantity(NAME, "start until the first page", "s")
END = Quantity(NAME, f"stop with {OPEN} open pages", "s")
KILLED = Quantity(NAME, f"processes that had to be killed after {STOP:g} s", "1")


async def measure(bench: Bench) -> None:
    for turn in range(bench.plan.starts):
        for contestant in bench.alone():
            with bench.counted(NAME, contestant):
                async with client() as http:
                    site = bench.site(contestant, http)
                    bench.results.add(START, site.name, turn, [await site.start()])
                    try:
                        sockets = await site.attach_many("sliders", OPEN)
                    finally:
                        seconds, killed = await site.group.stop()
                    bench.results.add(END, site.name, turn, [seconds])
                    bench.results.add(KILLED, site.name, turn, [killed])
                    for socket in sockets:
                        await socket.close()
        bench.say(f"{NAME}: round {turn + 1} of {bench.plan.starts}")

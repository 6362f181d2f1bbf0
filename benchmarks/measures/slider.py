"""What a person feels in an open page: a slider's new data, and a stream's age, in Chromium."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import browser
from benchmarks.bench import Bench, Site
from benchmarks.results import Quantity

NAME = "slider"
CHANGE = Quantity(NAME, "slider change to new data", "ms")
CHANGE_REAL = Quantity(NAME, "slider change to new data, 40 ms real", "ms")
AGE = Quantity(NAME, "age of a stream's points on arrival", "ms")
TICKS = Quantity(NAME, "updates/s of a stream of 20", "1/s", "higher")
MILLISECONDS = 2000


async def measure(bench: Bench, sites: Sequence[Site]) -> None:
    async with browser.chromium() as chromium:
        for turn, site in bench.turns(sites, NAME, bench.plan.rounds):
            networks = {"none": CHANGE}
            if any(network.endswith("real") for network in bench.plan.networks):
                networks["40 ms real"] = CHANGE_REAL
            for network, quantity in networks.items():
                with bench.counted(NAME, site):
                    async with chromium.visitor(network) as context:
                        plot = await browser.open_plot(context, site.page("sliders"))
                        times = await plot.numbers(browser.CHANGES, bench.plan.changes)
                    bench.results.add(quantity, site.name, turn, times)
            if not bench.plan.longer:
                continue
            with bench.counted(NAME, site):
                async with chromium.visitor("none") as context:
                    plot = await browser.open_plot(context, site.page("ticks"))
                    ages = await plot.numbers(browser.TICKS, MILLISECONDS)
                bench.results.add(AGE, site.name, turn, ages)
                bench.results.add(TICKS, site.name, turn, [1000 * len(ages) / MILLISECONDS])

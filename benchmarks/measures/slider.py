"""Updates of an open page in Chromium: time from a slider change to its new data, age of streamed points."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import browser
from benchmarks.bench import Bench, Site
from benchmarks.results import Quantity

NAME = "slider"
CHANGE = Quantity(NAME, "slider change to new data", "ms")
CHANGE_REAL = Quantity(NAME, "slider change to new data, 40 ms real", "ms")
STREAM_AGE = Quantity(NAME, "age of a stream's points on arrival", "ms")
STREAM_RATE = Quantity(NAME, "updates/s of a stream of 20", "1/s", "higher")
STREAM_MILLISECONDS = 2000


async def measure(bench: Bench, sites: Sequence[Site]) -> None:
    plan = bench.plan
    networks = {"none": CHANGE}
    if any(network.endswith("real") for network in plan.networks):
        networks["40 ms real"] = CHANGE_REAL
    async with browser.chromium() as chromium:
        for round_number, site in bench.rounds(sites, NAME, plan.rounds):
            for network, quantity in networks.items():
                with bench.record_failures(NAME, site):
                    async with chromium.new_context(network) as context:
                        plot = await browser.open_plot(context, site.page_url("sliders"))
                        times = await plot.call(browser.SLIDER_CHANGES, plan.slider_changes)
                    bench.results.add(quantity, site.name, round_number, times)
            if not plan.all_applications:
                continue
            with bench.record_failures(NAME, site):
                async with chromium.new_context("none") as context:
                    plot = await browser.open_plot(context, site.page_url("ticks"))
                    ages = await plot.call(browser.STREAM_AGES, STREAM_MILLISECONDS)
                rate = 1000 * len(ages) / STREAM_MILLISECONDS
                bench.results.add(STREAM_AGE, site.name, round_number, ages)
                bench.results.add(STREAM_RATE, site.name, round_number, [rate])

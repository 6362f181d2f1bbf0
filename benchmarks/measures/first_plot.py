"""Time, requests and bytes until the first plot in Chromium: cold and warm cache, several networks."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import browser
from benchmarks.bench import Bench, Site
from benchmarks.results import Quantity

NAME = "first-plot"
FURTHER_APPLICATIONS = {"slow": "application that starts for 1 s", "large": "5 MB document"}
EMULATED_NETWORKS = (
    "The networks “40 ms” (20 Mbit/s) and “100 ms” (5 Mbit/s) are Chromium's emulation: it delays requests, "
    "but neither the opening of connections nor websocket frames."
)
REAL_NETWORKS = (
    "The networks “real” are a delaying SOCKS proxy on loopback: it delays all bytes of all connections, "
    "including websockets, and the opening of a connection by a round trip; no slow start, no packet loss."
)


def time_quantity(network: str, cache: str) -> Quantity:
    suffix = "" if network == "none" else f", {network}"
    return Quantity(NAME, f"first plot, {cache} cache{suffix}", "ms")


def requests_quantity(cache: str) -> Quantity:
    return Quantity(NAME, f"requests, {cache} cache", "1")


def bytes_quantity(cache: str) -> Quantity:
    return Quantity(NAME, f"received, {cache} cache", "kB")


async def measure(bench: Bench, sites: Sequence[Site]) -> None:
    plan = bench.plan
    if any(network in browser.NETWORKS for network in plan.networks):
        bench.results.add_remark(EMULATED_NETWORKS)
    if any(network.endswith("real") for network in plan.networks):
        bench.results.add_remark(REAL_NETWORKS)
    async with browser.chromium() as chromium:
        for round_number, site in bench.rounds(sites, NAME, plan.plot_rounds):
            if round_number == 0 and plan.all_applications:  # the first page of a site is not measured
                with bench.record_failures(NAME, site):
                    async with chromium.new_context("none") as context:
                        await browser.open_plot(context, site.page_url("sliders"))
            for network in plan.networks:
                with bench.record_failures(NAME, site):
                    await _measure_network(bench, chromium, site, round_number, network)
            for application, description in FURTHER_APPLICATIONS.items() if plan.all_applications else ():
                with bench.record_failures(NAME, site):
                    async with chromium.new_context("none") as context:
                        plot = await browser.open_plot(context, site.page_url(application))
                    quantity = Quantity(NAME, f"first plot, cold cache, {description}", "ms")
                    bench.results.add(quantity, site.name, round_number, [plot.first_plot])


async def _measure_network(
    bench: Bench, chromium: browser.Chromium, site: Site, round_number: int, network: str
) -> None:
    """Open a page twice in a new context: with a cold cache, then with a warm one."""
    add = bench.results.add
    async with chromium.new_context(network) as context:
        for cache in ("cold", "warm"):
            plot = await browser.open_plot(context, site.page_url("sliders"), network)
            await plot.close()
            add(time_quantity(network, cache), site.name, round_number, [plot.first_plot])
            if network == "none":
                add(requests_quantity(cache), site.name, round_number, [plot.traffic.requests])
                add(bytes_quantity(cache), site.name, round_number, [plot.traffic.received / 1000])

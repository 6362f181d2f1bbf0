"""Time to first plot in Chromium: cold and warm cache, without and with slower networks, bytes, requests."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import browser
from benchmarks.bench import Bench, Site
from benchmarks.results import Quantity

NAME = "first-plot"
LONGER = {"slow": "application that starts for 1 s", "large": "5 MB document"}
EMULATED = (
    "Networks “40 ms” (20 Mbit/s) and “100 ms” (5 Mbit/s) are Chromium's emulation: it delays requests, "
)
EMULATED += "but not the opening of connections, and not websocket frames."
REAL = "Networks “real” are a delaying SOCKS proxy on loopback: every byte of every connection arrives late, "
REAL += "websockets too, and opening a connection takes a round trip; no slow start, no losses."


def time_of(network: str, cache: str) -> Quantity:
    where = "" if network == "none" else f", {network}"
    return Quantity(NAME, f"first plot, {cache} cache{where}", "ms")


def requests_of(cache: str) -> Quantity:
    return Quantity(NAME, f"requests, {cache} cache", "1")


def bytes_of(cache: str) -> Quantity:
    return Quantity(NAME, f"received, {cache} cache", "kB")


async def measure(bench: Bench, sites: Sequence[Site]) -> None:
    networks = bench.plan.networks
    if any(network in browser.NETWORKS for network in networks):
        bench.results.remark(EMULATED)
    if any(network.endswith("real") for network in networks):
        bench.results.remark(REAL)
    async with browser.chromium() as chromium:
        for turn, site in bench.turns(sites, NAME, bench.plan.plots):
            if turn == 0 and bench.plan.longer:  # what happens only for the first browser is start-up time
                with bench.counted(NAME, site):
                    async with chromium.visitor("none") as context:
                        await browser.open_plot(context, site.page("sliders"))
            for network in networks:
                with bench.counted(NAME, site):
                    await _cold_and_warm(bench, chromium, site, turn, network)
            for application, what in LONGER.items() if bench.plan.longer else ():
                with bench.counted(NAME, site):
                    async with chromium.visitor("none") as context:
                        plot = await browser.open_plot(context, site.page(application))
                    quantity = Quantity(NAME, f"first plot, cold cache, {what}", "ms")
                    bench.results.add(quantity, site.name, turn, [plot.milliseconds])


async def _cold_and_warm(
    bench: Bench, chromium: browser.Chromium, site: Site, turn: int, network: str
) -> None:
    async with chromium.visitor(network) as context:
        for cache in ("cold", "warm"):
            plot = await browser.open_plot(context, site.page("sliders"), network)
            await plot.close()
            bench.results.add(time_of(network, cache), site.name, turn, [plot.milliseconds])
            if network == "none":
                bench.results.add(requests_of(cache), site.name, turn, [plot.wire.requests])
                bench.results.add(bytes_of(cache), site.name, turn, [plot.wire.received / 1000])

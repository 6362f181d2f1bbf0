"""Open pages in Chromium; measure the time to the first plot, the network traffic and updates of the plot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright
from playwright.async_api import Error as BrowserError

from benchmarks.client import VisitError
from benchmarks.delay_proxy import DelayProxy

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
NETWORKS = {"40 ms": (0.040, 20e6), "100 ms": (0.100, 5e6)}
"""Round trip in seconds, and bandwidth in bits a second."""
PLOT_TIMEOUT = 60.0
"""Seconds after which a plot counts as failed."""

# The plot is drawn when a Bokeh document with roots is idle and the page contains a canvas.
RECORD_FIRST_PLOT = """(() => {
    const hasCanvas = (root) => [...root.querySelectorAll('*')].some((element) =>
        (element.tagName === 'CANVAS' && element.width > 0) ||
        (element.shadowRoot !== null && hasCanvas(element.shadowRoot)));
    const check = () => {
        const documents = window.Bokeh?.documents ?? [];
        if (documents.some((doc) => doc.is_idle && doc.roots().length > 0) && hasCanvas(document))
            window.firstPlot = performance.now();
        else
            setTimeout(check, 4);
    };
    check();
})()"""

# Returns the milliseconds from each slider change to its new data.
SLIDER_CHANGES = """async (count) => {
    const doc = Bokeh.documents.at(-1);
    const slider = doc.get_model_by_name('offset');
    const source = doc.get_model_by_name('plot').renderers[0].data_source;
    const times = [];
    for (let i = 0; i < count; i++) {
        times.push(await new Promise((resolve, reject) => {
            const begin = performance.now();
            const done = () => {
                source.properties.data.change.disconnect(done);
                resolve(performance.now() - begin);
            };
            source.properties.data.change.connect(done);
            setTimeout(() => reject(new Error('no new data within 10 s')), 10000);
            slider.value = (i % 40 + 1) / 10;
        }));
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return times;
}"""

# Returns the age in milliseconds of each update that the stream receives within the given time.
STREAM_AGES = """async (milliseconds) => {
    const source = Bokeh.documents.at(-1).get_model_by_name('source');
    const ages = [];
    const update = () => ages.push(Date.now() - 1000 * source.get_array('x').at(-1));
    source.streaming.connect(update);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    source.streaming.disconnect(update);
    return ages;
}"""


def missing_browser() -> str:
    """Return why there is no browser; empty if there is one."""
    return "" if Path(CHROMIUM).exists() else f"there is no Chromium at {CHROMIUM}"


class NetworkTraffic:
    """Requests and received bytes of one page, without its icon."""

    def __init__(self, session: CDPSession) -> None:
        self._requests: set[str] = set()
        self._from_cache: set[str] = set()
        self._websockets = 0
        self.received = 0.0
        """Bytes on the network: compressed, with headers."""
        session.on("Network.requestWillBeSent", self._on_request)
        session.on("Network.requestServedFromCache", self._on_cache)
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.loadingFinished", self._on_finished)
        session.on("Network.webSocketCreated", self._on_websocket)
        session.on("Network.webSocketFrameReceived", self._on_frame)

    @property
    def requests(self) -> int:
        """Number of requests that were sent, websockets included."""
        return len(self._requests - self._from_cache) + self._websockets

    def _on_request(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        if url.startswith("http") and not url.endswith("/favicon.ico"):
            self._requests.add(event["requestId"])

    def _on_cache(self, event: dict[str, Any]) -> None:
        self._from_cache.add(event["requestId"])

    def _on_response(self, event: dict[str, Any]) -> None:
        if event["response"].get("fromDiskCache"):
            self._on_cache(event)

    def _on_finished(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._requests - self._from_cache:
            self.received += event["encodedDataLength"]

    def _on_websocket(self, _: dict[str, Any]) -> None:
        self._websockets += 1

    def _on_frame(self, event: dict[str, Any]) -> None:
        frame = event["response"]
        # Chromium reports binary frames in base64.
        self.received += (1 if frame["opcode"] == 1 else 0.75) * len(frame["payloadData"])


class Chromium:
    """A running browser."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @asynccontextmanager
    async def new_context(self, network: str) -> AsyncIterator[BrowserContext]:
        """Open a context with an empty cache. ``network``: ``none``, ``40 ms``, ``40 ms real`` …"""
        async with AsyncExitStack() as stack:
            options: dict[str, Any] = {"viewport": {"width": 1000, "height": 800}}
            if network.endswith(" real"):
                proxy = await stack.enter_async_context(DelayProxy(*NETWORKS[network.removesuffix(" real")]))
                options["proxy"] = {"server": proxy.url, "bypass": "<-loopback>"}
            context = await self._browser.new_context(**options)
            stack.push_async_callback(context.close)
            context.set_default_timeout(PLOT_TIMEOUT * 1000)
            await context.add_init_script(RECORD_FIRST_PLOT)
            yield context


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        try:
            yield Chromium(browser)
        finally:
            await browser.close()


class PlotPage:
    """A page in Chromium that contains a plot."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self._page = page
        self._session = session
        self.traffic = NetworkTraffic(session)
        self.first_plot = 0.0
        """Milliseconds from the start of the navigation until the plot was drawn."""

    async def wait_for_plot(self) -> None:
        deadline = time.monotonic() + PLOT_TIMEOUT
        while not self.first_plot:
            if time.monotonic() > deadline:
                raise VisitError(f"Chromium: no plot within {PLOT_TIMEOUT:g} s")
            await asyncio.sleep(0.02)
            self.first_plot = float(await self._evaluate("window.firstPlot || 0"))

    async def call(self, function: str, argument: float) -> list[float]:
        """Call a JavaScript function that returns numbers. Raises VisitError."""
        result: list[float] = await self._evaluate(f"({function})({argument})")
        return result

    async def _evaluate(self, expression: str) -> Any:
        # Through the debugger, because a page's policy may forbid what Playwright's own function does.
        options = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        try:
            reply = await self._session.send("Runtime.evaluate", options)
        except BrowserError as error:
            raise VisitError(f"Chromium: {error.message.splitlines()[0]}") from error
        if details := reply.get("exceptionDetails"):
            text = details.get("exception", {}).get("description", details["text"])
            raise VisitError(f"Chromium: {text.splitlines()[0]}")
        return reply["result"].get("value")

    async def close(self) -> None:
        await self._page.close()


async def open_plot(context: BrowserContext, url: str, network: str = "none") -> PlotPage:
    """Open a page and wait until its plot is drawn. Raises VisitError."""
    page = await context.new_page()
    try:
        session = await context.new_cdp_session(page)
        plot = PlotPage(page, session)
        await session.send("Network.enable")
        if network in NETWORKS:
            round_trip, bits = NETWORKS[network]
            conditions = {
                "offline": False,
                "latency": round_trip * 1000,
                "downloadThroughput": bits / 8,
                "uploadThroughput": bits / 8,
            }
            await session.send("Network.emulateNetworkConditions", conditions)
        await page.goto(url, wait_until="commit")
        await plot.wait_for_plot()
    except BrowserError as error:
        await page.close()
        raise VisitError(f"Chromium: {error.message.splitlines()[0]}") from error
    return plot

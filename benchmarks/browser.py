"""Chromium, and what it sees: when the plot is drawn, what that cost on the wire, what the plot does then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright
from playwright.async_api import Error as BrowserError

from benchmarks.client import Failed
from benchmarks.delay import SlowNetwork

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
NETWORKS = {"40 ms": (0.040, 20e6), "100 ms": (0.100, 5e6)}
"""Seconds of a round trip, and bits a second."""
PATIENCE = 60.0
"""Seconds until a plot counts as failed."""

# The plot is there when the document says that all its views are painted, and a canvas is in the page.
WATCH = """(() => {
    const has_canvas = (root) => [...root.querySelectorAll('*')].some((element) =>
        (element.tagName === 'CANVAS' && element.width > 0) ||
        (element.shadowRoot !== null && has_canvas(element.shadowRoot)));
    const look = () => {
        const documents = window.Bokeh?.documents ?? [];
        if (documents.some((one) => one.is_idle && one.roots().length > 0) && has_canvas(document))
            window.first_plot = performance.now();
        else
            setTimeout(look, 4);
    };
    look();
})()"""

CHANGES = """async (count) => {
    const model = Bokeh.documents.at(-1);
    const slider = model.get_model_by_name('offset');
    const source = model.get_model_by_name('plot').renderers[0].data_source;
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

TICKS = """async (milliseconds) => {
    const source = Bokeh.documents.at(-1).get_model_by_name('source');
    const ages = [];
    const tick = () => ages.push(Date.now() - 1000 * source.get_array('x').at(-1));
    source.streaming.connect(tick);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    source.streaming.disconnect(tick);
    return ages;
}"""


def missing() -> str:
    """Return why there is no browser here; empty if there is one."""
    return "" if Path(CHROMIUM).exists() else f"there is no Chromium at {CHROMIUM}"


class Wire:
    """What came over the network for one page; its icon, which nobody waits for, is left out."""

    def __init__(self, session: CDPSession) -> None:
        self._asked: set[str] = set()
        self._cached: set[str] = set()
        self._sockets = 0
        self.received = 0.0
        """Bytes, as they were sent: compressed, with headers."""
        session.on("Network.requestWillBeSent", self._request)
        session.on("Network.requestServedFromCache", self._cache)
        session.on("Network.responseReceived", self._response)
        session.on("Network.loadingFinished", self._finished)
        session.on("Network.webSocketCreated", self._socket)
        session.on("Network.webSocketFrameReceived", self._frame)

    @property
    def requests(self) -> int:
        """How many requests went out, the websocket's among them."""
        return len(self._asked - self._cached) + self._sockets

    def _request(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        if url.startswith("http") and not url.endswith("/favicon.ico"):
            self._asked.add(event["requestId"])

    def _cache(self, event: dict[str, Any]) -> None:
        self._cached.add(event["requestId"])

    def _response(self, event: dict[str, Any]) -> None:
        if event["response"].get("fromDiskCache"):
            self._cache(event)

    def _finished(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._asked - self._cached:
            self.received += event["encodedDataLength"]

    def _socket(self, _: dict[str, Any]) -> None:
        self._sockets += 1

    def _frame(self, event: dict[str, Any]) -> None:
        frame = event["response"]
        # Binary frames are told in base64.
        self.received += (1 if frame["opcode"] == 1 else 0.75) * len(frame["payloadData"])


class Chromium:
    """A browser in which every visitor is new."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @asynccontextmanager
    async def visitor(self, network: str) -> AsyncIterator[BrowserContext]:
        """Somebody with an empty cache; ``network`` is ``none``, ``40 ms``, ``40 ms real`` …"""
        async with AsyncExitStack() as stack:
            options: dict[str, Any] = {"viewport": {"width": 1000, "height": 800}}
            if network.endswith(" real"):
                slow = await stack.enter_async_context(SlowNetwork(*NETWORKS[network.removesuffix(" real")]))
                options["proxy"] = {"server": slow.url, "bypass": "<-loopback>"}
            context = await self._browser.new_context(**options)
            stack.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE * 1000)
            await context.add_init_script(WATCH)
            yield context


@asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        try:
            yield Chromium(browser)
        finally:
            await browser.close()


class Opened:
    """A page whose plot is drawn."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self._page = page
        self._session = session
        self.wire = Wire(session)
        self.milliseconds = 0.0
        """From the start of the navigation until the plot was drawn."""

    async def wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while not self.milliseconds:
            if time.monotonic() > end:
                raise Failed(f"Chromium: no plot within {PATIENCE:g} s")
            await asyncio.sleep(0.02)
            self.milliseconds = float(await self._evaluate("window.first_plot || 0"))

    async def numbers(self, function: str, argument: float) -> list[float]:
        """Call one of the scripts above in the page. Raises Failed."""
        result: list[float] = await self._evaluate(f"({function})({argument})")
        return result

    async def _evaluate(self, expression: str) -> Any:
        # As the developer tools do, for a page's policy may forbid what Playwright does.
        options = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        try:
            answer = await self._session.send("Runtime.evaluate", options)
        except BrowserError as error:
            raise Failed(f"Chromium: {error.message.splitlines()[0]}") from error
        if problem := answer.get("exceptionDetails"):
            text = problem.get("exception", {}).get("description", problem["text"])
            raise Failed(f"Chromium: {text.splitlines()[0]}")
        return answer["result"].get("value")

    async def close(self) -> None:
        await self._page.close()


async def open_plot(context: BrowserContext, url: str, network: str = "none") -> Opened:
    """Open a page and return it when its plot is drawn. Raises Failed when no plot comes."""
    page = await context.new_page()
    try:
        session = await context.new_cdp_session(page)
        opened = Opened(page, session)
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
        await opened.wait()
    except BrowserError as error:
        await page.close()
        raise Failed(f"Chromium: {error.message.splitlines()[0]}") from error
    return opened

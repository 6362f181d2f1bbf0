"""Run the contestants and coordinate the measures."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import aiohttp

from benchmarks.client import BokehWebsocket, Visit, VisitError, http_client, time_request, visit
from benchmarks.commands import RunConfig
from benchmarks.contestants import Contestant
from benchmarks.plan import Plan
from benchmarks.processes import ProcessGroup, StartError, free_port
from benchmarks.results import Results

T = TypeVar("T")
HERE = Path(__file__).parent
LONG_LIFETIME = 3600.0
"""Lifetime of unused sessions in seconds, so that none expires in measures of something else."""


class Site:
    """A contestant in one run: its processes, and a client's access to its pages."""

    def __init__(self, contestant: Contestant, config: RunConfig, http: aiohttp.ClientSession) -> None:
        self.contestant = contestant
        self.name = contestant.name
        self.url = f"http://{config.origin}"
        self.http = http
        self.processes = ProcessGroup(contestant.commands(config), config.folder)
        self.check_interval = config.check_interval
        """Seconds between the server's checks for unused sessions."""

    @property
    def cheap_url(self) -> str:
        return self.url + self.contestant.cheap_path

    def page_url(self, application: str) -> str:
        return f"{self.url}/{application}"

    async def start(self) -> float:
        """Start the processes; return the seconds until the page of the sliders works. Raises StartError."""
        begin = time.perf_counter()
        self.processes.start()
        try:
            await self.processes.wait_until_ready(self.http, self.cheap_url)
            deadline = time.perf_counter() + 20
            while True:
                # The page may need a second server that starts later.
                try:
                    await self.visit("sliders")
                    return time.perf_counter() - begin
                except VisitError as error:
                    if time.perf_counter() > deadline:
                        raise StartError(f"page of the sliders: {error}") from None
        except BaseException:
            await self.processes.stop()
            raise

    async def visit(self, application: str) -> Visit:
        """Open a page without its websocket. Raises VisitError."""
        return await visit(self.http, self.page_url(application), self.contestant.find_endpoint)

    async def connect(self, application: str) -> BokehWebsocket:
        """Open a page and its websocket. Raises VisitError."""
        return await BokehWebsocket.open(self.http, await self.visit(application))

    async def connect_many(self, application: str, count: int) -> list[BokehWebsocket]:
        """Open several pages and their websockets. Raises VisitError if one fails."""
        return await run_concurrently(lambda: self.connect(application), count)

    async def visit_many(self, application: str, count: int) -> list[Visit]:
        """Open several pages without their websockets. Raises VisitError if one fails."""
        return await run_concurrently(lambda: self.visit(application), count)


class CheapRoutePoller:
    """Request a site's cheap route twenty times a second; collect the response times in seconds."""

    def __init__(self, site: Site, period: float = 0.05) -> None:
        self._site = site
        self._period = period
        self._times: list[float] = []

    async def __aenter__(self) -> list[float]:
        self._task = asyncio.create_task(self._poll())
        return self._times

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _poll(self) -> None:
        while True:
            begin = time.perf_counter()
            with contextlib.suppress(VisitError):
                await time_request(self._site.http, self._site.cheap_url)
            self._times.append(time.perf_counter() - begin)
            await asyncio.sleep(max(0.0, self._period - self._times[-1]))


async def run_concurrently(action: Callable[[], Awaitable[T]], count: int, concurrency: int = 8) -> list[T]:
    """Run an action ``count`` times, ``concurrency`` at a time, and return the results."""
    remaining = iter(range(count))
    results: list[T] = []

    async def work() -> None:
        for _ in remaining:
            results.append(await action())

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return results


@dataclass
class Bench:
    """What all measures share: contestants, plan and results."""

    contestants: Sequence[Contestant]
    plan: Plan
    results: Results
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def log(self, text: str) -> None:
        """Print a line about the progress to standard error."""
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)

    def prepare(self) -> None:
        """Copy the applications, which are the same for all contestants, into one folder."""
        target = self.folder / "applications"
        shutil.copytree(HERE / "applications", target, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(HERE.parent / "bokeh_apps" / "sliders.py", target)

    def site(self, contestant: Contestant, http: aiohttp.ClientSession, lifetime: float) -> Site:
        config = RunConfig(
            self.folder / contestant.name,
            self.folder / "applications",
            web_port=free_port(),
            bokeh_port=free_port(),
            lifetime=lifetime,
            settings=self.settings,
        )
        return Site(contestant, config, http)

    @asynccontextmanager
    async def running(self, contestant: Contestant, lifetime: float) -> AsyncIterator[Site]:
        """Run one contestant. Raises StartError."""
        async with http_client() as http:
            site = self.site(contestant, http, lifetime)
            await site.start()
            try:
                yield site
            finally:
                await site.processes.stop()

    @asynccontextmanager
    async def all_running(self) -> AsyncIterator[list[Site]]:
        """Run all contestants at the same time. Those that do not start are recorded as absent."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(http_client())
            sites = [self.site(contestant, http, LONG_LIFETIME) for contestant in self.contestants]
            starting = asyncio.Semaphore(3)
            started: list[Site] = []

            async def stop() -> None:
                await asyncio.gather(*(site.processes.stop() for site in started))

            async def start(site: Site) -> None:
                async with starting:
                    try:
                        await site.start()
                    except StartError as error:
                        self.log(f"{site.name} does not start: {error}")
                        self.results.absent[site.name] = f"does not start: {error}"
                    else:
                        started.append(site)

            stack.push_async_callback(stop)
            await asyncio.gather(*(start(site) for site in sites))
            self.log(f"running: {', '.join(site.name for site in started)}")
            yield started

    def isolated(self) -> list[Contestant]:
        """Return the contestants for measures that start each one alone."""
        names = {contestant.name for contestant in self.contestants} - self.results.absent.keys()
        if self.plan.isolated and not self.plan.contestants:
            names &= set(self.plan.isolated)
        return [contestant for contestant in self.contestants if contestant.name in names]

    def rounds(self, sites: Sequence[Site], measure: str, rounds: int) -> Iterator[tuple[int, Site]]:
        """Yield every site once in each round, with the round's number, in another order each time."""
        for round_number in range(rounds):
            order = list(sites)
            random.Random(round_number).shuffle(order)  # noqa: S311
            for site in order:
                yield round_number, site
            self.log(f"{measure}: round {round_number + 1} of {rounds}")

    @contextlib.contextmanager
    def record_failures(self, measure: str, site: Site | Contestant) -> Iterator[None]:
        """Record the failure of a contestant, and continue the run."""
        try:
            yield
        except (VisitError, StartError, aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            self.results.add_failure(measure, site.name, reason)
            self.log(f"{measure}: {site.name} failed: {reason}")

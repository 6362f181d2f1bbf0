"""The running comparison: contestants are started, take turns, and are stopped."""

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

from benchmarks.client import Failed, Socket, Visit, client, plain, visit
from benchmarks.commands import Place
from benchmarks.peers import Contestant
from benchmarks.plan import Plan
from benchmarks.processes import Group, NotStarted, free_port
from benchmarks.results import Results

T = TypeVar("T")
HERE = Path(__file__).parent
LONG = 3600.0
"""Seconds of life for unused sessions while something else than their end is measured."""


class Site:
    """A contestant that is running."""

    def __init__(self, contestant: Contestant, place: Place, http: aiohttp.ClientSession) -> None:
        self.contestant = contestant
        self.name = contestant.name
        self.url = f"http://127.0.0.1:{place.web}"
        self.http = http
        self.group = Group(contestant.programs(place), place.folder)
        self.check = place.check
        """Seconds between two looks for sessions that are unused."""

    def page(self, application: str) -> str:
        return f"{self.url}/{application}"

    async def start(self) -> float:
        """Start it and return the seconds until the page of the sliders is there. Raises NotStarted."""
        begin = time.perf_counter()
        self.group.start()
        try:
            ready = await self.group.wait_until_ready(self.http, [self.url + self.contestant.cheap])
            end = time.perf_counter() + 20
            while True:
                # The page may need a second server, which may not be there yet.
                try:
                    await self.visit("sliders")
                except Failed as error:
                    if time.perf_counter() > end:
                        raise NotStarted(f"its page answers: {error}") from None
                    continue
                ready = time.perf_counter()
                break
        except BaseException:
            await self.group.stop()
            raise
        return ready - begin

    async def visit(self, application: str) -> Visit:
        return await visit(self.http, self.page(application), self.contestant.door)

    async def attach(self, application: str) -> Socket:
        return await Socket.open(self.http, await self.visit(application))

    async def attach_many(self, application: str, count: int) -> list[Socket]:
        """Open some sessions, eight at a time. Raises Failed if one of them does not open."""
        return await eight_at_a_time(lambda: self.attach(application), count)

    async def visit_many(self, application: str, count: int) -> list[Visit]:
        """Open some pages to whose sessions no browser comes. Raises Failed if one does not open."""
        return await eight_at_a_time(lambda: self.visit(application), count)


class Polled:
    """Ask a site's cheap route twenty times a second, and collect the seconds until each answer."""

    def __init__(self, site: Site, period: float = 0.05) -> None:
        self._site = site
        self._period = period
        self._answers: list[float] = []

    async def __aenter__(self) -> list[float]:
        self._task = asyncio.create_task(self._poll())
        return self._answers

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _poll(self) -> None:
        while True:
            begin = time.perf_counter()
            with contextlib.suppress(Failed):
                await plain(self._site.http, self._site.url + self._site.contestant.cheap)
            self._answers.append(time.perf_counter() - begin)
            await asyncio.sleep(max(0.0, self._period - self._answers[-1]))


async def eight_at_a_time(action: Callable[[], Awaitable[T]], count: int) -> list[T]:
    numbers = iter(range(count))
    done: list[T] = []

    async def visitor() -> None:
        for _ in numbers:
            done.append(await action())

    await asyncio.gather(*(visitor() for _ in range(8)))
    return done


@dataclass
class Bench:
    """What the measures share: contestants, counts, results."""

    contestants: Sequence[Contestant]
    plan: Plan
    results: Results
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Tell the person who waits how far it is."""
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)

    def prepare(self) -> None:
        """Put the applications that everybody serves into one folder."""
        target = self.folder / "applications"
        shutil.copytree(HERE / "applications", target, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(HERE.parent / "bokeh_apps" / "sliders.py", target)

    def site(self, contestant: Contestant, http: aiohttp.ClientSession, lifetime: float = LONG) -> Site:
        place = Place(
            self.folder / contestant.name,
            self.folder / "applications",
            web=free_port(),
            bokeh=free_port(),
            lifetime=lifetime,
            settings=self.settings,
        )
        return Site(contestant, place, http)

    @asynccontextmanager
    async def running(self, contestant: Contestant, lifetime: float = LONG) -> AsyncIterator[Site]:
        """One contestant alone. Raises NotStarted."""
        async with client() as http:
            site = self.site(contestant, http, lifetime)
            await site.start()
            try:
                yield site
            finally:
                await site.group.stop()

    @asynccontextmanager
    async def all_running(self) -> AsyncIterator[list[Site]]:
        """Everybody at once, idle until it is their turn; those that do not start are noted and left out."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(client())
            sites = [self.site(contestant, http) for contestant in self.contestants]
            few = asyncio.Semaphore(3)
            started: list[Site] = []

            async def stop() -> None:
                await asyncio.gather(*(site.group.stop() for site in started))

            async def start(site: Site) -> None:
                async with few:
                    try:
                        await site.start()
                    except NotStarted as error:
                        self.say(f"{site.name} does not start: {error}")
                        self.results.absent[site.name] = f"does not start: {error}"
                    else:
                        started.append(site)

            stack.push_async_callback(stop)
            await asyncio.gather(*(start(site) for site in sites))
            self.say(f"running: {', '.join(site.name for site in started)}")
            yield started

    def alone(self) -> list[Contestant]:
        """Return those that are started for one measure and stopped again."""
        names = {contestant.name for contestant in self.contestants} - self.results.absent.keys()
        if self.plan.alone and not self.plan.contestants:
            names &= set(self.plan.alone)
        return [contestant for contestant in self.contestants if contestant.name in names]

    def turns(self, sites: Sequence[Site], measure: str, rounds: int) -> Iterator[tuple[int, Site]]:
        """Give every site its turn in every round, in another order each time."""
        for turn in range(rounds):
            order = list(sites)
            random.Random(turn).shuffle(order)  # noqa: S311
            for site in order:
                yield turn, site
            self.say(f"{measure}: round {turn + 1} of {rounds}")

    @contextlib.contextmanager
    def counted(self, measure: str, site: Site | Contestant) -> Iterator[None]:
        """Count a failure instead of ending the run with it."""
        try:
            yield
        except (Failed, NotStarted, aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            self.results.fail(measure, site.name, reason)
            self.say(f"{measure}: {site.name} failed: {reason}")

"""What all tests share: markers by folder, running sites, the output of processes in failures."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from harness import RUN, Pool, Process, Site, processes_of_run, wait_until
from relaying import FakeServer

HERE = Path(__file__).parent
LINES = 60
"""How many of a process's last lines are shown in a failure."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its folder: unit, system or browser."""
    for item in items:
        item.add_marker(item.path.relative_to(HERE).parts[0])


def pytest_runtest_setup() -> None:
    Process.known[:] = [process for process in Process.known if not process.is_closed]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Add the output of all processes to the report of a failure."""
    report = yield
    if report.failed:
        for process in Process.known:
            lines = process.output().splitlines()[-LINES:]
            report.sections.append((repr(process), "\n".join(lines)))
    return report


@pytest.fixture(scope="session", autouse=True)
def _nothing_survives() -> Iterator[None]:
    """Fail when a process that these tests have started is still running at their end."""
    run = os.environ[RUN] = uuid.uuid4().hex
    yield
    with suppress(AssertionError):
        wait_until(lambda: not processes_of_run(run), "all processes have ended", seconds=10)
    assert processes_of_run(run) == []


@pytest.fixture(scope="session")
def _pool(_nothing_survives: None) -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def pool(_pool: Pool) -> Iterator[Pool]:
    """Sites and servers that are shared with other tests, for tests that leave them as they were."""
    yield _pool
    _pool.check()


@pytest.fixture
def site(pool: Pool) -> Site:
    """The site as a newcomer starts it, shared."""
    return pool.get(Site)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    """A fake Bokeh server, which does what the test sets."""
    with FakeServer() as fake:
        yield fake

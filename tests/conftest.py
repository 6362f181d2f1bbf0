from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Site
from relaying import FakeServer


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The site as a newcomer starts it."""
    with Site() as site:
        yield site


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    """A fake Bokeh server, which does what the test sets."""
    with FakeServer() as fake:
        yield fake

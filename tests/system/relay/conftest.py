from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Site
from relaying import FakeServer, RelayedSite


@pytest.fixture(scope="module")
def site(fake: FakeServer) -> Iterator[Site]:
    """A site in front of a fake Bokeh server."""
    with RelayedSite(BOKEH_SERVERS=fake.url) as site:
        yield site

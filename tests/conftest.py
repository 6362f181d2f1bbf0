from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Site


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The site as a newcomer starts it."""
    with Site() as site:
        yield site

"""One Chromium for all tests of this folder, and a new context for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import CHROMIUM, FLAGS, RECORD
from harness import DEADLINE
from playwright.sync_api import Browser, Page, sync_playwright


# Not for the whole session: Playwright keeps an event loop running, and asyncio.run() fails beside it.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a new context; ``errors`` has what its console shows above the level of information."""
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    context.set_default_timeout(DEADLINE * 1000)
    context.add_init_script(RECORD)
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda said: said.type in ("error", "warning") and page.errors.append(said.text))
    yield page
    context.close()

"""For tests in Chromium: open a plot, wait for its state, read what a page shows."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from harness import DEADLINE, wait_until
from playwright.sync_api import Page

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
    f"--host-resolver-rules=MAP {socket.gethostname()} 127.0.0.1",
]
MODEL = """([name, path]) => path.split('.').reduce((value, key) => value && value[key],
    Bokeh.documents.at(-1)?.get_model_by_name(name))"""
RECORD = """
    window.states = [];
    addEventListener("bokeh-embed:state", ({detail}) => states.push(detail.state));
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => violations.push(event.blockedURI));
"""
IS_READY = """() => {
    const elements = [...document.querySelectorAll('.bokeh-embed')];
    return !!window.Bokeh?.documents?.at(-1)?.is_idle && elements.every(
        (element) => element.dataset.state === 'ready');
}"""


def open_plot(page: Page, url: str) -> None:
    page.goto(url)
    wait_for_plot(page)


def wait_for_plot(page: Page) -> None:
    # Not wait_for_function: it needs 'unsafe-eval', which the page's policy does not have.
    wait_until(lambda: page.evaluate(IS_READY), "the plot is there")
    page.locator(".bk-Canvas, .bk-DataTable").first.wait_for()


def wait_for_state(page: Page, state: str, seconds: float = DEADLINE) -> None:
    wait_until(lambda: state_of(page) == state, f"the plot is {state}", seconds)


def state_of(page: Page) -> str | None:
    return page.evaluate("document.querySelector('.bokeh-embed')?.dataset.state")


def note_of(page: Page) -> str:
    return page.locator(".bokeh-embed-note").first.inner_text()


def read(page: Page, name: str, path: str) -> object:
    return page.evaluate(MODEL, [name, path])


def press(page: Page, key: str = "ArrowRight") -> float:
    """Press a key on the first slider, and return its new value."""
    slider = page.locator(".noUi-handle").first
    before = slider.get_attribute("aria-valuenow")
    slider.press(key)
    wait_until(lambda: slider.get_attribute("aria-valuenow") != before, "the slider moves")
    return float(slider.get_attribute("aria-valuenow") or "nan")


def screenshot(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

"""When the page takes its connection for dead, and when it does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chromium import note_of, open_plot, press, read, state_of, wait_for_plot, wait_for_state
from harness import Site, wait_until
from line import Line
from playwright.sync_api import Page

HEARTBEAT_INTERVAL = 20_000
"""Milliseconds, as in heartbeat.js. So long is also the wait for an answer."""
BUSY_SECONDS = 8
COUNTER = f"""
import time
from pathlib import Path

from bokeh.io import curdoc
from bokeh.models import Button, FileInput
from bokeh.plotting import figure

folder = Path(__file__).parent
if "busy" in curdoc().session_context.request.arguments:
    (folder / "busy").touch()
    time.sleep({BUSY_SECONDS})

plot = figure(name="plot", height=200, title="0")
plot.line([0, 1], [0, 1])
button = Button(label="Click")
file = FileInput()


def count() -> None:
    plot.title.text = str(int(plot.title.text) + 1)


button.on_click(count)
file.on_change("value", lambda attr, old, new: plot.title.update(text=f"{{len(new)}}"))
for root in (plot, button, file):
    curdoc().add_root(root)
"""


@contextmanager
def counter(folder: Path) -> Iterator[Site]:
    (folder / "counter.py").write_text(COUNTER)
    with Site(BOKEH_APPS=str(folder)) as site:
        yield site


def title(page: Page) -> object:
    return read(page, "plot", "title.text")


def test_a_server_busy_with_another_session_does_not_end_the_connection_and_no_click_is_lost(page, tmp_path):
    with counter(tmp_path) as site:
        open_plot(page, f"{site.url}/counter")
        other = threading.Thread(target=site.get, args=["/counter?busy=1"])
        other.start()
        wait_until((tmp_path / "busy").exists, "the server is busy with another session")
        page.get_by_role("button", name="Click").click()
        page.evaluate("dispatchEvent(new Event('online'))")
        other.join()
        wait_until(lambda: title(page) != "0", "the server has answered")
        assert page.evaluate("states") == ["loading", "ready"]
        page.get_by_role("button", name="Click").click()
        wait_until(lambda: title(page) == "2", "each click has counted once")


def test_a_silent_line_is_noticed_without_an_event(site, page):
    page.clock.install()
    with Line(int(site.port)) as line:
        open_plot(page, f"{line.url}/sliders")
        value = press(page)
        line.is_silent = True
        page.clock.run_for(2 * HEARTBEAT_INTERVAL)
        wait_for_state(page, "reconnecting")
        line.open()
        wait_for_plot(page)
        assert read(page, "offset", "value") == pytest.approx(value)


def test_an_idle_line_is_kept(site, page):
    page.clock.install()
    open_plot(page, f"{site.url}/sliders")
    for _ in range(10):
        page.clock.fast_forward(HEARTBEAT_INTERVAL)
        press(page)
    assert "reconnecting" not in page.evaluate("states")


def test_a_large_change_may_take_long_on_a_slow_line(page, tmp_path):
    page.clock.install()
    with counter(tmp_path) as site, Line(int(site.port)) as line:
        open_plot(page, f"{line.url}/counter")
        line.is_late = True
        large = {"name": "large", "mimeType": "text/plain", "buffer": b"x" * 300_000}
        page.locator("input[type=file]").set_input_files(large)
        wait_until(lambda: line.kept, "the change has been sent")
        for _ in range(4):
            page.clock.fast_forward(HEARTBEAT_INTERVAL)
        assert "busy" in note_of(page)
        assert state_of(page) == "ready"
        line.is_late = False
        wait_until(lambda: title(page) == "400000", "the application has the file")
        assert "reconnecting" not in page.evaluate("states")

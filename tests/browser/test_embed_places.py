"""Plots in unusual places of a page: a frame without a URL."""

from __future__ import annotations

from chromium import read, wait_for_plot
from harness import parts_site


def test_a_frame_with_srcdoc_shows_a_plot_and_starts_it_again(page):
    with parts_site(BOKEH_STREAM="0") as site:
        page.goto(f"{site.url}/framed/parts")
        frame = page.frames[1]
        assert frame.url == "about:srcdoc"
        wait_for_plot(frame)
        frame.locator(".noUi-handle").first.press("ArrowRight")
        [server] = site.servers()
        server.kill()
        frame.get_by_role("button", name="Start again").click()
        wait_for_plot(frame)
        assert read(frame, "offset", "value") == 0

"""Plots in unusual places of a page: a frame without a URL, the element of a root that has been replaced."""

from __future__ import annotations

from chromium import read, wait_for_plot, wait_for_state
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


def test_a_root_that_comes_later_stands_in_the_element_of_its_name(page, tmp_path):
    (tmp_path / "replaced.py").write_text(
        """
from bokeh.io import curdoc
from bokeh.models import Button, Div

document = curdoc()

def replace():
    document.remove_root(document.get_model_by_name("first"))
    document.add_root(Div(name="first", text="the new one"))

button = Button(name="second", label="Replace")
button.on_click(replace)
document.add_root(Div(name="first", text="the old one"))
document.add_root(button)
"""
    )
    with parts_site(BOKEH_APPS=str(tmp_path)) as site:
        page.goto(f"{site.url}/roots/replaced")
        wait_for_state(page, "ready")
        for _ in range(2):
            page.get_by_role("button", name="Replace").click()
            page.locator("section[aria-label=first]").get_by_text("the new one").wait_for()
        assert page.get_by_text("the old one").count() == 0
        second = page.locator("section[aria-label=second]")
        assert second.get_by_role("button").count() == 1
        assert second.get_by_text("the new one").count() == 0
        assert page.get_by_text("not there now").count() == 0
        assert not page.errors

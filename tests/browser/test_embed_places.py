"""Plots in unusual places: a frame without a URL, elements that come and go, a root that is replaced."""

from __future__ import annotations

import pytest
from chromium import press, read, wait_for_plot, wait_for_state
from harness import parts_site, wait_until


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


INSERT = """async (url) => {
    const page = new DOMParser().parseFromString(await (await fetch(url)).text(), "text/html");
    document.querySelector("main").replaceChildren(...page.querySelector("main").childNodes);
}"""


def test_a_fragment_that_is_inserted_starts_and_one_that_is_removed_ends(pool, page):
    site = pool.get(parts_site)
    opened, closed = [], []

    def follow(socket):
        opened.append(socket)
        socket.on("close", lambda socket: closed.append(socket.url))

    page.on("websocket", follow)
    page.goto(f"{site.url}/parts")
    for number in range(1, 3):
        wait_for_plot(page)
        press(page)
        page.evaluate(INSERT, f"{site.url}/roots/parts" if number == 1 else f"{site.url}/parts")
        # Playwright tells of events while it is asked for something.
        wait_until(lambda known=number: page.evaluate("1") and len(closed) == known, "the old plot has ended")
    wait_for_plot(page)
    page.evaluate("document.querySelector('main').replaceChildren('no plot')")
    wait_until(lambda: page.evaluate("1") and len(closed) == 3, "the last one has ended")
    assert len(opened) == 3
    assert page.evaluate("Bokeh.documents.length") == 0
    assert not page.errors


def test_an_element_that_is_moved_goes_on_and_one_that_comes_back_is_as_left(pool, page):
    page.goto(f"{pool.get(parts_site).url}/parts")
    wait_for_plot(page)
    value = press(page)
    states = page.evaluate("states.length")
    page.evaluate("document.body.prepend(document.querySelector('.bokeh-embed'))")
    assert page.evaluate("new Promise((resolve) => setTimeout(() => resolve(states.length)))") == states
    page.evaluate("""() => {
        const element = document.querySelector(".bokeh-embed");
        element.remove();
        setTimeout(() => document.querySelector("main").append(element), 100);
    }""")
    wait_until(lambda: page.evaluate(f"states.slice({states})") == ["loading", "ready"], "it is back")
    wait_for_plot(page)
    assert page.locator(".bokeh-embed-plot").count() == 1
    assert read(page, "offset", "value") == pytest.approx(value)
    press(page)
    assert not page.errors


def test_pictures_of_an_applications_static_folder_are_shown_in_every_page(tmp_path, page):
    static = tmp_path / "pics" / "static"
    static.mkdir(parents=True)
    (static / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>')
    (tmp_path / "pics" / "main.py").write_text(
        "from bokeh.io import curdoc\n"
        "from bokeh.models import Div\n"
        "curdoc().add_root(Div(name='picture', text='<img src=\"pics/static/dot.svg\">'))\n"
    )
    with parts_site(BOKEH_APPS=str(tmp_path)) as site:
        page.goto(f"{site.url}/roots/pics")
        picture = page.locator("img")
        wait_until(lambda: picture.evaluate("(image) => image.naturalWidth") == 8, "the picture is there")
        assert not page.errors

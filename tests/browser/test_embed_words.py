"""What a person is told of a change not kept, of code that may not run, of an application that is busy."""

from __future__ import annotations

import signal
from pathlib import Path

from chromium import note_of, open_plot, press, screenshot, state_of, wait_for_plot, wait_for_state
from harness import SLIDERS, Site, wait_until
from line import Line
from playwright.sync_api import Page

CODE = "This plot runs text as code, which this site does not allow."


def site_with(folder: Path, text: str, **settings: str) -> Site:
    """Return a site whose application ``app`` is this text."""
    (folder / "app.py").write_text(
        f"""
from bokeh.io import curdoc
from bokeh.models import Button, CustomJS, CustomJSTickFormatter, FileInput
from bokeh.plotting import figure

plot = figure(name="plot", width=700, height=200)
plot.line([0, 1], [0, 1])
{text}
"""
    )
    return Site(BOKEH_APPS=str(folder), **settings)


def is_wide(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_a_change_that_is_too_large_is_told(page, tmp_path):
    text = "curdoc().add_root(plot)\ncurdoc().add_root(FileInput())"
    with site_with(tmp_path, text, BOKEH_MAX_MESSAGE="200000") as site:
        open_plot(page, f"{site.url}/app")
        large = {"name": "large", "mimeType": "text/plain", "buffer": b"x" * 400_000}
        page.locator("input[type=file]").set_input_files(large)
        wait_until(lambda: "too large for this site" in note_of(page), "it is told")
        assert state_of(page) == "ready"
        assert page.evaluate("states.slice(-2)") == ["reconnecting", "ready"]
        screenshot(page, "too-large")


def test_what_cannot_be_drawn_without_running_text_as_code_is_told_in_words(page, tmp_path):
    text = "plot.xaxis.formatter = CustomJSTickFormatter(code='return tick')\ncurdoc().add_root(plot)"
    with site_with(tmp_path, text) as site:
        page.goto(f"{site.url}/app")
        wait_for_state(page, "error")
        assert CODE in note_of(page)
        assert "EvalError" not in note_of(page)
        screenshot(page, "no-code")


def test_whoever_writes_an_application_is_told_how_to_allow_code(page, tmp_path):
    text = """
button = Button(label="Run")
button.js_on_click(CustomJS(code="window.hasRun = true"))
curdoc().add_root(plot)
curdoc().add_root(button)
"""
    with site_with(tmp_path, text, BOKEH_DEV="1") as site:
        open_plot(page, f"{site.url}/app")
        page.get_by_role("button", name="Run").click()
        wait_until(lambda: note_of(page) == f"{CODE} BOKEH_CSP_UNSAFE_EVAL=1 allows it.", "it is told")
        assert state_of(page) == "ready"


def test_a_browser_without_cookies_is_told_that_one_is_needed(site, page):
    page.route("**/state", lambda route: route.fulfill(json={"state": "refused"}))
    page.add_init_script("""window.WebSocket = class {
        constructor() { setTimeout(() => this.onclose({code: 1006})); }
        close() {}
    }""")
    page.goto(f"{site.url}/sliders")
    wait_for_state(page, "lost")
    assert "cookie" in note_of(page)


def test_a_browser_whose_websockets_are_blocked_is_told_until_one_gets_through(site, page):
    page.add_init_script("""window.Unblocked = window.WebSocket;
    window.attempts = 0;
    window.WebSocket = class {
        constructor() { attempts += 1; setTimeout(() => this.onclose({code: 1006})); }
        close() {}
    }""")
    page.goto(f"{site.url}/sliders")
    wait_until(lambda: "No websocket gets through" in note_of(page), "it is told")
    assert state_of(page) == "reconnecting"
    assert page.evaluate("attempts") == 3
    screenshot(page, "blocked")
    page.evaluate("() => { window.WebSocket = Unblocked; dispatchEvent(new Event('online')); }")
    wait_for_plot(page)
    assert note_of(page) == ""


def test_a_page_whose_cookie_counts_no_more_is_told_what_is_true_for_all_causes(site, page):
    with Line(int(site.port)) as line:
        open_plot(page, f"{line.url}/sliders")
        page.context.clear_cookies()
        line.cut()
        wait_for_state(page, "lost")
        assert "the site has restarted, or you have signed out" in note_of(page)


def test_a_plot_that_fills_its_place_has_a_height_and_the_page_may_say_which(page, tmp_path):
    with site_with(tmp_path, "plot.sizing_mode = 'stretch_both'\ncurdoc().add_root(plot)") as site:
        open_plot(page, f"{site.url}/app")
        height = "document.querySelector('.bk-Figure, .bokeh-embed-plot > *').offsetHeight"
        wait_until(lambda: page.evaluate(height) >= 400, "it has a height")
        screenshot(page, "stretched")
        page.evaluate("document.querySelector('.bokeh-embed').style.height = '300px'")
        wait_until(lambda: page.evaluate(height) == 300, "the page's rule wins")


def test_an_application_that_does_not_answer_is_said_to_be_busy_until_it_does(page):
    with Site(BOKEH_APPS=SLIDERS) as site:
        open_plot(page, f"{site.url}/sliders")
        [server] = site.servers()
        server.send_signal(signal.SIGSTOP)
        try:
            press(page)
            wait_until(lambda: "busy" in note_of(page), "it is told")
            assert state_of(page) == "ready"
            screenshot(page, "busy")
        finally:
            server.send_signal(signal.SIGCONT)
        wait_until(lambda: note_of(page) == "", "it is over")
        assert "reconnecting" not in page.evaluate("states")


def test_a_wide_plot_scrolls_in_its_place_on_a_narrow_screen(page, tmp_path):
    with site_with(tmp_path, "curdoc().add_root(plot)") as site:
        page.set_viewport_size({"width": 360, "height": 640})
        open_plot(page, f"{site.url}/app")
        wait_for_plot(page)
        assert not is_wide(page)
        screenshot(page, "narrow")

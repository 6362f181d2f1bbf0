"""What a person sees when the connection, the server or the site goes away, and comes back or does not."""

from __future__ import annotations

import re
import secrets
import signal

import pytest
from bokeh_server import Stock
from chromium import note_of, open_plot, press, read, screenshot, state_of, wait_for_plot, wait_for_state
from harness import ROOT, SLIDERS, Site, parts_site, wait_until
from line import Line
from playwright.sync_api import Page, Route

LARGE = """
import numpy as np
from bokeh.io import curdoc
from bokeh.plotting import figure

plot = figure()
plot.image([np.random.default_rng(0).random((600, 600))], x=0, y=0, dw=1, dh=1)
curdoc().add_root(plot)
"""


SITES = {"sliders": Site, "parts": parts_site}
"""The kind of site that has an application."""


def first_value(page: Page) -> float:
    return page.evaluate("""() => Bokeh.documents.at(-1).get_model_by_name('plot')
        .renderers[0].data_source.get_array('y')[0]""")


def is_as_left(page: Page, value: float) -> bool:
    """Whether the slider is where it was, and the plot follows it: now, and with another press of a key."""
    assert read(page, "offset", "value") == pytest.approx(value)
    assert float(page.locator(".noUi-handle").first.get_attribute("aria-valuenow")) == pytest.approx(value)
    wait_until(lambda: first_value(page) == pytest.approx(value), "the plot is as it was left")
    moved = press(page)
    wait_until(lambda: first_value(page) == pytest.approx(moved), "the plot follows the slider")
    return True


def start_again(page: Page) -> None:
    page.evaluate("window.sameDocument = true")
    page.get_by_role("button", name="Start again").click()
    wait_for_plot(page)
    assert page.evaluate("window.sameDocument"), "nothing was reloaded"
    assert read(page, "offset", "value") == 0
    moved = press(page)
    wait_until(lambda: first_value(page) == pytest.approx(moved), "the new plot follows the slider")


@pytest.mark.parametrize("name", SITES)
def test_after_each_of_fifteen_drops_the_slider_is_as_left(pool, page, name):
    with Line(int(pool.get(SITES[name]).port)) as line:
        open_plot(page, f"{line.url}/{name}")
        views = page.evaluate("Object.keys(Bokeh.index).length")
        for number in range(15):
            value = press(page)
            states = page.evaluate("states.length")
            line.cut()
            wait_until(
                lambda known=states: page.evaluate(f"states.slice({known})") == ["reconnecting", "ready"],
                f"drop {number} is over",
            )
            assert read(page, "offset", "value") == pytest.approx(value)
        wait_for_plot(page)
        assert is_as_left(page, value)
        assert page.locator(".bokeh-embed-plot").count() == 1
        assert page.evaluate("Bokeh.documents.length") == 1
        assert page.evaluate("Object.keys(Bokeh.index).length") == views
        assert not [error for error in page.errors if "WebSocket" not in error]


def test_offline_and_back(pool, page):
    name = "parts"
    with Line(int(pool.get(parts_site).port)) as line:
        open_plot(page, f"{line.url}/{name}")
        value = press(page)
        line.close()
        wait_until(lambda: line.refused >= 4, "it has tried several times")
        assert state_of(page) == "reconnecting"
        assert "Trying to get it back" in note_of(page)
        screenshot(page, f"reconnecting-{name}")
        line.open()
        page.evaluate("dispatchEvent(new Event('online'))")
        wait_for_plot(page)
        assert note_of(page) == ""
        assert is_as_left(page, value)
        screenshot(page, f"reconnected-{name}")


def test_a_change_that_was_lost_on_the_way_is_sent_again(site, page):
    with Line(int(site.port)) as line:
        open_plot(page, f"{line.url}/sliders")
        line.is_silent = True
        value = press(page)
        line.cut()
        line.open()
        wait_for_plot(page)
        assert is_as_left(page, value)


def test_a_connection_that_died_without_a_word_is_noticed_when_the_network_is_back(site, page):
    with Line(int(site.port)) as line:
        open_plot(page, f"{line.url}/sliders")
        value = press(page)
        line.is_silent = True
        page.evaluate("dispatchEvent(new Event('online'))")
        wait_for_state(page, "reconnecting")
        line.open()
        wait_for_plot(page)
        assert is_as_left(page, value)


def test_a_late_answer_to_something_else_is_not_taken_for_a_sign_of_life(site, page):
    with Line(int(site.port)) as line:
        open_plot(page, f"{line.url}/sliders")
        line.is_late = True
        value = press(page)
        wait_until(lambda: line.kept, "the change is answered")
        page.evaluate("dispatchEvent(new Event('online'))")
        line.is_silent = True
        line.is_late = False
        wait_for_state(page, "reconnecting", seconds=15)
        line.open()
        wait_for_plot(page)
        assert is_as_left(page, value)


def test_a_document_that_takes_long_on_a_slow_line_is_shown_at_the_first_attempt(page, tmp_path):
    (tmp_path / "large.py").write_text(LARGE)
    with Site(BOKEH_APPS=str(tmp_path)) as site, Line(int(site.port)) as line:
        line.rate = 100_000
        page.goto(f"{line.url}/large", timeout=60_000)
        wait_until(lambda: state_of(page) not in (None, "loading"), "the plot is there", seconds=120)
        assert page.evaluate("states") == ["loading", "ready"]
        assert line.answered > 25 * line.rate, "it took 25 seconds, longer than any timeout of the loader"


def test_a_killed_server_is_told_and_one_click_later_there_is_a_working_plot(page):
    name = "parts"
    with parts_site() as site:
        open_plot(page, f"{site.url}/{name}")
        press(page)
        [server] = site.servers()
        server.kill()
        wait_for_state(page, "lost")
        assert "has ended" in note_of(page)
        assert "not kept" in note_of(page)
        screenshot(page, f"lost-{name}")
        start_again(page)
        screenshot(page, f"started-again-{name}")


def test_a_page_attaches_again_by_itself_when_the_web_process_has_restarted(page):
    settings = {"SECRET_KEY": secrets.token_hex(32)}
    with Stock("bokeh_apps/sliders.py", "tests/sites/parts_apps/parts.py") as stock:
        with Site(BOKEH_SERVERS=stock.url, **settings) as site, Line(int(site.port)) as line:
            pages = {name: page.context.new_page() for name in SITES}
            values = {}
            for name, tab in pages.items():
                open_plot(tab, f"{line.url}/{name}")
                values[name] = press(tab)
            site.close()
            for tab in pages.values():
                wait_for_state(tab, "reconnecting")
            with Site(BOKEH_SERVERS=stock.url, **settings) as restarted:
                line.aim(int(restarted.port))
                for name, tab in pages.items():
                    wait_for_plot(tab)
                    assert is_as_left(tab, values[name])


def test_a_stock_server_that_has_restarted_is_not_taken_for_the_old_one(page):
    with Stock("bokeh_apps/sliders.py") as stock:
        port = stock.url.rpartition(":")[2]
        with Site(BOKEH_SERVERS=stock.url) as site:
            open_plot(page, f"{site.url}/sliders")
            press(page)
            stock.popen.send_signal(signal.SIGKILL)
            wait_for_state(page, "reconnecting")
            with Stock("bokeh_apps/sliders.py", port=port):
                page.evaluate("dispatchEvent(new Event('online'))")  # or it would wait for its turn
                wait_for_state(page, "lost")
                start_again(page)


def test_a_tab_that_slept_past_the_life_of_its_session_offers_a_new_one(page, tmp_path, monkeypatch):
    ended = tmp_path / "ended"
    monkeypatch.setenv("PARTS_ENDED", str(ended))
    with parts_site(BOKEH_SESSION_LIFETIME="4") as site, Line(int(site.port)) as line:
        open_plot(page, f"{line.url}/parts")
        press(page)
        line.close()
        wait_for_state(page, "reconnecting")
        wait_until(ended.exists, "the server has ended the session")
        line.open()
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        wait_for_state(page, "lost")
        screenshot(page, "slept")
        start_again(page)


def test_the_plot_goes_on_where_it_was_opened_last(site, page):
    open_plot(page, f"{site.url}/sliders")
    value = press(page)
    block = page.evaluate("document.querySelector('.bokeh-embed > script').textContent")
    other = page.context.new_page()
    other.goto(site.url)
    loader = page.evaluate("document.querySelector('script[type=module]').src")
    other.evaluate("(url) => import(url)", loader)
    other.evaluate(
        """(block) => {
            const element = document.createElement("div");
            document.querySelector("main").append(element);
            bokehEmbed.add(element, JSON.parse(block));
        }""",
        block,
    )
    wait_for_plot(other)
    wait_for_state(page, "lost")
    assert "opened elsewhere" in note_of(page)
    screenshot(page, "elsewhere")
    assert is_as_left(other, value)
    start_again(page)
    assert state_of(other) == "ready"


def test_a_script_that_cannot_be_loaded_is_told_and_can_be_tried_again(site, page):
    refuse = re.compile(r"/bokeh-widgets-\w+\.js")
    page.route(refuse, lambda route: route.abort())
    page.goto(f"{site.url}/sliders")
    wait_for_state(page, "error")
    assert "could not be loaded" in note_of(page)
    screenshot(page, "error")
    page.unroute(refuse)
    page.get_by_role("button", name="Try again").click()
    wait_for_plot(page)


def test_an_application_that_fails_when_it_is_started_again_is_told_with_its_id(page, tmp_path):
    app = tmp_path / "app.py"
    app.write_text((ROOT / "bokeh_apps" / "sliders.py").read_text())
    with Site(BOKEH_APPS=str(tmp_path)) as site:
        open_plot(page, f"{site.url}/app")
        app.write_text("1 / 0")
        [server] = site.servers()
        server.kill()
        wait_for_state(page, "lost")
        page.get_by_role("button", name="Start again").click()
        wait_for_state(page, "error")
        found = re.search(r"under ([0-9a-f]{8})", note_of(page))
        assert found, note_of(page)
        assert f"[{found[1]}]" in site.output()
        screenshot(page, "error-with-id")
        app.write_text((ROOT / "bokeh_apps" / "sliders.py").read_text())
        [server] = site.servers()
        server.kill()
        page.get_by_role("button", name="Try again").click()
        wait_for_plot(page)


def test_a_session_that_ended_before_its_page_came_is_replaced_by_itself(page):
    """As a warm one may, when a full server makes room for another page."""
    with Site(BOKEH_APPS=SLIDERS, BOKEH_MAX_SESSIONS="1", BOKEH_STREAM="0") as site:

        def wait(route: Route) -> None:
            wait_until(lambda: site.get("/sliders").status_code == 200, "another page has got the place")
            route.continue_()

        page.route(re.compile(r"/embed-\w+\.js"), wait)
        open_plot(page, f"{site.url}/sliders")
        assert "lost" not in page.evaluate("states")
        press(page)


def test_it_is_replaced_once_and_then_said(site, page):
    refuse = """window.WebSocket = class {
        constructor() { setTimeout(() => this.onclose({code: 1006})); }
        close() {}
    }"""
    page.add_init_script(refuse)
    page.route("**/state", lambda route: route.fulfill(json={"state": "gone"}))
    views = []
    page.on("request", lambda request: request.url.endswith("/sliders") and views.append(request.method))
    page.goto(f"{site.url}/sliders")
    wait_for_state(page, "lost")
    assert "has ended" in note_of(page)
    assert views == ["GET", "GET"]


def test_whoever_has_signed_out_gets_no_new_plot_and_is_told(page):
    with Site(cwd=ROOT / "tests" / "sites", app="members:app", BOKEH_APPS=SLIDERS) as site:
        member = {"name": "member", "value": "1", "url": site.url}
        page.context.add_cookies([member])
        open_plot(page, f"{site.url}/sliders")
        page.context.clear_cookies(name="member")
        [server] = site.servers()
        server.kill()
        wait_for_state(page, "lost")
        page.get_by_role("button", name="Start again").click()
        wait_for_state(page, "error")
        assert "sign in" in note_of(page)
        screenshot(page, "signed-out")
        page.context.add_cookies([member])
        page.get_by_role("button", name="Try again").click()
        wait_for_plot(page)


def test_a_site_that_is_away_while_a_new_session_is_asked_for_is_told(page):
    with Site(BOKEH_APPS=SLIDERS) as site, Line(int(site.port)) as line:
        open_plot(page, f"{line.url}/sliders")
        [server] = site.servers()
        server.kill()
        wait_for_state(page, "lost")
        line.close()
        page.get_by_role("button", name="Start again").click()
        wait_for_state(page, "error")
        assert "could not be reached" in note_of(page)
        line.open()
        page.get_by_role("button", name="Try again").click()
        wait_for_plot(page)


def test_a_plot_that_is_disposed_of_while_it_reconnects_opens_no_websocket(pool, page):
    site = pool.get(Site)
    with Line(int(site.port)) as line:
        open_plot(page, f"{line.url}/sliders")
        line.close()
        wait_until(lambda: line.refused >= 4, "it waits for its next attempt")
        opened = page.evaluate("""async () => {
            let opened = 0;
            window.WebSocket = class extends WebSocket {
                constructor(...args) { super(...args); opened += 1; }
            };
            bokehEmbed.dispose(document.querySelector(".bokeh-embed"));
            await new Promise((resolve) => setTimeout(resolve));
            return opened;
        }""")
        assert opened == 0

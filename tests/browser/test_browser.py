from __future__ import annotations

import re
import signal
import socket

import pytest
from bokeh_server import Stock
from chromium import open_plot, read, screenshot
from harness import SLIDERS, Site, customized_site, wait_until, wait_until_ended
from playwright.sync_api import Page


def curve(page: Page) -> list[float]:
    return page.evaluate("""() => Array.from(
        Bokeh.documents.at(-1).get_model_by_name('plot').renderers[0].data_source.get_array('y'))""")


def answers(page: Page) -> None:
    """Move the slider and type a title: the data and the plot follow, through Python."""
    before = curve(page)
    slider = page.locator(".noUi-handle").first
    slider.focus()
    slider.press("ArrowRight")
    wait_until(lambda: curve(page) != before, "the slider changes the data")
    assert curve(page)[0] == pytest.approx(read(page, "offset", "value"))
    page.locator("input[type=text]").first.fill("a new title")
    page.keyboard.press("Enter")
    wait_until(lambda: read(page, "plot", "title.text") == "a new title", "the title changes")


@pytest.mark.parametrize("name", ["sliders", "penguins", "stream", "lissajous"])
def test_each_page_draws_its_plot_without_an_error(site, page, name):
    open_plot(page, f"{site.url}/{name}")
    if name == "stream":
        wait_until(
            lambda: (
                page.evaluate(
                    "Bokeh.documents.at(-1).get_model_by_name('plot').renderers[0].data_source.get_length()"
                )
                > 5
            ),
            "points arrive",
        )
    screenshot(page, name)
    assert not page.errors


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", socket.gethostname()])
def test_the_page_answers_whatever_the_machine_is_called(site, page, host):
    open_plot(page, f"http://{host}:{site.port}/sliders")
    answers(page)
    screenshot(page, f"sliders-answered-{host}")
    assert not page.errors


def test_two_tabs_do_not_disturb_each_other(site, page):
    other = page.context.new_page()
    open_plot(page, f"{site.url}/sliders")
    open_plot(other, f"{site.url}/sliders")
    before = curve(other)
    answers(page)
    assert curve(other) == before
    assert read(other, "plot", "title.text") == "my sine wave"


def test_the_article_to_the_letter_with_a_stock_server(page):
    with Site(BOKEH_SERVERS="http://localhost:1") as probe:
        port = probe.port
    origin = f"--allow-websocket-origin=127.0.0.1:{port}"
    with Stock("bokeh_apps/sliders.py", origin) as stock:
        with Site(port=port, BOKEH_SERVERS=stock.url, BOKEH_DELIVERY="direct") as site:
            open_plot(page, f"{site.url}/sliders")
            answers(page)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_site_ends_with_a_page_open(page, sign):
    with Site(BOKEH_APPS=SLIDERS) as site:
        open_plot(page, f"{site.url}/sliders")
        family = site.family()
        site.popen.send_signal(sign)
        wait_until_ended(family)


def test_a_plot_that_never_comes_is_told_in_the_page(site, page):
    page.route(re.compile(r"/embed-\w+\.js"), lambda route: route.abort())
    page.goto(f"{site.url}/sliders")
    style = "getComputedStyle(document.querySelector('.bokeh-embed'), '{0}').{1}"
    assert "on its way" in page.evaluate(style.format("::before", "content"))
    wait_until(
        lambda: page.evaluate(style.format("::after", "visibility")) == "visible", "it says that it is late"
    )
    assert "should be here by now" in page.evaluate(style.format("::after", "content"))
    screenshot(page, "late")
    assert page.errors  # the request was refused


def test_the_gallery_leads_to_a_plot_and_an_unknown_page_back_to_the_gallery(site, page):
    page.goto(site.url)
    screenshot(page, "gallery")
    page.get_by_role("link", name="Sliders").click()
    page.locator(".bk-Canvas").first.wait_for()
    page.goto(f"{site.url}/nothing")
    screenshot(page, "unknown")
    page.get_by_role("link", name="All applications").click()
    page.get_by_role("heading", name="Bokeh applications").wait_for()


def test_what_a_route_changes_is_what_the_browser_shows(pool, page):
    open_plot(page, pool.get(customized_site).url)
    assert read(page, "plot", "title.text") == "changed by the route"
    assert read(page, "offset", "value") == 3
    assert curve(page)[0] == pytest.approx(3)  # the application's own callback ran
    screenshot(page, "customized")


def test_an_application_with_a_template_of_its_own_is_shown_in_it(page, tmp_path):
    (tmp_path / "own" / "templates").mkdir(parents=True)
    (tmp_path / "own" / "main.py").write_text(
        "from bokeh.io import curdoc\n"
        "from bokeh.models import Div, Slider\n"
        "slider = Slider(name='amount', start=0, end=10, value=1)\n"
        "said = Div(text='nothing yet')\n"
        "slider.on_change('value', lambda attr, old, new: said.update(text=f'it is {new}'))\n"
        "curdoc().add_root(slider)\n"
        "curdoc().add_root(said)\n"
        "curdoc().template_variables['greeting'] = 'Hello from the application'\n"
    )
    (tmp_path / "own" / "templates" / "index.html").write_text(
        "{% extends base %}\n{% block contents %}\n<h1>{{ greeting }}</h1>\n"
        "<main>{{ embed(roots.amount) }}</main>\n<footer>{{ embed(roots[1]) }}</footer>\n"
        "<script>document.body.dataset.own = 'yes'</script>\n{% endblock %}\n"
    )
    with Site(BOKEH_APPS=str(tmp_path)) as site:
        page.goto(f"{site.url}/own")
        page.get_by_role("heading", name="Hello from the application").wait_for()
        page.locator("main .noUi-handle").focus()
        page.keyboard.press("ArrowRight")
        page.locator("footer").get_by_text("it is 2").wait_for()
        assert page.evaluate("document.body.dataset.own") == "yes"
        screenshot(page, "own-template")
        assert not page.errors
        [server] = site.servers()
        server.kill()
        page.get_by_text("has ended").first.wait_for()
        wait_until(lambda: site.get("/own").status_code == 200, "a new server runs")  # so roots get other ids
        page.get_by_role("button", name="Start again").first.click()
        page.locator("footer").get_by_text("nothing yet").wait_for()
        page.locator("main .noUi-handle").press("ArrowRight")
        page.locator("footer").get_by_text("it is 2").wait_for()


def test_with_dev_an_edited_application_shows_itself_in_the_open_page(page, tmp_path):
    application = tmp_path / "edited.py"
    text = "from bokeh.io import curdoc\nfrom bokeh.models import Div\ncurdoc().add_root(Div(text='{}'))\n"
    application.write_text(text.format("as it was"))
    with Site(BOKEH_APPS=str(tmp_path), BOKEH_DEV="1") as site:
        page.goto(f"{site.url}/edited")
        page.get_by_text("as it was").wait_for()
        application.write_text("1 / 0")
        page.get_by_text("division by zero").wait_for()
        screenshot(page, "dev-error")
        application.write_text(text.format("as it is now"))
        page.get_by_text("as it is now").wait_for()


def test_a_page_whose_cookie_another_one_has_replaced_gets_a_session_of_its_own(site, page):
    """As when a browser without a cookie opens two pages at the same time."""

    def replace_cookie(route):
        page.context.add_cookies(
            [{"name": "quart_bokeh_visitor", "value": "x" * 43, "url": site.url, "httpOnly": True}]
        )
        route.continue_()

    page.route(re.compile(r"/embed-\w+\.js"), replace_cookie)
    open_plot(page, f"{site.url}/sliders")
    answers(page)

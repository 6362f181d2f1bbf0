"""What pages with plots are made of: roots, bundles, elements that come and go, policy, accessibility."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from chromium import (
    note_of,
    open_plot,
    press,
    read,
    screenshot,
    state_of,
    wait_for_plot,
    wait_for_state,
)
from harness import Pool, Site, parts_site, wait_until
from playwright.sync_api import Page, Route


@pytest.fixture
def parts(pool: Pool) -> Site:
    return pool.get(parts_site)


def scripts(page: Page) -> list[str]:
    """Return which scripts of ours the page has loaded, without their hashes."""
    urls = page.evaluate("[...document.querySelectorAll('head > script:not([type])')].map(({src}) => src)")
    return [re.sub(r"-[0-9a-f]{16}", "", url.rpartition("/")[2]) for url in urls]


def sockets(page: Page) -> list[str]:
    urls: list[str] = []
    page.on("websocket", lambda socket: urls.append(socket.url))
    return urls


def serious(page: Page) -> list[str]:
    """Return what axe-core finds wrong with a page that keeps somebody from using it."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {node['html']}"
        for found in violations
        if found["impact"] in ("serious", "critical")
        # What BokehJS draws is BokehJS's own.
        for node in found["nodes"]
        if not isinstance(node["target"][0], list)
    ]


@pytest.mark.parametrize("path", ["/", "/sliders", "/penguins", "/stream", "/lissajous", "/nothing"])
def test_pages_have_nothing_seriously_inaccessible_and_break_no_policy(site, page, path):
    (page.goto if path in ("/", "/nothing") else lambda url: open_plot(page, url))(site.url + path)
    assert serious(page) == []
    assert page.evaluate("violations") == []
    expected = ["Failed to load resource"] if path == "/nothing" else []
    assert [error[:23] for error in page.errors] == expected


def test_each_state_is_accessible_and_told_to_those_who_listen(site, page):
    is_blocked = True

    def answer(route: Route) -> None:
        if is_blocked:
            route.abort()
        else:
            route.continue_()

    page.route(re.compile(r"/bokeh-widgets-\w+\.js"), answer)
    page.goto(f"{site.url}/sliders")
    wait_for_state(page, "error")
    assert serious(page) == []
    assert page.locator(".bokeh-embed [role=status]").inner_text().startswith("The plot could not be shown")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Try again"
    is_blocked = False
    page.keyboard.press("Enter")
    wait_for_plot(page)
    assert page.evaluate("document.activeElement.className") == "bokeh-embed"


def test_roots_stand_where_the_page_wants_them_with_one_socket(parts, page):
    urls = sockets(page)
    open_plot(page, f"{parts.url}/roots/parts")
    assert page.locator(".bokeh-embed").count() == 2
    assert page.locator("section[aria-label=plot] .bk-Figure").count() == 1
    assert page.locator("section[aria-label=controls] .bk-Column").count() == 1
    assert page.locator(".bk-Figure").count() == 1
    moved = press(page)
    wait_until(lambda: read(page, "offset", "value") == pytest.approx(moved), "the slider answers")
    assert len(urls) == 1
    assert serious(page) == []
    screenshot(page, "roots")
    assert not page.errors


def test_a_root_alone_shows_nothing_of_the_others(parts, page):
    page.goto(f"{parts.url}/one/parts?root=controls")
    wait_for_state(page, "ready")
    assert page.locator(".bk-Figure").count() == 0
    assert page.locator(".bk-Column").count() == 1
    press(page)
    screenshot(page, "one-root")
    assert not page.errors


def test_an_unknown_root_is_an_error(parts):
    assert parts.get("/one/parts?root=nothing").status_code == 500
    assert "no root named 'nothing', only ['plot', 'controls']" in parts.output()


@pytest.mark.parametrize("path", ["/replaced", "/roots/replaced"])
def test_roots_that_have_been_replaced_before_the_page_saw_them_are_shown(page, tmp_path, path):
    replaced = tmp_path / "replaced"
    (tmp_path / "replaced.py").write_text(
        f"""
from pathlib import Path

from bokeh.io import curdoc
from bokeh.models import Div

document = curdoc()

def replace():
    document.clear()
    document.add_root(Div(name="other", text="another one"))
    document.add_root(Div(name="same", text="as it is now"))
    Path({str(replaced)!r}).touch()

document.add_root(Div(name="same", text="as it was"))
document.add_root(Div(name="gone", text="not for long"))
document.add_timeout_callback(replace, 1000)
"""
    )
    with parts_site(BOKEH_APPS=str(tmp_path)) as site:

        def wait(route: Route) -> None:
            wait_until(replaced.exists, "the application has replaced its roots")
            route.continue_()

        page.route(re.compile(r"/embed-\w+\.js"), wait)
        page.goto(f"{site.url}{path}")
        page.get_by_text("as it is now").wait_for()
        assert state_of(page) == "ready"
        if path == "/replaced":
            page.get_by_text("another one").wait_for()
        else:
            said = page.locator("section[aria-label=gone]").inner_text()
            assert "not there now" in said
            page.locator("section[aria-label=same]").get_by_text("as it is now").wait_for()
        screenshot(page, path.strip("/").replace("/", "-"))
        assert not page.errors


def test_two_sessions_in_one_page_share_the_scripts_and_nothing_else(parts, page):
    urls = sockets(page)
    open_plot(page, f"{parts.url}/twice/parts")
    wait_until(
        lambda: page.evaluate("Bokeh.documents.every((document) => document.is_idle)"), "both are there"
    )
    assert len(urls) == 2
    assert scripts(page) == ["bokeh.js", "bokeh-widgets.js"]
    press(page)
    values = page.evaluate(
        "Bokeh.documents.map((document) => document.get_model_by_name('offset').value).toSorted()"
    )
    assert values == [0, pytest.approx(0.1)]
    assert not page.errors


def test_a_document_that_changes_gets_what_it_needs_then(parts, page):
    open_plot(page, f"{parts.url}/parts")
    assert scripts(page) == ["bokeh.js", "bokeh-widgets.js"]
    page.get_by_role("button", name="More").click()
    page.locator(".bk-DataTable").wait_for()
    assert scripts(page) == [
        "bokeh.js",
        "bokeh-widgets.js",
        "bokeh-mathjax.js",
        "bokeh-gl.js",
        "bokeh-tables.js",
    ]
    provider = "Bokeh.loader['models/text/providers'].default_provider"
    wait_until(lambda: page.evaluate(f"{provider}.status") == "loaded", "MathJax sets the title")
    screenshot(page, "more")
    # And all of it from the beginning, when the page attaches again.
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    wait_for_plot(page)
    page.locator(".bk-DataTable").wait_for()
    assert [error for error in page.errors if "WebGL" not in error and "webgl" not in error] == []


def test_an_application_hears_once_that_its_document_is_ready(parts, page):
    open_plot(page, f"{parts.url}/parts")
    wait_until(lambda: read(page, "ready", "text") == "1", "it has heard it")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert state_of(page) == "reconnecting"
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    wait_for_plot(page)
    press(page)
    assert read(page, "ready", "text") == "1"


def test_elements_come_and_go(parts, page):
    urls = sockets(page)
    ended: list[str] = []
    page.on("websocket", lambda socket: socket.on("close", lambda socket: ended.append(socket.url)))
    open_plot(page, f"{parts.url}/parts")
    page.evaluate("bokehEmbed.dispose(document.querySelector('.bokeh-embed'))")
    assert page.evaluate("[Bokeh.documents.length, Object.keys(Bokeh.index).length]") == [0, 0]
    assert page.locator(".bk-Figure").count() == 0
    # Playwright tells of events while it is asked for something.
    wait_until(lambda: page.evaluate("1") and ended == urls, "its socket is closed")
    page.evaluate(
        """async (url) => {
            const text = await (await fetch(url)).text();
            document.querySelector("main").innerHTML = text.slice(text.indexOf("<body>"));
            document.querySelectorAll(".bokeh-embed").forEach((element) => bokehEmbed.add(element));
        }""",
        f"{parts.url}/roots/parts",
    )
    wait_for_plot(page)
    assert page.locator(".bokeh-embed .bk-Figure").count() == 1
    assert page.locator(".bokeh-embed .bk-Column").count() == 1
    page.evaluate("bokehEmbed.dispose(document.querySelector('.bokeh-embed'))")
    assert page.locator(".bk-Figure").count() == 0
    moved = press(page)
    first = "Bokeh.documents.at(-1).get_model_by_name('source').get_array('y')[0]"
    wait_until(lambda: page.evaluate(first) == pytest.approx(moved), "the element that is left answers")
    assert len(urls) == 2
    assert ended == urls[:1]
    assert not page.errors


def test_a_new_session_without_a_page_to_ask_for_it(page):
    """An element that came later has no place in the page's own URL: its session is renewed by itself."""
    with parts_site() as parts:
        open_plot(page, f"{parts.url}/parts")
        page.evaluate(
            """() => {
                const element = document.querySelector(".bokeh-embed");
                const copy = element.cloneNode(true);
                bokehEmbed.dispose(element);
                copy.replaceChildren(copy.querySelector("script"));
                element.replaceWith(copy);
                bokehEmbed.add(copy);
            }"""
        )
        wait_for_plot(page)
        press(page)
        [server] = parts.servers()
        server.kill()
        wait_for_state(page, "lost")
        page.get_by_role("button", name="Start again").click()
        wait_for_plot(page)
        assert read(page, "offset", "value") == 0
        press(page)


def test_a_model_for_which_there_is_no_script_is_named(page, tmp_path):
    (tmp_path / "own.py").write_text(
        """
from bokeh.core.properties import Int
from bokeh.io import curdoc
from bokeh.models import LayoutDOM

class Own(LayoutDOM):
    size = Int(1)

curdoc().add_root(Own(name="own"))
"""
    )
    with Site(BOKEH_APPS=str(tmp_path)) as site:
        page.goto(f"{site.url}/own")
        wait_for_state(page, "error")
        assert "no script for its" in note_of(page)
        assert "Own" in note_of(page)


def test_a_model_of_an_installed_extension_is_shown(page, tmp_path, monkeypatch):
    package = tmp_path / "packages" / "quart_bokeh_badge"
    (package / "dist").mkdir(parents=True)
    (package / "bokeh.ext.json").write_text("{}")
    (package / "__init__.py").write_text(
        """
from bokeh.core.properties import String
from bokeh.models import LayoutDOM

class Badge(LayoutDOM):
    text = String("")
"""
    )
    (package / "dist" / "quart_bokeh_badge.min.js").write_text(
        """
(function (Bokeh) {
  Bokeh.register_plugin({
    100001: function (require, module, exports) {
      const {LayoutDOM, LayoutDOMView} = require("models/layouts/layout_dom");
      class BadgeView extends LayoutDOMView {
        get child_models() { return []; }
        render() {
          super.render();
          this.shadow_el.append(document.createElement("span"));
          this.shadow_el.lastChild.textContent = this.model.text;
        }
      }
      class Badge extends LayoutDOM {}
      Badge.__module__ = "quart_bokeh_badge";
      Badge.__name__ = "Badge";
      Badge.prototype.default_view = BadgeView;
      Badge.define(({Str}) => ({text: [Str, ""]}));
      require("base").register_models([Badge]);
    },
  }, 100001, {});
})(window.Bokeh);
"""
    )
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "badge.py").write_text(
        """
from bokeh.io import curdoc
from quart_bokeh_badge import Badge

curdoc().add_root(Badge(name="badge", text="shown by an extension", width=300, height=50))
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=":")
    with Site(BOKEH_APPS=str(tmp_path / "apps")) as site:
        page.goto(f"{site.url}/badge")
        page.get_by_text("shown by an extension").wait_for()
        assert scripts(page) == [
            "bokeh.js",
            "bokeh-widgets.js",
            "bokeh-tables.js",
            "ext-quart_bokeh_badge.js",
        ]
        assert not page.errors

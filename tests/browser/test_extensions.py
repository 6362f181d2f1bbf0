"""Models that are not Bokeh's own: of an extension, with code in their classes, and Panel's."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import note_of, press, screenshot, wait_for_state
from harness import ROOT, Site, wait_until
from playwright.sync_api import Page

APPS = ROOT / "tests" / "sites" / "extension_apps"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js to compile with")
needs_panel = pytest.mark.skipif(importlib.util.find_spec("panel") is None, reason="Panel is not installed")

PANEL = {
    "widgets.py": """
import pandas
import panel as pn
pn.extension("tabulator")
points = pn.widgets.IntSlider(name="Points", start=1, end=20, value=5)
table = pn.widgets.Tabulator(pandas.DataFrame({"a": [1, 2]}), height=150)
pn.Column("# Panel", points, pn.bind(lambda number: f"**{number}** points", points), table).servable()
""",
    "fast.py": """
import panel as pn
pn.extension()
points = pn.widgets.IntSlider(name="Points", start=1, end=20, value=5)
text = pn.bind(lambda number: f"**{number}** points", points)
pn.template.FastListTemplate(title="Fast", sidebar=[points], main=[pn.Card(text, title="Card")]).servable()
""",
    "material.py": """
import panel as pn
pn.extension()
points = pn.widgets.IntSlider(name="Points", start=1, end=20, value=5)
text = pn.bind(lambda number: f"**{number}** points", points)
pn.template.MaterialTemplate(title="Material", sidebar=[points], main=[text]).servable()
""",
}


@pytest.fixture(scope="module", params=["", "/deep/down"])
def prefix(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def extended(prefix: str) -> Iterator[Site]:
    arguments = ["--root-path", prefix] if prefix else []
    with Site(*arguments, BOKEH_APPS=str(APPS), BOKEH_PULL_TIMEOUT="60") as site:
        site.url += prefix
        yield site


@pytest.fixture
def requests(page: Page) -> list[str]:
    """The files of extensions that the page has asked for, and what has failed."""
    urls: list[str] = []
    page.on("response", lambda answer: answer.status >= 400 and urls.append(f"{answer.status} {answer.url}"))
    page.on("requestfailed", lambda request: urls.append(f"failed: {request.url}"))
    page.on("request", lambda request: "/extensions/" in request.url and urls.append(request.url))
    return urls


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    wait_for_state(page, "ready")


def test_an_extension_shows_and_answers_with_its_files_from_the_site(extended, page, requests):
    open_page(page, f"{extended.url}/badge")
    page.get_by_text("* MOVED 0!").wait_for()
    press(page)
    page.get_by_text("* MOVED 1!").wait_for()
    page.get_by_alt_text("a dot").nth(1).wait_for()
    style = "getComputedStyle(document.querySelector('main')).borderLeftColor"
    wait_until(lambda: page.evaluate(style) == "rgb(4, 5, 6)", "its style sheet for the page counts")
    badge = page.get_by_text("* MOVED 1!")
    wait_until(lambda: badge.evaluate("({}) => 1") == 1, "it is there")
    wait_until(
        lambda: badge.evaluate("(element) => getComputedStyle(element).color") == "rgb(1, 2, 3)",
        "its style sheet for the model counts",
    )
    base = f"{extended.url}/bokeh/extensions/tiny_ext/"
    files = {"lib/shout.js", "lib/mark.js", "page.css", "badge.css", "images/dot.svg", "images/dot.svg?1"}
    assert set(requests) == {base + name for name in files}
    screenshot(page, "extension")
    assert page.evaluate("violations") == []
    assert not page.errors


def test_what_a_model_needs_is_loaded_when_it_comes_and_the_policy_is_told(extended, page):
    open_page(page, f"{extended.url}/later")
    page.get_by_text("evaluated").wait_for()
    wait_until(lambda: note_of(page), "the page says what it may not run")
    assert note_of(page) == "This plot runs text as code, which this site does not allow."
    assert page.evaluate("typeof shout") == "undefined"
    page.get_by_role("button", name="More").click()
    page.get_by_text("* LATER!").wait_for()
    screenshot(page, "extension-later")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("elsewhere", "A part of it could not be loaded: https://elsewhere.invalid/library.js"),
        ("ghost", "This site has no script for its tiny_ext.Ghost."),
        ("broken", "This site has no script for its Broken."),
    ],
)
def test_the_page_says_what_is_missing(extended, page, name, what):
    page.goto(f"{extended.url}/{name}")
    wait_for_state(page, "error")
    assert note_of(page).startswith(f"The plot could not be shown. {what}")
    screenshot(page, f"missing-{name}")
    open_page(page, f"{extended.url}/badge")  # and the server lives on


@needs_node
def test_a_model_with_its_implementation_in_its_class(extended, page):
    open_page(page, f"{extended.url}/own")
    page.get_by_text("own 0").wait_for()
    press(page)
    page.get_by_text("own 1").wait_for()
    screenshot(page, "own-model")
    assert page.evaluate("violations") == []
    assert not page.errors


def test_a_template_that_the_application_sets_has_its_files_too(extended, page, requests):
    open_page(page, f"{extended.url}/templated")
    page.get_by_text("IN A TEMPLATE!").wait_for()
    assert page.locator("main .bokeh-embed").count() == 1
    assert page.locator("h1").count() == 0
    assert [url for url in requests if "bokeh/extensions/tiny_ext/" not in url] == []
    assert not page.errors


def test_the_policy_can_allow_other_sources(page):
    with Site(BOKEH_APPS=str(APPS), BOKEH_CSP_SOURCES="https://elsewhere.invalid") as site:
        library = "window.library = () => 'from elsewhere';"
        page.route("**/library.js", lambda route: route.fulfill(body=library, content_type="text/javascript"))
        page.route("**/library.css", lambda route: route.fulfill(body="", content_type="text/css"))
        open_page(page, f"{site.url}/elsewhere")
        page.get_by_text("from elsewhere").wait_for()
        assert not page.errors


@pytest.fixture(scope="module")
def paneled(prefix: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("panel")
    for name, text in PANEL.items():
        (folder / name).write_text(text)
    arguments = ["--root-path", prefix] if prefix else []
    with Site(*arguments, BOKEH_APPS=str(folder), BOKEH_PULL_TIMEOUT="60") as site:
        site.url += prefix
        yield site


@needs_panel
@pytest.mark.parametrize("name", ["widgets", "fast", "material"])
def test_panel_looks_right_and_answers(paneled, page, requests, name):
    page.goto(f"{paneled.url}/{name}")
    wait_for_state(page, "ready")
    page.get_by_text("5 points").wait_for()
    press(page)
    page.get_by_text("6 points").wait_for()
    if name == "widgets":
        header = page.locator(".tabulator-header").first
        wait_until(
            lambda: header.evaluate("(element) => getComputedStyle(element).borderBottomWidth") == "1px",
            "the table has its theme",
        )
        assert page.evaluate("violations") == []
    else:
        assert page.locator("#header").get_by_text(name.capitalize()).is_visible()
    screenshot(page, f"panel-{name}")
    # Templates take fonts from elsewhere, and MaterialTemplate a style sheet that it has here as well.
    own = [url for url in requests if "://127.0.0.1" in url or "holoviz" in url]
    assert [url for url in own if not url.startswith(f"{paneled.url}/bokeh/extensions/panel/")] == []
    assert [error for error in page.errors if "ERR_NAME_NOT_RESOLVED" not in error] == []

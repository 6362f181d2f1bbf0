"""The internal names of BokehJS that the loader uses."""

from __future__ import annotations

from pathlib import Path

from bokeh.settings import settings
from playwright.sync_api import Page

from quart_app.page.loader import FOLDER

MISSING_NAMES = """async (text) => {
    const url = URL.createObjectURL(new Blob([text], {type: "text/javascript"}));
    return (await import(url)).missingNames(Bokeh);
}"""


def missing_names(page: Page) -> list[str]:
    return page.evaluate(MISSING_NAMES, (FOLDER / "bokehjs.js").read_text(encoding="utf-8"))


def test_this_bokehjs_has_all_of_them_and_one_that_has_gone_is_named(page):
    page.add_script_tag(path=Path(settings.bokehjs_path()) / "js" / "bokeh.min.js")
    assert missing_names(page) == []
    page.evaluate("""() => {
        delete Bokeh.loader["@bokehjs/document"].Document.prototype.apply_json_patch;
        Bokeh.loader["@bokehjs/models/text/providers"].default_provider = {};
        window.Bokeh = {...Bokeh, loader: Bokeh.loader, embed: {}, Models: null};
    }""")
    assert missing_names(page) == [
        "Models.get",
        "embed.add_document_standalone",
        "default_provider.status",
        "document.views_manager",
        "document.apply_json_patch",
    ]

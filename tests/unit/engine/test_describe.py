"""The outline of a document, as the Bokeh server sends it in the ACK of a pull."""

from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace

import pytest
from bokeh.core import has_props
from bokeh.document import Document
from bokeh.models import Slider
from harness import ROOT

from quart_app.engine.handlers import outline_of
from quart_app.protocol.describe import cdn_to_local, describe
from quart_app.protocol.outline import Outline, Root, Template

PANEL_CDN = "https://elsewhere.invalid/1.2/dist/"


@pytest.fixture
def tiny_ext(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "sites" / "extension_apps"))
    import tiny_ext

    yield tiny_ext
    # Bokeh knows models by name in the whole process; other tests are to find it without these.
    del sys.modules["tiny_ext"]
    known = has_props._default_resolver._known_models
    for name in [name for name in known if name.startswith("tiny_ext.")]:
        del known[name]


def test_an_outline_has_the_files_that_models_of_other_packages_name(tiny_ext):
    document = Document()
    document.add_root(Slider(start=0, end=1, value=0))
    assert describe(document).links == {}
    document.add_root(tiny_ext.Ghost())
    outline = describe(document)
    assert outline.links["tiny_ext.Badge"] == [
        ("style", "static/extensions/tiny_ext/page.css", ""),
        ("script", "static/extensions/tiny_ext/lib/shout.js", ""),
        ("module", "static/extensions/tiny_ext/lib/mark.js", "tinyMark"),
    ]
    assert "tiny_ext.Ghost" not in outline.links
    assert outline.packages == ("tiny_ext",)
    assert outline.bundles == {"bokeh", "bokeh-widgets"}


@pytest.mark.parametrize("template", [None, Template("<html>", {"p1": "e1"})])
def test_an_outline_survives_json(template):
    outline = Outline(
        (Root("p1", "top"), Root("p2")),
        frozenset({"bokeh", "bokeh-tables"}),
        ("panel",),
        ("CustomJS",),
        links={"panel.Own": [["style", "static/a.css", ""]]},
        cdn_to_local={PANEL_CDN: "static/extensions/panel/"},
        models_script="1;",
        template=template,
    )
    assert Outline.from_json(json.loads(json.dumps(outline.to_json()))) == outline


def test_an_outline_maps_panels_cdn_to_the_server(monkeypatch):
    monkeypatch.setitem(sys.modules, "panel.io.resources", SimpleNamespace(CDN_DIST=PANEL_CDN))
    assert cdn_to_local([Slider]) == {}
    panels = type("Tabulator", (Slider,), {"__module__": "panel.models.tabulator"})
    assert cdn_to_local([panels]) == {PANEL_CDN: "static/extensions/panel/"}
    monkeypatch.delitem(sys.modules, "panel.io.resources")
    assert cdn_to_local([type("Tabulator2", (Slider,), {"__module__": "panel.models.tabulator"})]) == {}


def test_an_outline_has_the_documents_own_template_and_no_other():
    document = Document()
    slider = Slider(start=0, end=1, value=0)
    document.add_root(slider)
    assert asyncio.run(outline_of(document)).template is None
    document.template = "{% block contents %}<h1>{{ title }}</h1>{{ embed(roots[0]) }}{% endblock %}"
    document.title = "Own"
    template = asyncio.run(outline_of(document)).template
    assert isinstance(template, Template)
    assert "<h1>Own</h1>" in template.html
    assert f'<div id="{template.elements[slider.id]}"' in template.html
    assert "<script" not in template.html


def test_a_template_that_fails_is_logged_and_left_out(caplog):
    document = Document()
    document.title = "Broken"
    document.template = "{% block contents %}{{ 1 / 0 }}{% endblock %}"
    assert asyncio.run(outline_of(document)).template is None
    assert "Cannot render the template of 'Broken'" in caplog.text

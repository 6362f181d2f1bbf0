from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
from bokeh.document import Document
from bokeh.models import LayoutDOM, Slider
from harness import ROOT

from quart_app.engine.models_script import compile_models
from quart_app.page.assets import Asset, Assets
from quart_app.page.extensions import AssetUrlRewriter, extension_file, extension_script
from quart_app.protocol.describe import cdn_to_local, describe
from quart_app.protocol.outline import Outline, Root, Template

APPS = str(ROOT / "tests" / "sites" / "extension_apps")
COPIES = {"https://elsewhere.invalid/1.2/dist/": "static/extensions/panel/"}
BUILT = ROOT / "tests" / "sites" / "extension_apps" / "tiny_ext" / "built"


@pytest.fixture
def tiny_ext(monkeypatch):
    monkeypatch.syspath_prepend(APPS)
    import tiny_ext

    return tiny_ext


def test_an_extension_may_stand_in_the_folder_of_applications():
    assert extension_script("tiny_ext") is None
    assert extension_script("tiny_ext", [APPS]) == BUILT / "tiny_ext.js"


@pytest.mark.parametrize("package", ["json", "no_such_package", "../etc", "tiny_ext.built", "", "a\0b"])
def test_a_package_that_is_no_extension_has_no_script(package):
    assert extension_script(package, [APPS]) is None


@pytest.mark.parametrize(
    "path",
    [
        *("../__init__.py", "lib/../../package.json", "/etc/passwd", "..", "", ".", "lib", "no.js"),
        *("a\0b", "x" * 5000, "..\\__init__.py", "%2e%2e/__init__.py"),
    ],
)
def test_nothing_but_files_beside_the_script_is_sent(path):
    assert extension_file("tiny_ext", path, [APPS]) is None


def test_files_beside_the_script_are_sent_and_scripts_can_be_compressed():
    assets = Assets([APPS])
    assert assets.of_extension("tiny_ext", "images/dot.svg") == BUILT / "images" / "dot.svg"
    script = assets.of_extension("tiny_ext", "lib/shout.js")
    assert isinstance(script, Asset)
    assert script is assets.of_extension("tiny_ext", "lib/shout.js")
    assert assets.of_extension("json", "__init__.py") is None


def test_another_worker_has_the_script_too():
    assets = Assets([APPS])
    assets.load()
    needed, _ = assets.for_outline(Outline((), packages=("tiny_ext",)))
    [name] = [name for name in needed if name.startswith("ext-")]
    found = Assets([APPS]).get(name)
    assert found is not None
    assert b"sourceMappingURL" not in found.content
    assert Assets([APPS]).get(name.replace(found.digest, "0" * 16)) is None
    assert Assets([APPS]).get("ext-json-0123456789abcdef.js") is None


def test_code_of_an_application_is_loaded_last_with_what_it_may_build_on():
    assets = Assets()
    assets.load()
    needed, _ = assets.for_outline(Outline((), models_script="1;"))
    assert [name.rpartition("-")[0] for name in needed] == [
        "bokeh",
        "bokeh-widgets",
        "bokeh-tables",
        "models",
    ]
    found = assets.get(needed[-1])
    assert found is not None
    assert found.content == b"1;"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("static/extensions/panel/a.js", "/deep/bokeh/extensions/panel/a.js"),
        ("./static/extensions/panel/a.js?v=1", "/deep/bokeh/extensions/panel/a.js?v=1"),
        ("/static/extensions/panel/a.js", "/deep/bokeh/extensions/panel/a.js"),
        ("plot/static/own.js", "/deep/plot/static/own.js"),
        ("https://example.org/static/extensions/a.js", "https://example.org/static/extensions/a.js"),
        ("//example.org/a.js", "//example.org/a.js"),
        ("data:text/css,", "data:text/css,"),
        ("https://elsewhere.invalid/1.2/dist/a.css", "/deep/bokeh/extensions/panel/a.css"),
    ],
)
def test_what_a_model_names_leads_to_this_site_from_any_page(url, expected):
    assert AssetUrlRewriter("/deep", COPIES).url(url) == expected


def test_references_in_an_applications_own_page_lead_to_this_site():
    page = """<link href="static/extensions/a.css"><i style="background: url( ./static/extensions/a.svg)">
<script src='./static/extensions/a.js'></script> static/extensions/ of https://x/static/extensions/a.js
<link href="https://elsewhere.invalid/1.2/dist/b.css">"""
    assert (
        AssetUrlRewriter("/deep", COPIES).page(page)
        == """<link href="/deep/bokeh/extensions/a.css">"""
        + """<i style="background: url( /deep/bokeh/extensions/a.svg)">
<script src='/deep/bokeh/extensions/a.js'></script> static/extensions/ of https://x/static/extensions/a.js
<link href="/deep/bokeh/extensions/panel/b.css">"""
    )


def test_an_outline_names_what_models_of_other_packages_need(tiny_ext):
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
        cdn_to_local={"https://cdn.invalid/": "static/extensions/panel/"},
        models_script="1;",
        template=template,
    )
    assert Outline.from_json(json.loads(json.dumps(outline.to_json()))) == outline


def test_an_outline_names_what_panel_has_elsewhere(monkeypatch):
    [elsewhere] = COPIES
    monkeypatch.setitem(sys.modules, "panel.io.resources", SimpleNamespace(CDN_DIST=elsewhere))
    assert cdn_to_local([Slider]) == {}
    assert cdn_to_local([type("Tabulator", (Slider,), {"__module__": "panel.models.tabulator"})]) == COPIES
    monkeypatch.delitem(sys.modules, "panel.io.resources")
    assert cdn_to_local([type("Tabulator2", (Slider,), {"__module__": "panel.models.tabulator"})]) == {}


@pytest.fixture
def own_model(monkeypatch):
    def make(session: str, code: str) -> type[LayoutDOM]:
        """Return the class as an application makes it anew for every session."""
        module = f"bokeh_app_{session * 32}"
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
        return type("Own", (LayoutDOM,), {"__module__": module, "__implementation__": code})

    return make


def test_a_model_is_compiled_once_for_all_sessions(own_model, monkeypatch):
    calls = []

    def bundle(types: list[type]) -> str:
        calls.append(types)
        return f"// custom/{types[0].__module__}.own"

    monkeypatch.setattr("quart_app.engine.models_script.bundle_models", bundle)
    texts = {compile_models([own_model(session, "let once\n")]) for session in "abc"}
    assert texts == {"// custom/bokeh_app.own"}
    assert len(calls) == 1
    compile_models([own_model("a", "let twice\n")])
    assert len(calls) == 2


def test_what_cannot_be_compiled_ends_nothing(own_model, monkeypatch, caplog):
    def fail(_: object) -> str:
        raise SystemExit(1)

    monkeypatch.setattr("quart_app.engine.models_script.bundle_models", fail)
    for session in "ab":
        assert compile_models([own_model(session, "let wrong\n")]) == ""
    assert caplog.text.count("Cannot compile the implementation of Own") == 1

from __future__ import annotations

import pytest
from harness import ROOT

from quart_app.page.assets import Asset, Assets
from quart_app.page.extensions import AssetUrlRewriter, extension_file, extension_script
from quart_app.protocol.outline import Outline

APPS = str(ROOT / "tests" / "sites" / "extension_apps")
COPIES = {"https://elsewhere.invalid/1.2/dist/": "static/extensions/panel/"}
BUILT = ROOT / "tests" / "sites" / "extension_apps" / "tiny_ext" / "built"


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
    assert assets.get_extension_file("tiny_ext", "images/dot.svg") == BUILT / "images" / "dot.svg"
    script = assets.get_extension_file("tiny_ext", "lib/shout.js")
    assert isinstance(script, Asset)
    assert script is assets.get_extension_file("tiny_ext", "lib/shout.js")
    assert assets.get_extension_file("json", "__init__.py") is None


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

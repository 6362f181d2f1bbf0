from __future__ import annotations

import gzip
import json
import logging

import brotli
import pytest

from quart_app.page.assets import AssetChanged, Assets
from quart_app.protocol.describe import describe_reply, outline_of
from quart_app.protocol.outline import Outline, Root


@pytest.fixture(scope="module")
def assets() -> Assets:
    assets = Assets()
    assets.load()
    return assets


def plain(file_names: list[str]) -> list[str]:
    return [f"{name.rpartition('-')[0]}.js" for name in file_names]


@pytest.mark.parametrize(
    ("types", "needed"),
    [
        (set(), ["bokeh.js"]),
        ({"Figure", "Line", "ColumnDataSource"}, ["bokeh.js"]),
        ({"Figure", "Slider"}, ["bokeh.js", "bokeh-widgets.js"]),
        ({"Div"}, ["bokeh.js", "bokeh-widgets.js"]),
        ({"bokeh.models.dom.Div"}, ["bokeh.js"]),
        ({"DataTable"}, ["bokeh.js", "bokeh-widgets.js", "bokeh-tables.js"]),
        ({"TeX"}, ["bokeh.js", "bokeh-mathjax.js"]),
        ({"MathMLGlyph", "Toggle"}, ["bokeh.js", "bokeh-widgets.js", "bokeh-mathjax.js"]),
    ],
)
def test_the_types_of_a_document_tell_its_bundles_in_the_order_of_loading(assets, types, needed):
    found, others = assets.for_outline(outline_of((), types))
    assert plain(found) == needed
    assert set(plain(found)) | set(plain(others)) == {
        *("bokeh.js", "bokeh-gl.js", "bokeh-widgets.js", "bokeh-tables.js", "bokeh-mathjax.js")
    }


def test_bokeh_itself_decides_the_same(assets):
    from bokeh.embed.bundle import bundle_for_objs_and_resources
    from bokeh.models import DataTable, Slider
    from bokeh.plotting import figure
    from bokeh.resources import Resources

    for objects in ([figure()], [figure(), Slider(start=0, end=1, value=0)], [DataTable()]):
        types = {type(model).__qualified_model__ for root in objects for model in root.references()}
        theirs = bundle_for_objs_and_resources(objects, Resources(mode="absolute"))
        names = [str(url).rpartition("/")[2].replace(".min", "") for url in theirs.js_files]
        assert plain(assets.for_outline(outline_of((), types))[0]) == names


def test_a_type_without_a_script_is_told_once(assets, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert plain(assets.for_outline(outline_of((), {"nobodys.Own", "Figure"}))[0]) == ["bokeh.js"]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "There is no BokehJS extension for models of nobodys"
    ]


def test_a_type_that_an_application_defines_itself_comes_with_its_document(assets, caplog, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", None)
    assert plain(assets.for_outline(outline_of((), {"bokeh_app_1f.Own", "Figure"}))[0]) == ["bokeh.js"]
    assert not caplog.records


def test_what_is_sent_compressed_is_the_file(assets):
    asset = assets.get(assets.file_name("embed.js"))
    assert asset.ready("br") is None
    assert brotli.decompress(asset.encoded("br")) == asset.content
    assert gzip.decompress(asset.encoded("gzip")) == asset.content
    assert asset.ready("br") == asset.encoded("br")
    assert asset.encoded("identity") == asset.content


def test_a_name_changes_with_the_content(assets):
    name = assets.file_name("bokeh.js")
    asset = assets.get(name)
    assert asset.digest in name
    assert assets.get(name.replace(asset.digest, "0" * 16)) is None
    assert b"sourceMappingURL" not in asset.content


def test_the_outline_of_a_stock_server_s_document_is_read_from_its_json():
    numbers = {"type": "object", "name": "ColumnDataSource", "id": "p2", "attributes": {"data": [1.5] * 1000}}
    root = {"type": "object", "name": "Row", "id": "p1", "attributes": {"name": "top", "children": [numbers]}}
    other = {"type": "object", "name": "DataTable", "id": "p3", "attributes": {}}
    outline = describe_reply(json.dumps({"doc": {"roots": [root, other], "title": "x"}}))
    assert outline == Outline(
        (Root("p1", "top"), Root("p3", None)), frozenset({"bokeh", "bokeh-widgets", "bokeh-tables"})
    )


def test_a_root_to_which_an_earlier_one_refers_is_in_the_outline():
    p2 = {"type": "object", "name": "Div", "id": "p2", "attributes": {"name": "later"}}
    p1 = {"type": "object", "name": "Row", "id": "p1", "attributes": {"children": [p2]}}
    outline = describe_reply(json.dumps({"doc": {"roots": [p1, {"id": "p2"}]}}))
    assert outline.roots == (Root("p1", None), Root("p2", "later"))


@pytest.mark.parametrize(
    "change", [lambda script: script.write_text("after"), lambda script: script.unlink()]
)
def test_an_asset_whose_file_has_changed_is_not_sent_under_its_old_name(tmp_path, change):
    (tmp_path / "ext").mkdir()
    (tmp_path / "ext" / "__init__.py").touch()
    (tmp_path / "ext" / "bokeh.ext.json").write_text("{}")
    (tmp_path / "ext" / "dist").mkdir()
    script = tmp_path / "ext" / "dist" / "ext.js"
    script.write_text("before")
    assets = Assets([str(tmp_path)])
    assets.load()
    [*_, name] = assets.for_outline(Outline((), packages=("ext",)))[0]
    found = assets.get(name)
    assert found is not None
    assert found.encoded("identity") == b"before"
    change(script)
    for encoding in ("identity", "gzip", "br"):
        with pytest.raises(AssetChanged, match=name):
            found.encoded(encoding)


def test_an_outline_names_the_models_that_run_text_as_code():
    types = {"CustomJSTransform", "panel.models.reactive_html.ReactiveHTML", "Slider"}
    assert outline_of((), types).eval_models == ("CustomJSTransform", "ReactiveHTML")

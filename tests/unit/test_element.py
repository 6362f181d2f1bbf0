from __future__ import annotations

import json
import re

import pytest
from jinja2.filters import do_indent

from quart_app.page.element import render_element
from quart_app.settings import Settings, SettingsError
from quart_app.site.headers import page_headers

BLOCK = {
    "app": "sliders",
    "ticket": "body.signature",
    "roots": [{"id": "p1", "name": "</script><script>alert(1)</script>"}, {"id": "p2", "name": None}],
    "bundles": ["/bokeh/assets/bokeh-1.js", "/bokeh/assets/bokeh-widgets-1.js"],
}


def test_the_text_survives_indentation_and_what_names_may_contain():
    text = render_element({**BLOCK, "root": "plot"}, loader="/embed.js", stylesheet="/embed.css")
    indented = do_indent(str(text), 4)
    [found] = re.findall(r'<script type="application/json">(.*?)</script>', indented)
    content = json.loads(found)
    assert content["roots"][0]["name"] == "</script><script>alert(1)</script>"
    assert content["root"] == "plot"
    assert content["ticket"] == "body.signature"


def test_no_script_in_the_text_is_an_inline_one():
    text = render_element(BLOCK, loader="/embed.js", stylesheet="/embed.css")
    assert re.findall(r"<script[^>]*>", text) == [
        '<script type="application/json">',
        '<script type="module" async src="/embed.js">',
    ]
    assert text.count('rel="preload"') == 2


def policy(**config: object) -> str:
    return page_headers(Settings.from_config(config))["Content-Security-Policy"]


def test_in_a_page_nothing_runs_but_scripts_of_the_site():
    assert "default-src 'none'" in policy()
    assert "script-src 'self';" in policy()
    assert "frame-ancestors 'self'" in policy()


def test_what_the_settings_allow_is_allowed():
    assert "script-src 'self' 'unsafe-eval';" in policy(BOKEH_CSP_UNSAFE_EVAL="1")
    assert "frame-ancestors https://a.example 'self';" in policy(
        BOKEH_FRAME_ANCESTORS="https://a.example  'self'"
    )
    for kind in ("script-src", "style-src", "connect-src", "font-src"):
        assert f"{kind} 'self' https://a.example" in policy(BOKEH_CSP_SOURCES="https://a.example")
    assert "script-src" not in policy(BOKEH_DELIVERY="direct")


@pytest.mark.parametrize("value", ["", "'self'; script-src *", "'self', *", "ünsafe"])
@pytest.mark.parametrize("key", ["BOKEH_FRAME_ANCESTORS", "BOKEH_CSP_SOURCES"])
def test_sources_cannot_bring_another_policy(key, value):
    with pytest.raises(SettingsError, match=key):
        policy(**{key: value})

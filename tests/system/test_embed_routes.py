"""The routes that the loader in a page uses: assets, a new session, and the state of a session."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from harness import SLIDERS, Site, customized_site, data_block, ticket


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    """A browser with one page of the sliders, whose data block is ``client.block``."""
    with httpx.Client(base_url=site.url, headers={"Origin": site.url}, timeout=30) as client:
        client.block = data_block(client.get("/sliders").text)  # type: ignore[attr-defined]
        yield client


def test_an_asset_is_compressed_as_the_browser_accepts_and_cached_for_good(site, client):
    url = client.block["bundles"][0]
    sizes = {}
    for accepted, encoding in (("gzip, br", "br"), ("gzip", "gzip"), ("identity", None), ("br;q=0", None)):
        answer = httpx.get(site.url + url, headers={"Accept-Encoding": accepted})
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        sizes[encoding] = int(answer.headers["content-length"])
        again = httpx.get(
            site.url + url, headers={"Accept-Encoding": accepted, "If-None-Match": answer.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
    assert sizes["br"] < sizes["gzip"] < sizes[None] / 3


def test_an_asset_of_another_version_is_a_404_that_is_not_cached(site):
    answer = site.get("/bokeh/assets/embed-0000000000000000.js")
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


def test_a_page_gets_a_new_session_for_its_ticket(client):
    answer = client.post("/bokeh/session/sliders", json={"ticket": client.block["ticket"]})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == client.block.keys()
    assert ticket(answer.json())["session_id"] != ticket(client.block)["session_id"]


def test_a_malformed_body_is_a_400(site, client):
    for content in (b"[" * 100_000, b"[]", b"{", b'"\\ud800"'):
        answer = client.post(
            "/bokeh/session/sliders", content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400, content[:20]
    assert "RecursionError" not in site.output()


def test_only_a_session_to_which_its_page_passed_nothing_is_renewed_without_the_page(site, client):
    """Otherwise the page could bypass the checks of its route, and what it passes and changes."""
    block = data_block(client.get("/sliders?n=1").text)
    for asked in ({}, {"arguments": {}}, {"arguments": {"n": ["1"]}}):
        answer = client.post("/bokeh/session/sliders", json={"ticket": block["ticket"], **asked})
        assert answer.status_code == 403
    asked = {"ticket": block["ticket"]}
    assert client.post("/bokeh/session/sliders/state", json=asked).json() == {"state": "alive"}


@pytest.mark.parametrize("path", ["/", "/as/somebody"])
def test_a_session_with_a_user_or_a_change_of_its_route_is_its_page_s_alone(pool, path):
    site = pool.get(customized_site)
    with httpx.Client(base_url=site.url, headers={"Origin": site.url}) as client:
        asked = {"ticket": data_block(client.get(path).text)["ticket"]}
        assert client.post("/bokeh/session/sliders", json=asked).status_code == 403


@pytest.mark.parametrize("path", ["/bokeh/session/sliders", "/bokeh/session/sliders/state"])
def test_a_stranger_gets_neither_a_session_nor_an_answer(site, client, path):
    asked = {"ticket": client.block["ticket"]}

    def answer(**options: object) -> str:
        response = client.post(path, **options)  # type: ignore[arg-type]
        if response.status_code == 200:
            return response.json().get("state", "a session")
        assert response.headers["content-type"] == "application/json"
        return str(response.status_code)

    refused = "refused" if path.endswith("state") else "403"
    assert answer(json={"ticket": "forged"}) == refused
    assert answer(json={}) == refused
    assert answer(json={**asked}, headers={"Origin": "http://evil.example"}) == refused
    assert client.post(path.replace("sliders", "stream"), json=asked).json().get("state", "403") == refused
    assert answer(content="ticket", headers={"Content-Type": "text/plain"}) in ("400", "415")
    assert answer(json=[1]) == "400"
    client.cookies.clear()
    assert answer(json=asked) == refused


def test_a_page_can_ask_whether_its_session_is_there(client):
    asked = {"ticket": client.block["ticket"]}
    assert client.post("/bokeh/session/sliders/state", json=asked).json() == {"state": "alive"}


def test_every_page_of_ours_has_the_headers_of_a_page(site):
    for path in ("/", "/sliders", "/nothing"):
        headers = site.get(path).headers
        assert "script-src 'self'; " in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_everything_stands_under_a_path_prefix():
    with Site(BOKEH_APPS=SLIDERS, BOKEH_TRUSTED_PROXIES="127.0.0.1") as site:
        page = site.get("/sliders", headers={"X-Forwarded-Prefix": "/deep/down"})
        block = data_block(page.text)
        urls = [block["path"], block["renew"], *block["bundles"], *block["others"]]
        assert all(url.startswith("/deep/down/bokeh/") for url in urls)
        assert 'src="/deep/down/bokeh/assets/embed-' in page.text

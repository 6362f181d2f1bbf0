"""How the files and scripts of extensions are sent."""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Iterator

import httpx
import pytest
from harness import ROOT, Site, data_block

APPS = ROOT / "tests" / "sites" / "extension_apps"
FILES = "/bokeh/extensions/tiny_ext"


@pytest.fixture(scope="module")
def workers() -> Iterator[Site]:
    with Site("-w", "2", BOKEH_APPS=str(APPS), BOKEH_PULL_TIMEOUT="60") as site:
        yield site


@pytest.mark.parametrize(
    ("path", "kind"),
    [("lib/shout.js", "text/javascript"), ("page.css", "text/css"), ("images/dot.svg", "image/svg+xml")],
)
def test_a_file_is_sent_with_its_type_and_cached_for_an_hour(workers, path, kind):
    answer = workers.get(f"{FILES}/{path}")
    assert answer.content == (APPS / "tiny_ext" / "built" / path).read_bytes()
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert answer.headers["cache-control"] == "public, max-age=3600"
    again = workers.get(f"{FILES}/{path}", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_scripts_are_compressed(workers):
    assert workers.get(f"{FILES}/lib/shout.js").headers["content-encoding"] in ("br", "gzip")


@pytest.mark.parametrize(
    "path",
    [
        *("/../__init__.py", "/..%2f__init__.py", "/%2e%2e/package.json", "/lib/..%2f..%2f__init__.py"),
        *("//etc/passwd", "/%2fetc%2fpasswd", "/..%5c__init__.py", "/%00", "/lib", "/", "/../../badge.py"),
        *("/../../quart_app/__init__.py", f"/{'x' * 5000}"),
    ],
)
def test_paths_outside_of_the_extension_are_a_404_or_a_redirect(workers, path):
    connection = http.client.HTTPConnection("127.0.0.1", int(workers.port))
    connection.request("GET", FILES + path)
    assert connection.getresponse().status in (404, 308)
    connection.close()


def test_other_packages_have_nothing_to_send(workers):
    for package in ("quart_app", "json", "os", "badge", "no_such_package", ".."):
        assert workers.get(f"/bokeh/extensions/{package}/__init__.py").status_code == 404


@pytest.mark.parametrize("name", ["badge", "own"])
def test_every_worker_has_the_scripts_of_a_page(workers, name):
    if name == "own" and shutil.which("node") is None:
        pytest.skip("there is no Node.js to compile with")
    script = data_block(workers.get(f"/{name}").text)["bundles"][-1]
    answers = [workers.get(script) for _ in range(16)]  # each over a connection of its own
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_a_script_with_a_wrong_signature_is_a_404(workers):
    name = "/bokeh/assets/models-0123456789abcdef.js"
    for query in ("", "?of=own", "?of=own&by=x", "?of=own&by=ü", f"?of=own&by={'0' * 32}"):
        answer: httpx.Response = workers.get(name + query)
        assert answer.status_code == 404

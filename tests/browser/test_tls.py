"""The relay where Hypercorn itself speaks TLS, and with that HTTP/2, also for websockets."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import wait_until, wait_until_ended
from playwright.sync_api import Browser, Page
from relaying import VISITOR, FakeServer, RelayedSite, echo, ticket

TALK = """async ([ticket, size]) => new Promise((done) => {
    const url = location.origin.replace("http", "ws") + "/bokeh/server-1/app/ws";
    const websocket = new WebSocket(url, ["bokeh", ticket]);
    websocket.onopen = () => size && websocket.send("x".repeat(size));
    websocket.onmessage = ({data}) => { done(["message", data.length]); websocket.close(); };
    websocket.onclose = ({code, reason}) => done(["close", code, reason]);
    if (!size) {
        window.kept = new Promise((end) => websocket.onclose = ({code}) => end(code));
        done("kept");
    }
})"""


@pytest.fixture
def site(fake: FakeServer, tmp_path: Path) -> Iterator[RelayedSite]:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with RelayedSite("--certfile", certificate, "--keyfile", key, BOKEH_SERVERS=fake.url) as site:
        site.url = site.url.replace("http:", "https:")
        yield site


@pytest.fixture
def secure_page(browser: Browser, site: RelayedSite) -> Iterator[Page]:
    context = browser.new_context(ignore_https_errors=True)
    context.add_cookies([{"name": "quart_bokeh_visitor", "value": VISITOR, "url": site.url}])
    page = context.new_page()
    page.goto(site.url + "/tasks")
    yield page
    context.close()


def test_websockets_of_every_size_and_their_ends(secure_page, fake):
    fake.behaviour = echo
    assert secure_page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
    limit = 20 * 1024 * 1024
    for size in (1, 300_000, limit):
        assert secure_page.evaluate(TALK, [ticket(fake.url), size]) == ["message", size]
    assert secure_page.evaluate(TALK, [ticket(fake.url), limit + 1]) == ["close", 1009, "message too large"]
    assert secure_page.evaluate(TALK, ["guess", 1]) == ["close", 1006, ""]

    async def end(websocket) -> None:
        await websocket.close(code=4410, message=b"gone")

    fake.behaviour = end
    assert secure_page.evaluate(TALK, [ticket(fake.url), 1]) == ["close", 4410, "gone"]


def test_the_site_stops_with_a_websocket_open(secure_page, site, fake):
    fake.behaviour = echo
    family = site.family()
    assert secure_page.evaluate(TALK, [ticket(fake.url), 0]) == "kept"
    wait_until(lambda: fake.open == 1, "the page is attached")
    site.popen.send_signal(signal.SIGTERM)
    assert secure_page.evaluate("kept") == 1012
    # Hypercorn often cannot close such a connection, and has its graceful_timeout of 3 s to try.
    wait_until_ended(family)

"""Which requests get a session of our server, and which of stock ``bokeh serve``."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest
from bokeh.util.token import generate_jwt_token
from bokeh_server import OURS, SHORT, STOCK, Client, Serve, new_id, refusal, run, token, visit
from harness import ROOT, wait_until
from tornado.httpclient import HTTPClientError

SLIDERS = ROOT / "bokeh_apps" / "sliders.py"


@pytest.fixture(scope="module")
def server():
    with Serve(SLIDERS) as server:
        yield server


def test_only_a_token_for_creating_creates_a_session(server):
    id = new_id()
    assert refusal(server, "sliders", token(id))[:2] == (410, "this session is gone\n")
    assert visit(server, "sliders", token(id, create=True)).roots
    assert visit(server, "sliders", token(id)).roots


def test_over_http_only_a_token_for_creating_creates_a_session(server):
    path, id = "/sliders/autoload.js?bokeh-autoload-element=x", new_id()
    assert server.get(path, headers={"Bokeh-Session-Id": id}).status_code == 410
    assert server.get(f"{path}&bokeh-token={token(id)}").status_code == 410
    assert server.get(f"{path}&bokeh-token={token(id, create=True)}").status_code == 200
    assert server.get(path, headers={"Bokeh-Session-Id": id}).status_code == 200


def test_stock_bokeh_creates_a_session_for_any_token():
    with Serve(SLIDERS, command=STOCK) as stock:
        assert visit(stock, "sliders", token(new_id())).roots
        as_id = {"Bokeh-Session-Id": token(new_id())}
        assert stock.get("/sliders/autoload.js?bokeh-autoload-element=x", headers=as_id).status_code == 200


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (
            lambda: token(new_id(), create=True, key="another key, as long as needed"),
            "signature",
        ),
        (lambda: token(new_id(), create=True, expiration=-1), "expired"),
        (lambda: "garbage", "signature"),
        (lambda: "e30.e30", "cannot be read"),
        (lambda: generate_jwt_token(new_id(), signed=False), "signature"),
        (lambda: token("self-made", create=True), "signature"),
        (lambda: token(token(new_id()), create=True), "a token is not a session id"),
    ],
)
def test_a_wrong_token_is_refused_before_the_upgrade_with_the_reason(server, shown, reason):
    status, body, _ = refusal(server, "sliders", shown())
    assert status == 403
    assert reason in body
    assert body.count("\n") == 1


def test_a_token_is_not_a_session_id(server):
    path, id = "/sliders/autoload.js?bokeh-autoload-element=x", new_id()
    visit(server, "sliders", token(id, create=True))
    for shown in (token(id), token(id, create=True)):
        answer = server.get(path, headers={"Bokeh-Session-Id": shown})
        assert (answer.status_code, answer.text) == (403, "a token is not a session id\n")
        assert server.get(f"{path}&bokeh-session-id={shown}").status_code == 403


def test_an_expired_token_is_refused_over_http_too(server):
    id = new_id()
    visit(server, "sliders", token(id, create=True))
    answer = server.get(f"/sliders/autoload.js?bokeh-token={token(id, expiration=-1)}")
    assert (answer.status_code, answer.text) == (403, "the token has expired\n")


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null"])
def test_a_page_of_another_origin_is_refused_even_where_it_equals_host(server, origin):
    headers = {"Origin": origin, "Host": origin.removeprefix("http://"), "Sec-Fetch-Site": "same-origin"}
    status, body, _ = refusal(server, "sliders", token(new_id(), create=True), **headers)
    assert status == 403
    assert origin in body


def test_a_refusal_is_one_line_in_the_log_without_ids_and_tracebacks():
    with Serve(SLIDERS) as server:
        id = new_id()
        before = len(server.output().splitlines())
        refusal(server, "sliders", token(id))
        server.get(f"/sliders?bokeh-session-id={id}")
        lines = wait_until(
            lambda: len(lines := server.output().splitlines()[before:]) > 1 and lines, "both are in the log"
        )
        assert [line.partition("Refused ")[2] for line in lines] == [
            "/sliders/ws: 410, this session is gone",
            "/sliders: 410, this session is gone",
        ]


def test_a_pages_token_attaches_and_cannot_create_its_session_again():
    with Serve(SLIDERS, *SHORT) as server:
        made = token(new_id(), create=True, headers={"Cookie": "a secret"})
        script = server.get(f"/sliders/autoload.js?bokeh-autoload-element=x&bokeh-token={made}").text
        given = re.search(r'"token":"([^"]+)"', script.replace("\\", ""))[1]
        assert given != made
        assert len(given) < 300
        wait_until(lambda: server.health()["sessions"] == 0, "the session has expired")
        assert refusal(server, "sliders", given)[0] == 410


def test_unsigned_servers_create_the_session_that_a_request_names_as_stock_ones_do():
    for command in (OURS, STOCK):
        with Serve(SLIDERS, command=command, signed=False) as server:
            assert visit(server, "sliders", generate_jwt_token("mine", signed=False)).roots
            assert server.get("/sliders?bokeh-session-id=another").status_code == 200


def test_at_the_limit_no_session_is_created_until_one_ends():
    with Serve(SLIDERS, "--max-sessions", "2", *SHORT) as server:

        async def fill() -> None:
            ids = [new_id() for _ in range(2)]
            clients = [await Client.connect(server, "sliders", token(id, create=True)) for id in ids]
            with pytest.raises(HTTPClientError) as refused:
                await Client.connect(server, "sliders", token(new_id(), create=True))
            assert refused.value.code == 503
            assert int(refused.value.response.headers["Retry-After"]) > 0
            again = await Client.connect(server, "sliders", token(ids[0]))  # attaching has no limit
            for client in [*clients, again]:
                client.close()

        run(fill())
        wait_until(lambda: server.health()["sessions"] == 0, "the sessions have expired")
        assert visit(server, "sliders", token(new_id(), create=True)).roots


WAITS = """
import time
from pathlib import Path
from bokeh.io import curdoc
from bokeh.models import Div
folder = Path(__file__).parent
(folder / "started").touch()
while not (folder / "go").exists():
    time.sleep(0.02)
curdoc().add_root(Div())
"""


def test_the_session_of_a_client_that_leaves_while_it_is_created_ends_at_once(tmp_path):
    (tmp_path / "waits.py").write_text(WAITS)
    with Serve(tmp_path / "waits.py", "--unused-session-lifetime", "3600000") as server:
        with socket.create_connection(("127.0.0.1", int(server.port))) as connection:
            connection.sendall(upgrade("waits", token(new_id(), create=True)))
            wait_until((tmp_path / "started").exists, "the session is being created")
        (tmp_path / "go").touch()
        wait_until(lambda: server.health()["applications"]["/waits"]["starts"] == "ok", "it has been created")
        wait_until(lambda: server.health()["sessions"] == 0, "it has ended", 5)
        assert "Traceback" not in server.output()
        assert visit(server, "waits", token(new_id(), create=True)).roots


def upgrade(application: str, token: str) -> bytes:
    """Return the request that opens a websocket."""
    lines = (
        f"GET /{application}/ws HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        f"Sec-WebSocket-Protocol: bokeh, {token}",
    )
    return "\r\n".join((*lines, "", "")).encode()


HOLDS = """
import asyncio
from pathlib import Path
from bokeh.io import curdoc
from bokeh.models import Div
folder = Path(__file__).parent
async def hold():
    (folder / "held").touch()
    while not (folder / "go").exists():
        await asyncio.sleep(0.02)
curdoc().add_root(Div(name="first"))
curdoc().add_next_tick_callback(hold)
"""


def test_a_pull_does_not_wait_for_a_callback_that_holds_the_documents_lock(tmp_path):
    (tmp_path / "holds.py").write_text(HOLDS)
    with Serve(tmp_path / "holds.py") as server:

        async def pull() -> None:
            async with asyncio.timeout(10):
                client = await Client.connect(server, "holds", token(new_id(), create=True))
            assert [root["name"] for root in client.ack.content["quart_bokeh"]["roots"]] == ["first"]
            client.close()

        try:
            run(pull())
            wait_until((tmp_path / "held").exists, "the callback holds the lock")
        finally:
            (tmp_path / "go").touch()


@pytest.mark.parametrize("command", [OURS, STOCK])
def test_an_application_that_replaces_bokehs_handlers_does_not_replace_ours(tmp_path, command):
    """As importing Panel in ``app_hooks.py`` does."""
    folder = tmp_path / "replaces"
    folder.mkdir()
    (folder / "main.py").write_text("")
    (folder / "app_hooks.py").write_text(
        "from bokeh.server import urls\n"
        "from bokeh.server.views.doc_handler import DocHandler\n"
        "from bokeh.server.views.ws import WSHandler\n"
        "theirs = {'/?': DocHandler, '/ws': WSHandler}\n"
        "urls.per_app_patterns[:] = [(url, theirs.get(url, own)) for url, own in urls.per_app_patterns]\n"
    )
    with Serve(folder, command=command) as server:
        if command == OURS:
            assert refusal(server, "replaces", token(new_id()))[0] == 410
            assert server.get(f"/replaces?bokeh-token={token(new_id())}").status_code == 410
        else:
            visit(server, "replaces", token(new_id()))

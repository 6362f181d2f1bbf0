"""What a pull passes to the application, what it leaves behind, and how it ends when the server fails."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from socket import create_server
from threading import Thread

import httpx
import psutil
import pytest
from bokeh_server import Stock
from harness import DEADLINE, ROOT, SLIDERS, Site, customized_site, data_block, ticket, wait_until

ECHO = """
import json
from bokeh.io import curdoc
from bokeh.models import Div
context = curdoc().session_context
request = context.request
said = {
    "arguments": {name: [value.decode() for value in values] for name, values in request.arguments.items()},
    "headers": dict(request.headers),
    "cookies": dict(request.cookies),
    "user": context.token_payload.get("user"),
}
print("ECHO " + json.dumps(said), flush=True)
curdoc().add_root(Div(name="echo", text="here"))
"""


def echoes(site: Site) -> list[dict]:
    return [json.loads(line) for line in re.findall(r"ECHO (.*)", site.output())]


@pytest.fixture
def echo(tmp_path) -> str:
    (tmp_path / "echo.py").write_text(ECHO)
    return str(tmp_path)


def test_arguments_and_chosen_headers_and_cookies_reach_the_application_and_not_the_page(echo):
    chosen = {"BOKEH_FORWARD_HEADERS": "X-Team, X-Missing", "BOKEH_FORWARD_COOKIES": "flavour"}
    with Site(BOKEH_APPS=echo, **chosen) as site:
        answer = site.get(
            "/echo?city=Z%C3%BCrich&n=1&n=2",
            headers={"X-Team": "blue-team", "X-Other": "no", "Cookie": "flavour=vanilla; secret=no"},
        )
        assert answer.status_code == 200
        [said] = echoes(site)
        assert said["arguments"] == {"city": ["Zürich"], "n": ["1", "2"]}
        assert said["headers"]["X-Team"] == "blue-team"
        assert said["cookies"] == {"flavour": "vanilla"}
        assert "X-Other" not in said["headers"]
        assert "secret" not in json.dumps(said)
        assert "blue-team" not in answer.text
        assert "vanilla" not in answer.text


def test_by_default_the_application_gets_only_the_arguments_of_a_request(echo):
    with Site(BOKEH_APPS=echo) as site:
        site.get("/echo", headers={"Cookie": "a=b", "Authorization": "Bearer x"})
        assert echoes(site) == [{"arguments": {}, "headers": {}, "cookies": {}, "user": None}]


@contextmanager
def server_that(answers: Callable[[socket.socket], None]) -> Iterator[str]:
    """A TCP server that calls ``answers`` with each connection, and keeps it open until the end."""
    held: list[socket.socket] = []
    with closing(create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                held.append(connection)
                Thread(target=answers, args=(connection,), daemon=True).start()

        Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in held:
                connection.close()


def silent(connection: socket.socket) -> None:
    pass


def garbage(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"what is a websocket?\r\n\r\n" * 100)


def closes(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.close()


@pytest.mark.parametrize(("fault", "status"), [(silent, 504), (garbage, 503), (closes, 503)])
def test_a_server_that_fails_gives_the_page_its_status_and_the_thread_back(fault, status):
    with server_that(fault) as url:
        with Site(BOKEH_SERVERS=url, BOKEH_PULL_TIMEOUT="1", BOKEH_PULL_THREADS="1") as site:
            for _ in range(3):
                answer = site.get("/sliders")
                assert answer.status_code == status
                assert "Traceback" not in answer.text


def test_pages_of_a_stopped_server_are_504_until_it_continues():
    with Stock("bokeh_apps/sliders.py") as stock:
        settings = {"BOKEH_SERVERS": stock.url, "BOKEH_PULL_TIMEOUT": "2", "BOKEH_STREAM": "0"}
        with Site(**settings) as site:
            stock.popen.send_signal(signal.SIGSTOP)
            try:
                with ThreadPoolExecutor(20) as pool:
                    answers = list(pool.map(lambda _: site.get("/sliders").status_code, range(20)))
                assert answers == [504] * 20
            finally:
                stock.popen.send_signal(signal.SIGCONT)
            wait_until(lambda: site.get("/sliders").status_code == 200, "pages work again")


def test_200_pulls_across_a_restart_all_end_with_a_page_or_its_error():
    with Site(BOKEH_APPS=SLIDERS, BOKEH_STREAM="0") as site:
        assert site.get("/sliders").status_code == 200
        [server] = site.servers()

        async def pages() -> list[int]:
            async with httpx.AsyncClient(base_url=site.url, timeout=DEADLINE) as client:
                gate = asyncio.Semaphore(16)
                done = 0

                async def page() -> int:
                    nonlocal done
                    async with gate:
                        status = (await client.get("/sliders")).status_code
                    done += 1
                    if done == 50:
                        server.kill()
                    return status

                return await asyncio.gather(*(page() for _ in range(200)))

        statuses = asyncio.run(pages())
        assert set(statuses) <= {200, 503}
        assert statuses.count(200) >= 50
        wait_until(lambda: site.get("/sliders").status_code == 200, "pages work again")


def test_pages_beyond_the_limits_are_refused_and_may_come_back():
    limits = {"BOKEH_MAX_WAITING": "4", "BOKEH_MAX_WAITING_PER_VISITOR": "2"}
    with server_that(silent) as url:
        with Site(BOKEH_SERVERS=url, BOKEH_PULL_TIMEOUT="3", BOKEH_PULL_THREADS="8", **limits) as site:

            def get(visitor: str) -> httpx.Response:
                return site.get("/sliders", headers={"Cookie": f"quart_bokeh_visitor={visitor:x>43}"})

            with ThreadPoolExecutor(12) as pool:
                same = [answer.status_code for answer in pool.map(get, ["same"] * 5)]
            assert sorted(same) == [429] * 3 + [504] * 2
            with ThreadPoolExecutor(12) as pool:
                answers = list(pool.map(get, map(str, range(10))))
            assert sorted(answer.status_code for answer in answers) == [503] * 6 + [504] * 4
            refused = [answer for answer in answers if answer.status_code == 503]
            assert all(2 <= int(answer.headers["retry-after"]) <= 6 for answer in refused)
            assert get("later").status_code == 504  # every place has been given back


def test_the_pull_of_a_page_whose_browser_has_left_is_cancelled():
    with server_that(silent) as url:
        with Site(BOKEH_SERVERS=url, BOKEH_PULL_TIMEOUT="60", BOKEH_PULL_THREADS="1") as site:
            [worker] = psutil.Process(site.popen.pid).children()[-1:]
            port = int(url.rpartition(":")[2])

            def pulls() -> int:
                return sum(bool(c.raddr) and c.raddr.port == port for c in worker.net_connections("tcp"))

            with closing(socket.create_connection(("127.0.0.1", int(site.port)))) as browser:
                browser.sendall(b"GET /sliders HTTP/1.1\r\nHost: localhost\r\n\r\n")
                wait_until(lambda: pulls() == 1, "the page waits for its session")
            wait_until(lambda: pulls() == 0, "the pull is over")


def test_a_document_that_is_too_large_is_a_500_with_the_limit_in_the_log(tmp_path):
    (tmp_path / "large.py").write_text(
        "from bokeh.io import curdoc\nfrom bokeh.models import Div\n"
        "curdoc().add_root(Div(text='x' * 3_000_000))\n"
    )
    with Stock(str(tmp_path / "large.py")) as stock:
        with Site(BOKEH_SERVERS=stock.url, BOKEH_MAX_MESSAGE="1000000") as site:
            answer = site.get("/large")
            assert answer.status_code == 500
            assert "1000000 bytes of BOKEH_MAX_MESSAGE" in site.output()


def test_warm_sessions_are_used_for_pages_that_pass_nothing_and_made_again(tmp_path):
    (tmp_path / "echo.py").write_text(ECHO)
    with Site(BOKEH_APPS=str(tmp_path), BOKEH_WARM="echo:2") as site:
        wait_until(lambda: len(echoes(site)) == 2, "two sessions are warm")
        ids = [ticket(data_block(site.get("/echo").text))["session_id"] for _ in range(2)]
        assert len(set(ids)) == 2
        wait_until(lambda: len(echoes(site)) == 4, "two others have been made in their place")
        site.get("/echo?own=1")
        assert echoes(site)[-1]["arguments"] == {"own": ["1"]}
        assert len(echoes(site)) == 5


def test_warm_sessions_are_renewed_before_they_are_too_old(tmp_path):
    (tmp_path / "echo.py").write_text(ECHO)
    settings = {"BOKEH_WARM": "echo:1", "BOKEH_SESSION_LIFETIME": "4"}
    with Site(BOKEH_APPS=str(tmp_path), **settings) as site:
        wait_until(lambda: len(echoes(site)) >= 3, "sessions are made again and again")
        assert site.get("/echo").status_code == 200


def test_a_page_begins_before_its_session_is_there_and_is_the_same_page(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time\n" + (ROOT / "bokeh_apps" / "sliders.py").read_text() + "\ntime.sleep(1.5)\n"
    )
    pages = {}
    for stream in ("0", "1"):
        with Site(BOKEH_APPS=str(tmp_path), BOKEH_STREAM=stream) as site:
            assert site.get("/slow").status_code == 200
            chunks = []
            with httpx.stream("GET", f"{site.url}/slow", timeout=DEADLINE) as answer:
                chunks = list(answer.iter_raw())
            assert ("content-length" in answer.headers) == (stream == "0")
            if stream == "1":
                assert b"<h1>" in chunks[0]
                assert b"application/json" not in chunks[0]
            page = b"".join(chunks).decode()
            pages[stream] = re.sub(r'"ticket":"[^"]+"', "", page)
    assert pages["0"] == pages["1"]


def test_an_error_after_a_page_has_begun_is_shown_in_the_place_of_the_plot(tmp_path):
    flag = tmp_path / "fails"
    (tmp_path / "sometimes.py").write_text(
        f"import os, time\nif os.path.exists({str(flag)!r}):\n    time.sleep(0.2)\n    1 / 0\n"
        + (ROOT / "bokeh_apps" / "sliders.py").read_text()
    )
    with Site(BOKEH_APPS=str(tmp_path)) as site:
        assert site.get("/sometimes").status_code == 200
        flag.write_text("")
        answer = site.get("/sometimes")
        assert answer.status_code == 200
        assert 'data-state="error"' in answer.text
        assert "Traceback" not in answer.text
        assert answer.text.rstrip().endswith("</html>")
        assert re.search(r'data-error="(\w{8})"', answer.text)[1] in site.output()
        assert site.get("/sometimes").status_code == 500  # now it is known before the page begins
        flag.unlink()
        assert site.get("/sometimes").status_code == 200


def test_pages_above_the_session_limit_are_503_until_a_session_without_a_browser_is_ended(tmp_path):
    with Site(BOKEH_APPS=SLIDERS, BOKEH_MAX_SESSIONS="3", BOKEH_STREAM="0") as site:
        statuses = [site.get("/sliders").status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 503]
        answer = site.get("/sliders")
        assert (answer.status_code, "Too many plots are open" in answer.text) == (503, True)
        assert int(answer.headers["retry-after"]) > 0
        wait_until(lambda: site.get("/sliders").status_code == 200, "the first session has been ended")


def test_a_session_whose_page_failed_is_ended_at_once():
    with customized_site(BOKEH_MAX_SESSIONS="1", BOKEH_SESSION_LIFETIME="16") as site:
        assert site.get("/raises/value").status_code == 500
        # The server looks every four seconds: long before the 16 that a session waits for its browser.
        wait_until(lambda: site.get("/check").status_code == 200, "its place is free again", seconds=12)

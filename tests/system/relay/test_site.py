from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator

import aiohttp
import httpx
import pytest
from bokeh_server import KEY, SHORT, Serve, Stock
from harness import DEADLINE, wait_until, wait_until_ended
from relaying import Client, RelayedSite, run

CLOSE = aiohttp.WSMsgType.CLOSE


@pytest.fixture(scope="module")
def site() -> Iterator[RelayedSite]:
    with RelayedSite() as site:
        yield site


async def page(client: Client, path: str = "/session/sliders") -> tuple[str, str]:
    """Return a page's ticket and the path of its websocket."""
    answer = await client.get(path)
    return answer["ticket"], answer["path"]


async def greeting(websocket: aiohttp.ClientWebSocketResponse) -> str:
    """Return the kind of the first message."""
    message = await websocket.receive(DEADLINE)
    assert message.type is aiohttp.WSMsgType.TEXT, message
    return json.loads(message.data)["msgtype"]


def test_a_page_can_attach_to_its_session_many_times(site):
    async def main() -> None:
        async with Client(site.url, visitor=None) as client:
            held = await page(client)
            for _ in range(15):
                websocket = await client.attach(*held)
                assert await greeting(websocket) == "ACK"
                websocket._conn.transport.abort()

    run(main())


def test_the_visitor_s_cookie_is_http_only_and_set_once(site):
    with httpx.Client(base_url=site.url) as client:
        cookie = client.get("/session/sliders").headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert "set-cookie" not in client.get("/session/sliders").headers
        client.cookies.clear()
        client.cookies.set("quart_bokeh_visitor", "mine")
        assert "set-cookie" in client.get("/session/sliders").headers


def test_the_cookie_is_sent_in_frames_of_other_sites_if_they_may_show_the_page(pool):
    https = {"X-Forwarded-Proto": "https"}
    own, others = "'self'", "'self' https://other.example"
    for ancestors, headers, expected in (
        (own, https, {"SameSite=Lax", "Secure"}),
        (others, {}, {"SameSite=Lax"}),
        (others, https, {"SameSite=None", "Secure", "Partitioned"}),
    ):
        site = pool.get(RelayedSite, BOKEH_FRAME_ANCESTORS=ancestors, BOKEH_TRUSTED_PROXIES="127.0.0.1")
        cookie = set(site.get("/session/sliders", headers=headers).headers["set-cookie"].split("; "))
        assert cookie & {"SameSite=Lax", "SameSite=None", "Secure", "Partitioned"} == expected


def test_below_a_path_prefix():
    with RelayedSite("--root-path", "/below/this") as site:

        async def main() -> None:
            async with Client(site.url, visitor=None) as client:
                ticket, path = await page(client, "/below/this/session/sliders")
                assert path.startswith("/below/this/bokeh/")
                assert await greeting(await client.attach(ticket, path)) == "ACK"
                assert await client.status_of(ticket, path.removeprefix("/below/this")) >= 400

        run(main())


def test_behind_a_trusted_proxy_with_tls_another_name_and_a_prefix():
    headers = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "plots.example",
        "X-Forwarded-Prefix": "/plots",
    }
    with RelayedSite(BOKEH_TRUSTED_PROXIES="127.0.0.1") as site:
        answer = site.get("/session/sliders", headers=headers)
        cookie, held = answer.headers["set-cookie"], answer.json()
        assert {"Secure", "Path=/plots"} <= set(cookie.split("; "))
        assert held["path"].startswith("/plots/bokeh/")
        visitor = cookie.partition("=")[2].partition(";")[0]

        async def main() -> None:
            async with Client(site.url, visitor) as client:
                path = held["path"].removeprefix("/plots")  # which the proxy takes away
                origin = {"Origin": "https://plots.example"}
                websocket = await client.attach(held["ticket"], path, **headers, **origin)
                assert await greeting(websocket) == "ACK"
                await websocket.close()
                assert await client.status_of(held["ticket"], path, **headers) == 403
                assert await client.status_of(held["ticket"], path, **origin) == 403

        run(main())
        assert "Refused a websocket from 192.0.2.7 with 403: the Origin 'http" in site.output()


def test_the_refusal_behind_an_untrusted_tls_proxy_names_the_setting(site):
    async def main() -> None:
        async with Client(site.url, visitor=None) as client:
            https = site.url.replace("http:", "https:")
            assert await client.status_of(*await page(client), Origin=https) == 403

    run(main())
    assert "add the proxy in front to BOKEH_TRUSTED_PROXIES" in site.output()


def test_the_site_works_under_any_host_name(site):
    async def main() -> None:
        async with Client(site.url, visitor=None) as client:
            held = await page(client)
            port = site.url.rpartition(":")[2]
            for name in (f"some.name.example:{port}", f"[::1]:{port}", "plots"):
                websocket = await client.attach(*held, Host=name, Origin=f"http://{name}")
                assert await greeting(websocket) == "ACK"

    run(main())


@pytest.mark.parametrize("secret", ["", "a secret key that is long enough for it"])
def test_a_page_of_one_worker_attaches_through_another(secret):
    with RelayedSite("-w", "2", SECRET_KEY=secret) as site:

        async def main() -> None:
            pages = []
            for _ in range(4):  # each on a connection of its own, which any worker may accept
                answer = site.get("/session/sliders", headers={"Connection": "close"})
                pages.append((answer.cookies["quart_bokeh_visitor"], answer.json()))
            for visitor, held in pages * 4:
                async with Client(site.url, visitor) as client:
                    websocket = await client.attach(held["ticket"], held["path"])
                    assert await greeting(websocket) == "ACK"
                    await websocket.close()

        run(main())


def test_a_server_that_was_killed_is_1012_and_its_sessions_are_410():
    with RelayedSite() as site:

        async def main() -> None:
            async with Client(site.url, visitor=None) as client:
                held = await page(client)
                websocket = await client.attach(*held)
                assert await greeting(websocket) == "ACK"
                site.servers()[0].kill()
                while (message := await websocket.receive(DEADLINE)).type is not CLOSE:
                    pass
                assert message.data == 1012
                assert await client.status_of(*held) == 410
                # A new one is there then, and the old session is not on it.
                for _ in range(100):
                    if (
                        await client.status_of(*held) == 410
                        and site.get("/session/sliders").status_code == 200
                    ):
                        break
                    await asyncio.sleep(0.1)
                assert await client.status_of(*held) == 410
                assert await greeting(await client.attach(*await page(client))) == "ACK"

        run(main())


def test_a_stock_server_answers_through_the_relay():
    with Stock("bokeh_apps/sliders.py") as stock, RelayedSite(BOKEH_SERVERS=stock.url) as site:

        async def main() -> None:
            async with Client(site.url, visitor=None) as client:
                assert await greeting(await client.attach(*await page(client))) == "ACK"

        run(main())


REPORTING = """\
from bokeh.io import curdoc
from bokeh.models import Div

print("session created", flush=True)
curdoc().add_root(Div(text="here"))
curdoc().on_session_destroyed(lambda context: print("session destroyed", flush=True))
"""
SIGNED = {"BOKEH_SECRET_KEY": KEY, "BOKEH_SIGN_SESSIONS": "yes"}


@pytest.mark.parametrize(
    ("server", "environment", "before", "after"),
    [(Stock, {}, "unavailable", "unavailable"), (Serve, SIGNED, "alive", "gone")],
    ids=["stock", "ours"],
)
def test_asking_for_a_session_s_state_creates_no_session(tmp_path, server, environment, before, after):
    app = tmp_path / "reporting.py"
    app.write_text(REPORTING)
    with (
        server(app, *SHORT) as bokeh,
        RelayedSite(BOKEH_SERVERS=bokeh.url, environment=environment) as site,
        httpx.Client(base_url=site.url, headers={"Origin": site.url}) as client,
    ):
        held = client.get("/session/reporting").json()

        def state() -> str:
            answer = client.post("/bokeh/session/reporting/state", json={"ticket": held["ticket"]})
            return answer.json()["state"]

        async def main() -> None:
            async with Client(site.url, client.cookies["quart_bokeh_visitor"]) as browser:
                websocket = await browser.attach(held["ticket"], held["path"])
                assert await greeting(websocket) == "ACK"
                assert await asyncio.to_thread(state) == before
                await websocket.close()

        run(main())
        wait_until(lambda: "session destroyed" in bokeh.output(), "the session has expired")
        assert state() == after
        client.get("/session/reporting")  # the server would have created one for the question by now
        assert bokeh.output().count("session created") == 2


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("arguments", [("-w", "1"), ("-w", "2"), ("-k", "uvloop")], ids=" ".join)
def test_the_site_stops_in_time_with_websockets_open_and_closes_them_with_1012(sign, arguments):
    with RelayedSite(*arguments) as site:
        family = site.family()

        async def main() -> None:
            async with Client(site.url, visitor=None) as client:
                websockets = [await client.attach(*await page(client)) for _ in range(6)]
                for websocket in websockets:
                    assert await greeting(websocket) == "ACK"
                stalled = websockets.pop()
                stalled._reader._protocol.pause_reading()
                site.popen.send_signal(sign)
                for websocket in websockets:
                    while (message := await websocket.receive(DEADLINE)).type is not CLOSE:
                        assert message.type is not aiohttp.WSMsgType.CLOSED
                    assert (message.data, message.extra) == (1012, "the site restarts")

                await asyncio.to_thread(wait_until_ended, family)

        run(main())
        assert "Traceback" not in site.output()
        assert "never retrieved" not in site.output()


def test_the_servers_of_a_site_on_uvloop_run_on_it_too():
    with RelayedSite("-k", "uvloop") as site:
        [server] = site.servers()
        assert any("uvloop" in library.path for library in server.memory_maps())


def test_a_newer_browser_replaces_the_older_one_through_another_worker_too():
    with RelayedSite("-w", "2") as site:

        async def main() -> None:
            async with Client(site.url, visitor=None) as client:
                held = await page(client)
                for _ in range(8):  # either worker may accept a connection
                    older = await client.attach(*held)
                    newer = await client.attach(*held)
                    while (message := await older.receive(DEADLINE)).type is not CLOSE:
                        assert message.type is aiohttp.WSMsgType.TEXT
                    assert (message.data, message.extra) == (4409, "opened elsewhere")
                    assert await greeting(newer) == "ACK"
                    await newer.close()

        run(main())

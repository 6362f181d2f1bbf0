"""The pages of the site: which there are, and what they answer when something fails."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from bokeh_server import Stock
from harness import DEADLINE, ROOT, SLIDERS, Site, data_block, ticket, wait_until

APPS = ("sliders", "penguins", "stream", "lissajous")


def test_the_gallery_lists_every_application_with_its_title(site):
    page = site.get("/").text
    for name in APPS:
        assert f'href="{name}"' in page
    assert "Penguins of the Palmer Archipelago" in page


@pytest.mark.parametrize("name", APPS)
def test_each_application_has_a_page_with_the_script_of_a_new_session(site, name):
    one, two = site.get(f"/{name}"), site.get(f"/{name}")
    assert one.status_code == 200
    assert one.headers["cache-control"] == "no-store"
    blocks = [data_block(page.text) for page in (one, two)]
    assert all(block["app"] == name for block in blocks)
    assert all("root" not in block for block in blocks)
    assert ticket(blocks[0])["session_id"] != ticket(blocks[1])["session_id"]


def test_an_unknown_application_is_a_404_as_page_and_as_json(site):
    assert site.get("/nothing").status_code == 404
    assert "There is no such application" in site.get("/nothing").text
    answer = site.get("/nothing", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (404, "There is no such application")


def test_with_direct_delivery_a_host_name_that_the_server_refuses_is_a_400():
    with Site(BOKEH_APPS=SLIDERS, BOKEH_DELIVERY="direct") as direct:
        answer = direct.get("/sliders", headers={"Host": "evil.example"})
        assert answer.status_code == 400
        assert "evil.example" in answer.text


def test_our_server_refuses_session_ids_that_the_site_has_not_signed(site):
    url = ticket(data_block(site.get("/sliders").text))["url"]
    for headers in ({}, {"Bokeh-Session-Id": "mine"}):
        answer = httpx.get(f"{url}/sliders/autoload.js?bokeh-autoload-element=x", headers=headers)
        assert answer.status_code == 403


def test_300_views_leave_no_descriptor_behind_while_the_site_stays_alive():
    with Site(BOKEH_APPS=SLIDERS) as site:
        assert site.get("/sliders").status_code == 200
        worker = site.worker()

        async def views() -> None:
            async with httpx.AsyncClient(base_url=site.url, timeout=DEADLINE) as client:
                for _ in range(2):
                    await asyncio.gather(*(client.get("/sliders") for _ in range(16)))
                before = worker.num_fds()
                at_once, statuses, done = asyncio.Semaphore(16), [], asyncio.Event()

                async def view() -> None:
                    async with at_once:
                        statuses.append((await client.get("/sliders")).status_code)

                async def watch() -> None:
                    while not done.is_set():
                        assert (await client.get("/healthz")).status_code == 200
                        await asyncio.sleep(0.1)

                watching = asyncio.create_task(watch())
                await asyncio.gather(*(view() for _ in range(300)))
                done.set()
                await watching
                assert statuses == [200] * 300
                assert abs(worker.num_fds() - before) <= 5

        asyncio.run(views())


def write_applications(folder) -> None:
    (folder / "good.py").write_text((ROOT / "bokeh_apps" / "sliders.py").read_text())
    (folder / "raises.py").write_text("raise RuntimeError('the reason')")
    (folder / "exits.py").write_text("import sys\nsys.exit('enough')")
    (folder / "empty.py").write_text("")
    (folder / "unparsable.py").write_text("x = (")
    (folder / "slow.py").write_text("import time\ntime.sleep(8)\n")
    (folder / "hooked").mkdir()
    (folder / "hooked" / "main.py").write_text("")
    (folder / "hooked" / "app_hooks.py").write_text("raise RuntimeError('the hook')")


def test_broken_applications_have_error_pages_and_the_others_run(tmp_path):
    write_applications(tmp_path)
    with Site(BOKEH_APPS=str(tmp_path), BOKEH_PULL_TIMEOUT="3") as site:
        assert site.get("/good").status_code == 200
        for name in ("raises", "exits", "empty", "unparsable", "hooked"):
            answer = site.get(f"/{name}")
            assert answer.status_code == 500
            assert "Traceback" not in answer.text
            assert "The application failed" in answer.text
            assert re.search(r"Error (\w{8})", answer.text)[1] in site.output()
        assert "the reason" in site.output()
        assert "enough" in site.output()
        gallery = site.get("/").text
        assert gallery.count("cannot run") == 2
        assert site.get("/slow").status_code == 504
        wait_until(lambda: site.get("/good").status_code == 200, "the next page works")


RUNS_TEXT = """
from bokeh.io import curdoc
from bokeh.models import Button, CustomJS
button = Button()
button.js_on_click(CustomJS(code="alert(1)"))
curdoc().add_root(button)
"""


@pytest.mark.parametrize(("allowed", "warnings"), [("0", 1), ("1", 0)])
def test_an_application_that_runs_text_as_code_is_warned_of_once_unless_it_may(tmp_path, allowed, warnings):
    (tmp_path / "runs.py").write_text(RUNS_TEXT)
    with Site(BOKEH_APPS=str(tmp_path), BOKEH_CSP_UNSAFE_EVAL=allowed) as site:
        for _ in range(3):
            assert site.get("/runs").status_code == 200
        told = (
            "runs runs text as code (CustomJS), which our own pages allow only with BOKEH_CSP_UNSAFE_EVAL=1"
        )
        assert site.output().count(told) == warnings


def test_an_own_template_that_takes_too_long_is_a_504(tmp_path):
    (tmp_path / "slow" / "templates").mkdir(parents=True)
    (tmp_path / "slow" / "templates" / "index.html").write_text(
        "{% extends base %}{% block contents %}{{ wait() }}{{ embed(roots.text) }}{% endblock %}"
    )
    (tmp_path / "slow" / "main.py").write_text(
        "import time\n"
        "from bokeh.io import curdoc\n"
        "from bokeh.models import Div\n"
        "curdoc().add_root(Div(name='text', text='here'))\n"
        "curdoc().template_variables['wait'] = lambda sleep=time.sleep: sleep(20)\n"
    )
    with Site(BOKEH_APPS=str(tmp_path), BOKEH_PULL_TIMEOUT="2") as site:
        assert site.get("/slow").status_code == 504


def test_an_own_template_that_fails_is_replaced_by_the_site_s_page(tmp_path):
    (tmp_path / "failing" / "templates").mkdir(parents=True)
    (tmp_path / "failing" / "templates" / "index.html").write_text("{{ 1 / 0 }}")
    (tmp_path / "failing" / "main.py").write_text(
        "from bokeh.io import curdoc\nfrom bokeh.models import Div\n"
        "curdoc().add_root(Div(name='text', text='here'))\n"
    )
    with Site(BOKEH_APPS=str(tmp_path)) as site:
        assert data_block(site.get("/failing").text)["app"] == "failing"
        assert "ZeroDivisionError" in site.output()


def test_a_server_that_died_is_a_503_and_is_started_again():
    with Site(BOKEH_APPS=SLIDERS) as site:
        [server] = site.servers()
        server.kill()
        answer = wait_until(
            lambda: (a := site.get("/sliders")).status_code == 503 and a, "the site has noticed"
        )
        assert int(answer.headers["retry-after"]) > 0
        wait_until(lambda: site.get("/sliders").status_code == 200, "a new server runs")
        assert site.get("/readyz").status_code == 200


def test_a_stock_server_is_used_where_it_is_named():
    with Stock("bokeh_apps/sliders.py") as stock:
        with Site(BOKEH_SERVERS=stock.url, BOKEH_DELIVERY="direct") as site:
            assert not site.servers()
            assert f'"{stock.url}/sliders/autoload.js' in site.get("/sliders").text
            assert site.get("/penguins").status_code == 404
            stock.popen.terminate()
            stock.popen.wait(DEADLINE)
            # A page may have begun before the server's end is known; the next one has its status.
            first = site.get("/sliders")
            assert "not available just now" in first.text
            assert site.get("/sliders").status_code == 503
            assert site.get("/readyz").status_code == 503


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"BOKEH_APPS": "nowhere"}, "BOKEH_APPS: there is no folder 'nowhere'"),
        ({"BOKEH_PROCESSES": "many"}, "BOKEH_PROCESSES must be"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_line(settings, text):
    site = Site(**settings)
    try:
        assert site.popen.wait(DEADLINE) != 0
        wait_until(lambda: text in site.output(), "it says why")
        [line] = site.output().splitlines()
        assert line.startswith("quart-bokeh: ")
    finally:
        site.close()

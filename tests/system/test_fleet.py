"""A fleet of real server processes: applications that fail to load, and reloads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from harness import ROOT, Site, wait_until

from quart_app.catalogue import discover
from quart_app.fleet import fleet as fleet_module
from quart_app.fleet.fleet import Fleet
from quart_app.settings import Settings

SLIDERS = (ROOT / "bokeh_apps" / "sliders.py").read_text()


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """Return a file that makes the next load of the application ``hooked`` fail, once, by being there."""
    failing = tmp_path / "fail-once"
    folder = tmp_path / "apps" / "hooked"
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(SLIDERS)
    (folder / "app_hooks.py").write_text(
        "from pathlib import Path\n"
        f"failing = Path({str(failing)!r})\n"
        "if failing.exists():\n"
        "    failing.unlink()\n"
        "    raise RuntimeError('the hook')\n"
    )
    return failing


def restart_a_server(site: Site) -> None:
    """Kill one of the site's Bokeh servers and wait until the next one runs."""
    starts = running_count(site)
    site.servers()[0].kill()
    wait_until(lambda: running_count(site) > starts, "the server runs again")


def running_count(site: Site) -> int:
    return len(re.findall(r"running.*process \d+", site.output()))


def test_an_application_that_failed_to_load_is_loaded_by_the_next_start(failing):
    with Site(BOKEH_APPS=str(failing.parent / "apps")) as site:
        assert site.get("/hooked").status_code == 200
        failing.touch()
        restart_a_server(site)
        assert site.get("/hooked").status_code == 500
        assert "the hook" in site.get("/").text
        restart_a_server(site)
        assert site.get("/hooked").status_code == 200
        assert "the hook" not in site.get("/").text


def test_an_application_that_one_server_failed_to_load_is_served_by_the_other(failing):
    with Site(BOKEH_APPS=str(failing.parent / "apps"), BOKEH_PROCESSES="2") as site:
        failing.touch()
        restart_a_server(site)
        assert not failing.exists()
        assert [site.get("/hooked").status_code for _ in range(4)] == [200] * 4
        assert "the hook" not in site.get("/").text


def test_an_error_in_a_reload_is_logged_and_the_next_change_reloads_again(tmp_path, monkeypatch, caplog):
    application = tmp_path / "edited.py"
    application.write_text(SLIDERS)
    errors = [OSError(5, "Input/output error")]

    def fail_once(folder: Path) -> object:
        if errors:
            raise errors.pop()
        return discover(folder)

    async def until(condition: Callable[[], bool], *, edit_every: int) -> None:
        """Edit the application, now and then every ``edit_every`` turns, until the condition is true."""
        async with asyncio.timeout(30):
            for turn in count():
                if turn % edit_every == 0:
                    application.write_text(f"{SLIDERS}# {turn}\n")
                await asyncio.sleep(0.05)
                if condition():
                    return

    monkeypatch.setattr(fleet_module, "discover", fail_once)
    settings = Settings.from_config({"BOKEH_APPS": str(tmp_path), "BOKEH_DEV": "1"})

    async def test() -> None:
        async with Fleet(settings, discover(tmp_path)) as fleet:
            generation = fleet.servers[0].generation
            await until(lambda: not errors, edit_every=40)  # the first edits may come before the watch
            assert "Input/output error" in caplog.text
            await until(lambda: fleet.servers[0].generation != generation, edit_every=10_000)

    asyncio.run(test())

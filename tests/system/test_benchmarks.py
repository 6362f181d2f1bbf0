"""The comparison in its shortest form: every measure runs, and the tables are written."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT

REQUIRED = ("aiohttp", "flask", "playwright", "psutil")
MISSING = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the comparison requires {', '.join(MISSING)}")
CONTESTANTS = ("quart-direct", "recipe-quart", "bokeh-serve")


def run_module(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def run_comparison(folder: Path, *arguments: str) -> tuple[dict, str]:
    run_module("benchmarks", "--smoke", "--out", str(folder), *arguments)
    return json.loads((folder / "results.json").read_text()), (folder / "results.md").read_text()


def test_every_measure_has_values_of_every_contestant(tmp_path):
    measures = ("pages", "round-trips")
    results, tables = run_comparison(tmp_path, "--only", *measures, "--contestants", *CONTESTANTS)
    assert not results["absent"]
    assert not results["failures"]
    assert {quantity["measure"] for quantity in results["quantities"]} == set(measures)
    for quantity in results["quantities"]:
        assert set(quantity["contestants"]) == set(CONTESTANTS), quantity["name"]
    for measure in measures:
        assert f"## {measure}" in tables
    assert "recipe in Quart, executor only" in tables
    assert "hypercorn quart_app:app" in tables


@pytest.mark.skipif(
    not Path("/usr/bin/chromium").exists(), reason="there is no Chromium at /usr/bin/chromium"
)
def test_first_plots_and_slider_changes_are_measured_in_chromium(tmp_path):
    results, _ = run_comparison(
        tmp_path, "--only", "first-plot", "slider", "--contestants", "quart-direct", "bokeh-serve"
    )
    assert not results["failures"]
    assert {quantity["measure"] for quantity in results["quantities"]} == {"first-plot", "slider"}


def test_a_contestant_that_is_not_installed_is_reported_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    measures = ("stalls", "resources", "lifetimes")
    results, tables = run_comparison(tmp_path, "--only", *measures, "--contestants", "bokeh-serve", "nginx")
    assert {quantity["measure"] for quantity in results["quantities"]} == set(measures)
    assert results["absent"] == {"nginx": "the program 'nginx' is not installed"}
    assert "nginx in front of bokeh serve: the program 'nginx' is not installed" in tables


def test_an_earlier_commit_takes_part_from_its_own_checkout(tmp_path):
    checkout = tmp_path / "earlier"
    package = checkout / "quart_app"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from quart import Quart\n"
        "app = Quart(__name__)\n"
        "app.add_url_rule('/healthz', view_func=lambda: 'alive')\n"
        "raise RuntimeError(f'imported from {__file__}')\n"
    )
    results, tables = run_comparison(
        tmp_path, "--only", "pages", "--contestants", "quart-relay", "--before", str(checkout)
    )
    assert str(package) in results["absent"]["before"]
    assert f"PYTHONPATH={checkout}" in tables
    assert results["reference"] == "before"


def test_the_web_process_takes_at_most_a_quarter_more_memory_than_an_empty_quart_application():
    done = run_module("benchmarks.memory", "--before", str(ROOT))
    figures = re.findall(r"^(empty Quart application|quart-relay|before): (\d+\.\d) MB", done.stdout, re.M)
    megabytes = {name: float(figure) for name, figure in figures}
    assert megabytes.keys() == {"empty Quart application", "quart-relay", "before"}
    assert megabytes["quart-relay"] <= 1.25 * megabytes["empty Quart application"]

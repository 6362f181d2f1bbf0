"""The comparison in its shortest form: every measure runs, and the tables are written."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT

NEEDED = ("aiohttp", "flask", "playwright", "psutil")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the comparison needs {', '.join(MISSING)}")
CONTESTANTS = ("quart-direct", "recipe-quart", "bokeh-serve")


def run(folder: Path, *arguments: str) -> tuple[dict, str]:
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--out", str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "results.json").read_text()), (folder / "results.md").read_text()


def test_contestants_take_turns_and_get_their_tables(tmp_path):
    measures = ("pages", "round-trips")
    results, tables = run(tmp_path, "--only", *measures, "--contestants", *CONTESTANTS)
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
def test_the_comparison_looks_at_first_plots_and_sliders_in_chromium(tmp_path):
    results, _ = run(
        tmp_path, "--only", "first-plot", "slider", "--contestants", "quart-direct", "bokeh-serve"
    )
    assert not results["failures"]
    assert {quantity["measure"] for quantity in results["quantities"]} == {"first-plot", "slider"}


def test_a_contestant_that_cannot_take_part_is_named_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    measures = ("stalls", "resources", "lifetimes")
    results, tables = run(tmp_path, "--only", *measures, "--contestants", "bokeh-serve", "nginx")
    assert {quantity["measure"] for quantity in results["quantities"]} == set(measures)
    assert results["absent"] == {"nginx": "there is no program 'nginx' here"}
    assert "nginx in front of bokeh serve: there is no program 'nginx' here" in tables

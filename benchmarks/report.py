"""Tables for people and a file for machines."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.peers import BY_NAME, OURS, Contestant
from benchmarks.results import Quantity, Results

PACKAGES = (
    *(
        "quart-bokeh",
        "bokeh",
        "tornado",
        "quart",
        "hypercorn",
        "flask",
        "gunicorn",
        "panel",
        "bokeh-fastapi",
        "fastapi",
    ),
    *("uvicorn", "uvloop", "aiohttp", "playwright"),
)


def environment() -> dict[str, Any]:
    """Return what the figures depend on: versions, machine, date."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load before": [round(load, 2) for load in os.getloadavg()],
        "versions": versions,
    }


def project(folder: Path) -> str:
    """Return where the contestants find this project: installed, or where PYTHONPATH says."""
    command = [sys.executable, "-c", "import quart_app; print(quart_app.__path__[0])"]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "nowhere"


def figure(value: float) -> str:
    """Return a number as people read it."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cell(results: Results, quantity: Quantity, name: str, reference: str) -> str:
    """Return one contestant's median, its spread and its ratio to the reference."""
    summary = results.summary(quantity, name)
    if summary is None:
        return "–"
    text = figure(summary.median)
    if summary.n > 1 and summary.low != summary.high:
        text += f" ({figure(summary.low)}–{figure(summary.high)}"
        text += f", p99 {figure(summary.p99)})" if summary.n >= 20 else ")"
    ratio = results.ratio(quantity, name, reference)
    if ratio is not None and name != reference:
        text += f" ×{ratio:.2g}"
    return text


def best(results: Results, quantity: Quantity) -> tuple[str, str] | None:
    """Return the best of our ways to make a page and the best of the others; None if one is missing."""
    sign = -1 if quantity.better == "higher" else 1
    medians = {}
    for name in results.values[quantity]:
        summary = results.summary(quantity, name)
        if summary is not None:
            medians[name] = sign * summary.median
    ours = [name for name in medians if name in OURS]
    others = [name for name in medians if not name.startswith("quart-")]
    if not ours or not others:
        return None
    return min(ours, key=medians.__getitem__), min(others, key=medians.__getitem__)


def markdown(
    results: Results, about: dict[str, Any], contestants: Sequence[Contestant], reference: str
) -> str:
    """Return the whole report."""
    lines = ["# Live Bokeh applications in web pages: a comparison", ""]
    lines += [f"- {key}: {value}" for key, value in about.items() if key != "versions"]
    lines.append("- " + ", ".join(f"{name} {number}" for name, number in about["versions"].items()))
    lines += [f"- {remark}" for remark in results.remarks]
    lines += [
        "",
        "Each cell: median (first to third quartile, 99th percentile where there are twenty values or more)",
        f"× how many times the figure of *{BY_NAME[reference].title}* in the same rounds.",
        "",
    ]
    measures = dict.fromkeys(quantity.measure for quantity in results.values)
    for measure in measures:
        lines += [f"## {measure}", ""]
        quantities = [quantity for quantity in results.values if quantity.measure == measure]
        # Contestants in rows; a few quantities in each table, so that it can be read without scrolling.
        for start in range(0, len(quantities), 4):
            lines += _table(results, quantities[start : start + 4], contestants, reference)
        for (failed_in, name), reasons in results.failures.items():
            if failed_in == measure:
                told = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(5))
                lines.append(f"- {BY_NAME[name].title} failed: {told}")
        lines.append("")
    lines += _behind(results)
    lines += ["## Who did not take part", ""]
    lines += [f"- {BY_NAME[name].title}: {why}" for name, why in results.absent.items()] or ["Nobody."]
    lines += ["", "## How each was started", ""]
    lines += [
        "Unused sessions live 15 s here, Bokeh's default. Where something else than their end is measured,",
        "every contestant's own setting for it says an hour; for the stalls what is said above.",
        "",
    ]
    for contestant in contestants:
        lines += [f"**{contestant.title}** {contestant.note}".rstrip(), ""]
        lines += ["```", contestant.typed(), "```", ""]
    return "\n".join(lines)


SHORT = {
    "first plot, 40 ms [ms]": ("first-plot", "first plot, cold cache, 40 ms"),
    "slider [ms]": ("slider", "slider change to new data"),
    "session [ms]": ("pages", "until the session"),
    "pages/s": ("pages", "pages/s, 8 at once"),
    "stalled [s]": ("stalls", "seconds in slow answers, open session"),
    "100 sessions [MB]": ("resources", "memory of 100 open sessions"),
}
"""Columns of the short table, and the quantities behind them."""


def short(results: Results, contestants: Sequence[Contestant]) -> str:
    """Return one small table of medians, for a README."""
    by_name = {(quantity.measure, quantity.name): quantity for quantity in results.values}
    columns = {title: by_name[key] for title, key in SHORT.items() if key in by_name}
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for contestant in contestants:
        summaries = [results.summary(quantity, contestant.name) for quantity in columns.values()]
        if any(summaries):
            cells = [figure(summary.median) if summary else "" for summary in summaries]
            lines.append(f"| {contestant.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _heading(quantity: Quantity) -> str:
    return quantity.name if quantity.unit == "1" else f"{quantity.name} [{quantity.unit}]"


def _table(
    results: Results, quantities: Sequence[Quantity], contestants: Sequence[Contestant], reference: str
) -> list[str]:
    lines = ["| | " + " | ".join(_heading(quantity) for quantity in quantities) + " |"]
    lines.append("|---|" + "---|" * len(quantities))
    for contestant in contestants:
        if contestant.name not in results.absent:
            cells = [cell(results, quantity, contestant.name, reference) for quantity in quantities]
            if any(text != "–" for text in cells):
                lines.append(f"| {contestant.title} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _behind(results: Results) -> list[str]:
    """Return the rows in which another one is better than this project: the next work."""
    lines = ["## Where another is better than this project", ""]
    rows = []
    for quantity in results.values:
        pair = best(results, quantity) if quantity.better else None
        if pair is None:
            continue
        ours, other = (results.summary(quantity, name) for name in pair)
        if ours is None or other is None:
            continue
        behind = other.median > ours.median if quantity.better == "higher" else other.median < ours.median
        unit = "" if quantity.unit == "1" else f" {quantity.unit}"
        if behind:
            rows.append(
                f"| {quantity.measure}: {quantity.name} | {figure(ours.median)}{unit} "
                f"| {BY_NAME[pair[1]].title}: {figure(other.median)}{unit} |"
            )
    if not rows:
        return [*lines, "In none of these rows.", ""]
    return [*lines, "| | this project's best | the best of the others |", "|---|---|---|", *rows, ""]


def write(
    folder: Path, results: Results, about: dict[str, Any], contestants: Sequence[Contestant], reference: str
) -> None:
    """Write ``results.json``, ``results.md`` and ``short.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    titles = {contestant.name: contestant.title for contestant in contestants}
    commands = {contestant.name: contestant.typed() for contestant in contestants}
    everything = {
        "about": about,
        "reference": reference,
        "titles": titles,
        "commands": commands,
        **results.as_json(),
    }
    (folder / "results.json").write_text(json.dumps(everything, indent=1) + "\n")
    (folder / "results.md").write_text(markdown(results, about, contestants, reference))
    (folder / "short.md").write_text(short(results, contestants))

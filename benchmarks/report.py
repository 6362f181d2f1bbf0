"""Write the results: Markdown tables, and a JSON file for the application ``comparison``."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.contestants import BEFORE, THIS_PROJECT, Contestant
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
    """Return what the figures depend on: date, machine and versions."""
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


def package_folder(cwd: Path) -> str:
    """Return the folder from which contestants of this project import ``quart_app``."""
    command = [sys.executable, "-c", "import quart_app; print(quart_app.__path__[0])"]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "nowhere"


def format_number(value: float) -> str:
    """Return a number with three significant digits, or as an integer from 100 on."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cell(results: Results, quantity: Quantity, name: str, reference: str) -> str:
    """Return the text of a cell: median, spread, and ratio to the reference."""
    summary = results.summary(quantity, name)
    if summary is None:
        return "–"
    text = format_number(summary.median)
    if summary.n > 1 and summary.low != summary.high:
        text += f" ({format_number(summary.low)}–{format_number(summary.high)}"
        text += f", p99 {format_number(summary.p99)})" if summary.n >= 20 else ")"
    ratio = results.ratio(quantity, name, reference)
    if ratio is not None and name != reference:
        text += f" ×{ratio:.2g}"
    return text


def best(results: Results, quantity: Quantity) -> tuple[str, str] | None:
    """Return the names of this project's best contestant and of the best other one; None without both."""
    sign = -1 if quantity.better == "higher" else 1
    medians = {}
    for name in results.values[quantity]:
        summary = results.summary(quantity, name)
        if summary is not None:
            medians[name] = sign * summary.median
    this_project = [name for name in medians if name in THIS_PROJECT]
    others = [name for name in medians if name != BEFORE and not name.startswith("quart-")]
    if not this_project or not others:
        return None
    return min(this_project, key=medians.__getitem__), min(others, key=medians.__getitem__)


def markdown(
    results: Results, about: dict[str, Any], contestants: Sequence[Contestant], reference: Contestant
) -> str:
    """Return the complete report."""
    titles = {contestant.name: contestant.title for contestant in contestants}
    lines = ["# Live Bokeh applications in web pages: a comparison", ""]
    lines += [f"- {key}: {value}" for key, value in about.items() if key != "versions"]
    lines.append("- " + ", ".join(f"{name} {number}" for name, number in about["versions"].items()))
    lines += [f"- {remark}" for remark in results.remarks]
    lines += [
        "",
        "Cells: median (first to third quartile; 99th percentile if there are twenty values or more) and",
        f"× the ratio to *{reference.title}* in the same rounds.",
        "",
    ]
    measures = dict.fromkeys(quantity.measure for quantity in results.values)
    for measure in measures:
        lines += [f"## {measure}", ""]
        quantities = [quantity for quantity in results.values if quantity.measure == measure]
        # Four quantities in each table keep it narrow enough for a screen.
        for start in range(0, len(quantities), 4):
            lines += _table(results, quantities[start : start + 4], contestants, reference.name)
        for (failed_in, name), reasons in results.failures.items():
            if failed_in == measure:
                counts = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(5))
                lines.append(f"- {titles[name]} failed: {counts}")
        lines.append("")
    lines += _better_elsewhere(results, titles)
    lines += ["## Contestants that did not run", ""]
    lines += [f"- {titles[name]}: {reason}" for name, reason in results.absent.items()] or ["None."]
    lines += ["", "## Commands", ""]
    lines += [
        "These commands leave the lifetime of unused sessions at Bokeh's default, 15 s, as `resources` does.",
        "For `stalls` it is the time given above, for all other measures an hour.",
        "",
    ]
    for contestant in contestants:
        lines += [f"**{contestant.title}** {contestant.note}".rstrip(), ""]
        lines += ["```", contestant.shell_commands(), "```", ""]
    return "\n".join(lines)


SHORT = {
    "first plot, 40 ms [ms]": ("first-plot", "first plot, cold cache, 40 ms"),
    "slider [ms]": ("slider", "slider change to new data"),
    "session [ms]": ("pages", "until the session"),
    "pages/s": ("pages", "pages/s, 8 at once"),
    "stalled [s]": ("stalls", "seconds in slow answers, open session"),
    "100 sessions [MB]": ("resources", "memory of 100 open sessions"),
}
"""Columns of the short table: heading, and measure and name of the quantity."""


def short(results: Results, contestants: Sequence[Contestant]) -> str:
    """Return a small table of medians for the README."""
    by_name = {(quantity.measure, quantity.name): quantity for quantity in results.values}
    columns = {title: by_name[key] for title, key in SHORT.items() if key in by_name}
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for contestant in contestants:
        summaries = [results.summary(quantity, contestant.name) for quantity in columns.values()]
        if any(summaries):
            cells = [format_number(summary.median) if summary else "" for summary in summaries]
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


def _better_elsewhere(results: Results, titles: Mapping[str, str]) -> list[str]:
    """Return a table of the quantities in which another contestant is better than this project."""
    lines = ["## Where another contestant is better than this project", ""]
    rows = []
    for quantity in results.values:
        pair = best(results, quantity) if quantity.better else None
        if pair is None:
            continue
        ours, other = (results.summary(quantity, name) for name in pair)
        if ours is None or other is None:
            continue
        better = other.median > ours.median if quantity.better == "higher" else other.median < ours.median
        unit = "" if quantity.unit == "1" else f" {quantity.unit}"
        if better:
            rows.append(
                f"| {quantity.measure}: {quantity.name} | {format_number(ours.median)}{unit} "
                f"| {titles[pair[1]]}: {format_number(other.median)}{unit} |"
            )
    if not rows:
        return [*lines, "In no quantity.", ""]
    return [*lines, "| | best of this project | best of the others |", "|---|---|---|", *rows, ""]


def write(
    folder: Path,
    results: Results,
    about: dict[str, Any],
    contestants: Sequence[Contestant],
    reference: Contestant,
) -> None:
    """Write ``results.json``, ``results.md`` and ``short.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "about": about,
        "reference": reference.name,
        "titles": {contestant.name: contestant.title for contestant in contestants},
        "commands": {contestant.name: contestant.shell_commands() for contestant in contestants},
        **results.as_json(),
    }
    (folder / "results.json").write_text(json.dumps(data, indent=1) + "\n")
    (folder / "results.md").write_text(markdown(results, about, contestants, reference))
    (folder / "short.md").write_text(short(results, contestants))

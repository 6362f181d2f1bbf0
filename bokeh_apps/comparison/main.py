"""Comparison

Charts of the last results of python -m benchmarks: this project and other ways to serve Bokeh applications.
"""

import json
import os
from html import escape
from pathlib import Path

from bokeh.io import curdoc
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, Div, GridBox, HoverTool, LabelSet, Select, UIElement
from bokeh.plotting import figure

OURS = "#14639e"
OTHERS = "#b3bfcc"
MEASURES = {
    "first-plot": "Time to first plot in a browser",
    "slider": "Updates of an open page in a browser",
    "pages": "Pages with new sessions",
    "round-trips": "Round trips on open websockets",
    "stalls": "Stalls of an open session",
    "resources": "Descriptors, threads, memory",
    "lifetimes": "Start and stop",
}
PLACES = (
    Path(os.environ.get("BENCHMARK_RESULTS", "benchmark-results")) / "results.json",
    Path(__file__).parent / "results.json",
)
"""Results of the last run in the working directory, else those that are installed with this application."""


def load() -> dict:
    return next((json.loads(place.read_text()) for place in PLACES if place.is_file()), {})


def figures_of(quantity: dict, titles: dict) -> dict[str, list]:
    """Return the bars of one quantity, the worst first: the first bar is at the bottom of the chart."""
    sign = 1 if quantity["better"] == "higher" else -1
    rows = sorted(quantity["contestants"].items(), key=lambda row: sign * row[1]["median"])
    return {
        "title": [titles[name] for name, _ in rows],
        "color": [OURS if name.startswith("quart-") else OTHERS for name, _ in rows],
        "text": [
            f" {row['median']:,.3g}" if row["median"] < 1000 else f" {row['median']:,.0f}" for _, row in rows
        ],
        **{key: [row[key] for _, row in rows] for key in ("median", "low", "high", "p99", "n")},
    }


def chart(quantity: dict, titles: dict) -> UIElement:
    data = figures_of(quantity, titles)
    unit = "" if quantity["unit"] == "1" else f" [{quantity['unit']}]"
    better = f", {quantity['better']} is better" if quantity["better"] else ""
    plot = figure(
        title=f"{quantity['name']}{unit}{better}",
        y_range=data["title"],
        x_range=(0, 1.18 * max(*data["high"], *data["median"]) or 1),
        height=70 + 26 * len(data["title"]),
        width=560,
        toolbar_location=None,
        tools="",
    )
    source = ColumnDataSource(data)
    bars = plot.hbar("title", right="median", height=0.7, color="color", source=source)
    plot.segment("low", "title", "high", "title", source=source, color="#1d2733", line_width=1.5)
    plot.add_layout(
        LabelSet(x="high", y="title", text="text", source=source, text_font_size="11px", y_offset=-7)
    )
    tips = [("median", "@median{0,0.[00]}"), ("quartiles", "@low{0,0.[00]} to @high{0,0.[00]}")]
    tips += [("99th percentile", "@p99{0,0.[00]}"), ("values", "@n")]
    plot.add_tools(HoverTool(renderers=[bars], tooltips=tips))
    plot.grid.grid_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.outline_line_color = None
    return plot


def about(results: dict) -> str:
    """Return date, machine, versions and remarks of the run, as HTML."""
    facts = results["about"]
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    absent = "".join(
        f"<li>{escape(results['titles'].get(name, name))} did not run: {escape(why)}</li>"
        for name, why in results["absent"].items()
    )
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in results["remarks"])
    return (
        f"<p>Measured on {escape(facts['date'])}, {facts['cores']} cores, Python {escape(facts['python'])}. "
        f"Bars are medians, lines the quartiles; <b style='color: {OURS}'>this project</b> in colour.</p>"
        f"<details><summary>Versions and how it was measured</summary><p>{escape(versions)}</p>"
        f"<ul>{remarks}{absent}</ul></details>"
    )


results = load()
if results:
    present = dict.fromkeys(quantity["measure"] for quantity in results["quantities"])
    select = Select(
        name="measure", title="Measure", options=[(key, MEASURES.get(key, key)) for key in present], width=300
    )
    grid = GridBox(name="charts", spacing=10)

    def show(attr: str, old: str, new: str) -> None:
        chosen = [quantity for quantity in results["quantities"] if quantity["measure"] == new]
        grid.children = [
            (chart(quantity, results["titles"]), number // 2, number % 2)
            for number, quantity in enumerate(chosen)
        ]

    select.on_change("value", show)
    select.value = next(iter(present))
    root = column(Div(text=about(results), width=1140), select, grid, name="comparison")
else:
    root = column(
        Div(text="There are no results yet: <code>python -m benchmarks --quick</code>."), name="comparison"
    )
curdoc().add_root(root)

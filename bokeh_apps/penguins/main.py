"""Penguins of the Palmer Archipelago

Select penguins in one plot: the other plot and the table show the same ones.

Data: Kristen Gorman and Palmer Station LTER, in the package palmerpenguins by Allison Horst, Alison Hill
and Kristen Gorman (2020), https://doi.org/10.5281/zenodo.3960218, released as CC0; the simplified table
of seaborn-data.
"""

import csv
from pathlib import Path

from bokeh.io import curdoc
from bokeh.layouts import column, row
from bokeh.models import CDSView, ColumnDataSource, DataTable, Div, GroupFilter, Select, TableColumn
from bokeh.plotting import figure

COLOURS = {"Adelie": "#d95f02", "Chinstrap": "#7570b3", "Gentoo": "#1b9e77"}
MEASURES = {
    "bill_length_mm": "bill length [mm]",
    "bill_depth_mm": "bill depth [mm]",
    "flipper_length_mm": "flipper length [mm]",
    "body_mass_g": "body mass [g]",
}

with Path(__file__).with_name("penguins.csv").open(encoding="utf-8", newline="") as file:
    rows = [line for line in csv.DictReader(file) if all(line[measure] for measure in MEASURES)]

data = {measure: [float(line[measure]) for line in rows] for measure in MEASURES}
data["species"] = [line["species"] for line in rows]
data["island"] = [line["island"] for line in rows]
source = ColumnDataSource(data=data)


def scatter(x: str, y: str) -> figure:
    plot = figure(
        width=420,
        height=360,
        tools="pan,wheel_zoom,box_select,lasso_select,tap,reset",
        active_drag="box_select",
        x_axis_label=MEASURES[x],
        y_axis_label=MEASURES[y],
    )
    for species, colour in COLOURS.items():
        plot.scatter(
            x,
            y,
            source=source,
            view=CDSView(filter=GroupFilter(column_name="species", group=species)),
            size=7,
            color=colour,
            alpha=0.7,
            legend_label=species,
            name=species,
        )
    plot.legend.location = "top_left"
    plot.legend.click_policy = "hide"
    return plot


bills = scatter("bill_length_mm", "bill_depth_mm")
bodies = scatter("flipper_length_mm", "body_mass_g")
summary = Div(name="summary", text="")
island = Select(name="island", title="Select an island", value="none", options=["none"])
island.options = ["none", *sorted(set(data["island"]))]
table = DataTable(
    source=source,
    width=850,
    height=220,
    reorderable=False,
    columns=[
        TableColumn(field=name, title=name.replace("_", " ")) for name in ("species", "island", *MEASURES)
    ],
)


def summarise(attr: str, old: list[int], new: list[int]) -> None:
    chosen = new or range(len(rows))
    mass = sum(data["body_mass_g"][index] for index in chosen) / len(chosen)
    what = "selected" if new else "in all"
    summary.text = f"<b>{len(chosen)}</b> penguins {what}, mean body mass <b>{mass:.0f} g</b>"


def select_island(attr: str, old: str, new: str) -> None:
    source.selected.indices = [index for index, name in enumerate(data["island"]) if name == new]


source.selected.on_change("indices", summarise)
island.on_change("value", select_island)
summarise("indices", [], [])

curdoc().add_root(column(row(island, summary), row(bills, bodies), table, name="penguins"))

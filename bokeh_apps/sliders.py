"""Sliders

A sine wave whose offset, amplitude, phase and frequency follow four sliders, computed in Python.
"""

import numpy as np
from bokeh.io import curdoc
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, Slider, TextInput
from bokeh.plotting import figure

POINTS = 200

x = np.linspace(0, 4 * np.pi, POINTS)
source = ColumnDataSource(data={"x": x, "y": np.sin(x)})

plot = figure(
    name="plot",
    title="my sine wave",
    height=400,
    width=480,
    x_range=(0, 4 * np.pi),
    y_range=(-2.5, 2.5),
    tools="crosshair,pan,reset,save,wheel_zoom",
)
plot.line("x", "y", source=source, line_width=3, line_alpha=0.6)

title = TextInput(name="title", title="title", value="my sine wave")
offset = Slider(name="offset", title="offset", value=0, start=-5, end=5, step=0.1)
amplitude = Slider(name="amplitude", title="amplitude", value=1, start=-5, end=5, step=0.1)
phase = Slider(name="phase", title="phase", value=0, start=0, end=2 * np.pi)
frequency = Slider(name="frequency", title="frequency", value=1, start=0.1, end=5.1, step=0.1)


def update_title(attr: str, old: str, new: str) -> None:
    plot.title.text = new


def update_data(attr: str, old: float, new: float) -> None:
    y = amplitude.value * np.sin(frequency.value * x + phase.value) + offset.value
    source.data = {"x": x, "y": y}


title.on_change("value", update_title)
for slider in (offset, amplitude, phase, frequency):
    slider.on_change("value", update_data)

curdoc().add_root(row(column(title, offset, amplitude, phase, frequency), plot, name="sliders"))

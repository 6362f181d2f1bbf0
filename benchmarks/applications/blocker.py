"""Blocker

A slider whose callback blocks for the number of seconds of its value.
"""

import time

from bokeh.io import curdoc
from bokeh.layouts import column
from bokeh.models import Slider
from bokeh.plotting import figure

slider = Slider(name="offset", title="seconds", value=0, start=0, end=10, step=0.1)
plot = figure(name="plot", height=400, width=480, title="idle")
plot.line([0, 1], [0, 1])


def block(attr: str, old: float, new: float) -> None:
    time.sleep(new)
    plot.title.text = f"blocked for {new} s"


slider.on_change("value", block)
curdoc().add_root(column(slider, plot))

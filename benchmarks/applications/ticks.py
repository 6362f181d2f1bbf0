"""Ticks

A stream of twenty updates a second.
"""

import time

from bokeh.io import curdoc
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

source = ColumnDataSource(data={"x": [], "y": []}, name="source")
plot = figure(name="plot", height=400, width=480)
plot.line("x", "y", source=source)


def update() -> None:
    now = time.time()
    source.stream({"x": [now], "y": [now % 1]}, rollover=200)


curdoc().add_root(plot)
curdoc().add_periodic_callback(update, 50)

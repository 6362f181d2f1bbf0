"""Live stream

A random walk: five new points a second, of which the plot shows the last 300.
"""

from datetime import datetime, timedelta

import numpy as np
from bokeh.io import curdoc
from bokeh.layouts import column
from bokeh.models import Button, ColumnDataSource
from bokeh.plotting import figure

KEPT = 300
PERIOD = 200  # milliseconds

random = np.random.default_rng()
source = ColumnDataSource(data={"time": [], "value": []})
plot = figure(name="plot", height=380, width=860, x_axis_type="datetime", y_axis_label="value")
plot.x_range.follow = "end"
plot.x_range.follow_interval = KEPT * PERIOD
plot.line("time", "value", source=source, line_width=2)

button = Button(name="button", label="Pause", width=100)
value = 100.0
callback = None


def add(time: datetime) -> None:
    global value
    value += random.normal()
    source.stream({"time": [time], "value": [value]}, rollover=KEPT)


def update() -> None:
    add(datetime.now())


def toggle() -> None:
    global callback
    if callback is None:
        callback = curdoc().add_periodic_callback(update, PERIOD)
        button.label = "Pause"
    else:
        curdoc().remove_periodic_callback(callback)
        callback = None
        button.label = "Go on"


now = datetime.now()
for steps in range(50, 0, -1):  # the last ten seconds, so that the plot is not empty at first
    add(now - steps * timedelta(milliseconds=PERIOD))
button.on_click(toggle)
toggle()
curdoc().add_root(column(plot, button, name="stream"))

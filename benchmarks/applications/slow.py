"""Slow

A session that takes one second to create.
"""

import time

from bokeh.io import curdoc
from bokeh.plotting import figure

time.sleep(1)
plot = figure(name="plot", height=400, width=480)
plot.line([0, 1], [0, 1])
curdoc().add_root(plot)

"""Large

Five megabytes of NumPy data in one document.
"""

import numpy as np
from bokeh.io import curdoc
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

POINTS = 5_000_000 // 16  # two columns of eight bytes

x = np.linspace(0, 100, POINTS)
source = ColumnDataSource(data={"x": x, "y": np.sin(x)}, name="source")
plot = figure(name="plot", height=400, width=480, output_backend="webgl")
plot.scatter("x", "y", source=source, size=2)
curdoc().add_root(plot)

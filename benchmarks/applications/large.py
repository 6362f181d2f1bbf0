"""Large

A document with five megabytes of NumPy data.
"""

import numpy as np
from bokeh.io import curdoc
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

SIDE = 790  # 790 x 790 numbers of eight bytes

x = np.linspace(0, 20, SIDE)
source = ColumnDataSource(data={"image": [np.sin(x)[:, None] * np.cos(x)]}, name="source")
plot = figure(name="plot", height=400, width=480)
plot.image("image", x=0, y=0, dw=1, dh=1, source=source, palette="Viridis256")
curdoc().add_root(plot)

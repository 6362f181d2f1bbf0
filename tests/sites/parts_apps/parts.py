"""Parts

Two roots with names, arrays of NumPy, and changes that need more of BokehJS than the first document did.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bokeh.io import curdoc
from bokeh.layouts import column
from bokeh.models import Button, ColumnDataSource, DataTable, Div, Slider, TableColumn
from bokeh.plotting import figure

POINTS = 50_000

x = np.linspace(0, 100, POINTS)
source = ColumnDataSource(data={"x": x, "y": np.sin(x)}, name="source")
plot = figure(name="plot", title="parts", height=300, sizing_mode="stretch_width")
plot.line("x", "y", source=source)
plot.image([np.arange(250_000.0).reshape(500, 500)], x=0, y=-3, dw=100, dh=1)

offset = Slider(name="offset", title="offset", value=0, start=-5, end=5, step=0.1)
ready = Div(name="ready", text="0")
more = Button(name="more", label="More")
controls = column(offset, more, ready, name="controls")


def move(attr: str, old: float, new: float) -> None:
    source.data = {"x": x, "y": np.sin(x) + new}


def add() -> None:
    plot.title.text = r"$$\alpha = \beta$$"
    plot.output_backend = "webgl"
    columns = [TableColumn(field="x", title="x")]
    table = DataTable(source=ColumnDataSource(data={"x": [1, 2, 3]}), columns=columns, reorderable=False)
    controls.children = [*controls.children, table]


def leave(sign: Path) -> Callable[[object], None]:
    # The names of this module are gone by then.
    return lambda context: sign.touch()


def count(event: object) -> None:
    ready.text = str(int(ready.text) + 1)


offset.on_change("value", move)
more.on_click(add)
if ended := os.environ.get("PARTS_ENDED"):
    curdoc().on_session_destroyed(leave(Path(ended)))
curdoc().on_event("document_ready", count)
curdoc().add_root(plot)
curdoc().add_root(controls)

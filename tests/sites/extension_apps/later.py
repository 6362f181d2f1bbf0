"""Gets a model whose library nothing has needed before."""

from bokeh.io import curdoc
from bokeh.models import Button, Column
from tiny_ext import Badge, Evaluated

column = Column(Button(label="More"), Evaluated(height=30))
column.children[0].on_click(lambda: column.children.append(Badge(text="later", height=30)))
curdoc().add_root(column)

"""A model that cannot be shown here."""

from bokeh.io import curdoc
from tiny_ext import Ghost

curdoc().add_root(Ghost(height=30))

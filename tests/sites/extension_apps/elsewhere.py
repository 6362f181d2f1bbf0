"""A model that cannot be shown here."""

from bokeh.io import curdoc
from tiny_ext import Elsewhere

curdoc().add_root(Elsewhere(height=30))

"""A model whose implementation cannot be compiled."""

from bokeh.io import curdoc
from bokeh.models import LayoutDOM
from bokeh.util.compiler import TypeScript


class Broken(LayoutDOM):
    __implementation__ = TypeScript("export class Broken {{{")


curdoc().add_root(Broken())

"""A model of an extension."""

from bokeh.io import curdoc
from bokeh.models import Column, Div, ImportedStyleSheet, Slider
from tiny_ext import Badge

style = ImportedStyleSheet(url="static/extensions/tiny_ext/badge.css")
badge = Badge(name="badge", text="moved 0", height=30, width=300, stylesheets=[style])
slider = Slider(start=0, end=10, value=0)
picture = Div(text='<img src="static/extensions/tiny_ext/images/dot.svg" alt="a dot">')


def move(attr: str, old: float, new: float) -> None:
    badge.text = f"moved {new}"
    picture.text = f'{picture.text} <img src="./static/extensions/tiny_ext/images/dot.svg?{new}" alt="a dot">'


slider.on_change("value", move)
curdoc().add_root(Column(slider, badge, picture))

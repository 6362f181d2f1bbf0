"""A Bokeh extension as packages bring it: models here, their scripts and styles in ``built``."""

from bokeh.core.properties import String
from bokeh.models import LayoutDOM


class Badge(LayoutDOM):
    """Shows its text as a library of the extension makes it."""

    __javascript__ = "static/extensions/tiny_ext/lib/shout.js"
    __javascript_modules__ = ("static/extensions/tiny_ext/lib/mark.js",)
    __javascript_module_exports__ = ("tinyMark",)
    __css__ = ("static/extensions/tiny_ext/page.css",)

    text = String(default="")


class Elsewhere(LayoutDOM):
    """Needs a library that another site has."""

    __javascript__ = "https://elsewhere.invalid/library.js"
    __css__ = "https://elsewhere.invalid/library.css"


class Evaluated(LayoutDOM):
    """Runs text as code."""


class Ghost(LayoutDOM):
    """Is not in the script of its extension."""

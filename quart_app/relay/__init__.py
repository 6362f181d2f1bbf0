"""Connects browsers to the Bokeh servers that hold their sessions."""

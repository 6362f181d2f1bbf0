"""The Bokeh server process: ``bokeh serve`` with admission, health, drain, and patches of Bokeh."""

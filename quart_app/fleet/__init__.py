"""Starts, watches and restarts Bokeh servers, and picks one for a session."""

"""What the web process and the Bokeh server process say to each other."""

"""Compare this project with the other ways to serve and embed Bokeh applications."""

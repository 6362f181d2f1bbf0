"""The comparison that anyone can run: the same Bokeh applications, embedded and served in every usual way."""

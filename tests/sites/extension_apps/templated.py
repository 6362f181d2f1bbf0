"""Has a template of its own that is not a file, and refers to files of an extension."""

from bokeh.io import curdoc
from tiny_ext import Badge

curdoc().add_root(Badge(name="main", text="in a template", height=30))
curdoc().template = """{% block postamble %}
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static/extensions/tiny_ext/page.css">
<script type="module" src="./static/extensions/tiny_ext/lib/shout.js"></script>
{% endblock %}
{% block contents %}<main>{{ embed(roots.main) }}</main>{% endblock %}
"""

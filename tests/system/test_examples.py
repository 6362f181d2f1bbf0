"""A site without a folder of applications shows the examples, and says so."""

from __future__ import annotations

from harness import Site

NOTICE = "These are the examples of quart-bokeh."


def test_a_site_without_its_folder_says_that_it_shows_the_examples(tmp_path):
    with Site(cwd=tmp_path) as elsewhere:
        page = elsewhere.get("/").text
        assert NOTICE in page
        assert "set <code>QUART_BOKEH_APPS</code>" in page
        assert 'href="sliders"' in page
        line = f"There is no folder bokeh_apps in {tmp_path}: showing the examples of this package."
        assert elsewhere.output().count(line) == 1


def test_a_site_with_its_folder_says_nothing_of_examples(site, tmp_path):
    assert NOTICE not in site.get("/").text
    assert "showing the examples" not in site.output()
    with Site(cwd=tmp_path, BOKEH_APPS=str(tmp_path)) as chosen:
        assert NOTICE not in chosen.get("/").text
        assert "showing the examples" not in chosen.output()

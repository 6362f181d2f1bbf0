"""What a document does besides drawing: the title of the page, events of the connection."""

from __future__ import annotations

from pathlib import Path

from chromium import wait_for_state
from harness import Site, parts_site, wait_until

TITLED = """\"\"\"Alarms\"\"\"
from bokeh.io import curdoc
from bokeh.models import Button

document = curdoc()
button = Button(label="Alarm")
button.on_click(lambda: setattr(document, "title", "1 alarm"))
document.add_root(button)
"""


def open_app(page, site: Site) -> None:
    page.goto(f"{site.url}/app")
    wait_for_state(page, "ready")


def write(folder: Path, text: str) -> str:
    (folder / "app.py").write_text(text)
    return str(folder)


def test_the_sites_page_follows_the_documents_title(page, tmp_path):
    with Site(BOKEH_APPS=write(tmp_path, TITLED + "document.title = 'No alarm'")) as site:
        open_app(page, site)
        assert page.title() == "No alarm"
        page.get_by_role("button", name="Alarm").click()
        wait_until(lambda: page.title() == "1 alarm", "the title follows")


def test_the_title_is_the_docstrings_until_the_application_sets_one(page, tmp_path):
    with Site(BOKEH_APPS=write(tmp_path, TITLED)) as site:
        open_app(page, site)
        assert page.title() == "Alarms"
        page.get_by_role("button", name="Alarm").click()
        wait_until(lambda: page.title() == "1 alarm", "the title follows")


def test_a_page_of_somebody_else_keeps_its_title(page, tmp_path):
    text = TITLED + "document.title = 'No alarm'\nbutton.on_click(lambda: setattr(button, 'label', 'Done'))"
    with parts_site(BOKEH_APPS=write(tmp_path, text)) as site:
        open_app(page, site)
        page.get_by_role("button", name="Alarm").click()
        page.get_by_role("button", name="Done").wait_for()
        assert page.title() == "Parts"

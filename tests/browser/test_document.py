"""What a document does besides drawing: the title of the page, events of the document."""

from __future__ import annotations

from pathlib import Path

from chromium import read, wait_for_state
from harness import Site, parts_site, wait_until
from line import Line

TITLED = """\"\"\"Alarms\"\"\"
from bokeh.io import curdoc
from bokeh.models import Button

document = curdoc()
button = Button(label="Alarm")
button.on_click(lambda: setattr(document, "title", "1 alarm"))
document.add_root(button)
"""
EVENTS = """
from bokeh.io import curdoc
from bokeh.models import CustomJS, Div

document = curdoc()
heard = Div(name="heard", text="")

def hear(event):
    heard.text += event.event_name + " "

for name in ("document_ready", "connection_lost", "client_reconnected"):
    document.js_on_event(name, CustomJS(code=f"(window.heard ??= []).push('{name}')"))
document.on_event("document_ready", hear)
document.on_event("client_reconnected", hear)
document.add_root(heard)
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


def test_drops_are_events_of_the_document_and_it_is_ready_once(page, tmp_path):
    settings = {"BOKEH_APPS": write(tmp_path, EVENTS), "BOKEH_CSP_UNSAFE_EVAL": "1"}
    with Site(**settings) as site, Line(int(site.port)) as line:
        page.goto(f"{line.url}/app")
        wait_until(
            lambda: read(page, "heard", "text") == "document_ready ", "the application hears that it is ready"
        )
        for number in range(1, 3):
            line.cut()
            expected = ["document_ready"] + number * ["connection_lost", "client_reconnected"]
            wait_until(
                lambda known=expected: page.evaluate("window.heard") == known, f"drop {number} is heard"
            )
            told = "document_ready " + number * "client_reconnected "
            wait_until(lambda text=told: read(page, "heard", "text") == text, "the application hears it")
            assert page.locator(".bokeh-embed").inner_text().strip() == ""
            assert page.get_by_text("Client connect").count() == 0

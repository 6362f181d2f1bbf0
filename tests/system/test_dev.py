"""BOKEH_DEV: pages show the errors of applications, and the Bokeh servers restart when a file changes."""

from __future__ import annotations

from harness import ROOT, Site, wait_until


def test_with_dev_an_edited_application_is_loaded_again_and_its_errors_are_in_the_page(tmp_path):
    application = tmp_path / "edited.py"
    good = (ROOT / "bokeh_apps" / "sliders.py").read_text()
    application.write_text(good)
    with Site(BOKEH_APPS=str(tmp_path), BOKEH_DEV="1") as site:
        assert site.get("/edited").status_code == 200

        application.write_text("1 / 0")
        answer = wait_until(lambda: (a := site.get("/edited")).status_code == 500 and a, "it fails now")
        assert "division by zero" in answer.text
        assert "edited.py changed: restarting the Bokeh servers" in site.output()

        application.write_text("x = (")
        wait_until(lambda: "was never closed" in site.get("/").text, "the gallery has its error")
        assert "was never closed" in site.get("/edited").text

        application.write_text(good)
        (tmp_path / "added.py").write_text(good)
        wait_until(lambda: site.get("/edited").status_code == 200, "it runs again")
        wait_until(lambda: site.get("/added").status_code == 200, "a new one runs too")


def test_without_dev_the_reason_is_in_the_log_only(tmp_path):
    (tmp_path / "failing.py").write_text("1 / 0")
    with Site(BOKEH_APPS=str(tmp_path)) as site:
        answer = site.get("/failing")
        assert answer.status_code == 500
        assert "division" not in answer.text
        assert "division by zero" in site.output()

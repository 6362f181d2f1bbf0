from __future__ import annotations

import json

import pytest

from quart_app import catalogue
from quart_app.catalogue import discover
from quart_app.settings import SettingsError


def test_files_folders_and_notebooks_are_applications(tmp_path):
    (tmp_path / "one.py").write_text('"""The first.\n\nWhat it\nshows.\n\nMore."""')
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "main.py").write_text("x = 1")
    cells = [{"cell_type": "markdown", "source": ["# The third\n", "\n", "Its text."]}]
    (tmp_path / "three.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "_shared.py").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "notes.txt").write_text("")
    found = discover(tmp_path)
    assert {name: (app.title, app.description) for name, app in found.items()} == {
        "one": ("The first", "What it shows."),
        "two": ("Two", ""),
        "three": ("The third", "Its text."),
    }


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("bad.py", b"x = (", "bad.py, line 1"),
        ("bad.ipynb", b"{", "bad.ipynb"),
        ("latin.py", b"x = '\xe9'", "latin.py"),
        ("my app.py", b"", "cannot be part of a URL"),
    ],
)
def test_an_application_that_cannot_be_parsed_is_listed_with_its_error(tmp_path, name, content, error):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.py").write_text("")
    broken, good = sorted(discover(tmp_path).values(), key=lambda app: app.name == "good")
    assert error in broken.error
    assert not good.error


def test_a_notebook_without_nbconvert_is_listed_with_the_command_that_installs_it(tmp_path, monkeypatch):
    cells = [{"cell_type": "markdown", "source": ["# The title"]}]
    (tmp_path / "one.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "main.ipynb").write_text(json.dumps({"cells": []}))
    (tmp_path / "three.py").write_text("")
    assert not any(app.error for app in discover(tmp_path).values())
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
    found = discover(tmp_path)
    assert found["one"].title == "The title"
    assert found["one"].error == "one.ipynb needs nbconvert: pip install 'quart-bokeh[notebook]'"
    assert found["two"].error == "main.ipynb needs nbconvert: pip install 'quart-bokeh[notebook]'"
    assert not found["three"].error


def test_a_missing_folder_a_doubled_name_and_a_name_of_ours_stop_the_start(tmp_path):
    with pytest.raises(SettingsError, match="no folder"):
        discover(tmp_path / "nowhere")
    (tmp_path / "one.py").write_text("")
    (tmp_path / "one.ipynb").write_text("{}")
    with pytest.raises(SettingsError, match="both /one"):
        discover(tmp_path)
    (tmp_path / "one.py").unlink()
    (tmp_path / "healthz.py").write_text("")
    with pytest.raises(SettingsError, match="healthz"):
        discover(tmp_path)

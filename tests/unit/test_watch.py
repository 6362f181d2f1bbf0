from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from shutil import rmtree

import pytest

from quart_app.fleet import watch
from quart_app.fleet.watch import watch_folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(watch, "RETRY_DELAY", 0.01)
    folder = tmp_path / "apps"
    (folder / "penguins" / "__pycache__").mkdir(parents=True)
    (folder / ".git").mkdir()
    return folder


def expect(folder: Path, *steps: tuple[Callable[[], object], list[str]]) -> set[str]:
    """Watch the folder, repeat each step's act until its names are reported, and return all that were."""
    found: set[str] = set()

    async def test() -> None:
        async with aclosing(watch_folder(folder)) as changes, asyncio.timeout(20):
            for act, expected in steps:
                names: list[str] = []
                while names != expected:
                    reported = asyncio.ensure_future(anext(changes))
                    while not reported.done():
                        act()
                        await asyncio.wait([reported], timeout=0.2)
                    names = reported.result()
                    found.update(names)

    asyncio.run(test())
    return found


def test_changed_files_are_reported_by_their_relative_paths_without_hidden_ones_and_caches(folder):
    def edit() -> None:
        for name in (".git/index.py", ".notes.py", "penguins/__pycache__/main.py", "penguins/main.py"):
            (folder / name).write_text("x")

    assert expect(folder, (edit, ["penguins/main.py"])) == {"penguins/main.py"}


def test_what_people_write_is_reported_and_what_an_application_writes_is_not(folder):
    written = (
        "visits.log",
        "cache.sqlite",
        "cache.sqlite-journal",
        "downloaded.csv",
        "lock",
        "session.pickle",
    )
    edited = ["main.py", "static/logo.png", "templates/page.jinja", "theme.yaml"]
    for name in ("static", "templates", "cache"):
        (folder / "penguins" / name).mkdir()

    def edit() -> None:
        for name in (*written, "cache/visits.log", *edited):
            (folder / "penguins" / name).write_text("x")

    names = [f"penguins/{name}" for name in edited]
    assert expect(folder, (edit, names)) == set(names)


def test_a_folder_that_is_moved_in_or_out_is_reported(folder, tmp_path):
    outside, inside = tmp_path / "waves", folder / "waves"
    outside.mkdir()

    def move() -> None:
        if outside.exists():
            outside.rename(inside)
        else:
            inside.rename(outside)

    expect(folder, (move, ["waves"]))


def test_a_folder_that_is_replaced_is_watched_again(folder):
    def delete() -> None:
        rmtree(folder, ignore_errors=True)

    def make() -> None:
        folder.mkdir(exist_ok=True)

    def edit() -> None:
        (folder / "a.py").write_text("x")

    rmtree(folder / "penguins")
    expect(folder, (edit, ["a.py"]), (delete, ["a.py"]), (make, ["apps"]), (edit, ["a.py"]))


def test_a_watch_that_fails_is_logged_and_tried_again(folder, monkeypatch, caplog):
    import watchfiles

    awatch, errors = watchfiles.awatch, [OSError("OS file watch limit reached")]

    def fail_once(*arguments: object, **options: object) -> object:
        if errors:
            raise errors.pop()
        return awatch(*arguments, **options)

    monkeypatch.setattr(watchfiles, "awatch", fail_once)
    expect(folder, (lambda: (folder / "a.py").write_text("x"), ["a.py"]))
    assert "OS file watch limit reached" in caplog.text

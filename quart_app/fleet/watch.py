"""Watch the folder of applications for changed files, with watchfiles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from quart_app.settings import SettingsError

if TYPE_CHECKING:
    from watchfiles import Change

log = logging.getLogger(__name__)

SOURCES = frozenset({".css", ".html", ".ipynb", ".js", ".json", ".py", ".toml", ".yaml", ".yml"})
"""Suffixes of the files that people write. An application may write others into its own folder, such as logs,
databases and CSV, and it would be restarted by each of its sessions."""
SOURCE_FOLDERS = frozenset({"static", "templates"})
"""Folders in which every file counts."""
RETRY_DELAY = 2.0
"""Seconds until a folder that is missing, or cannot be watched, is tried again."""


def require_watchfiles() -> None:
    """Raise SettingsError if watchfiles is not installed."""
    if find_spec("watchfiles") is None:
        raise SettingsError("BOKEH_DEV needs watchfiles: pip install 'quart-bokeh[dev]'")


async def watch_folder(folder: Path) -> AsyncGenerator[list[str], None]:
    """Yield the paths of changed files, relative to the folder, whenever there are some. Never ends.

    Only SOURCES, files below SOURCE_FOLDERS, and folders of applications that come or go are reported, but
    nothing hidden and no ``__pycache__``. Changes between two iterations are kept for the next one.
    When the folder itself has been replaced its name is yielded.
    """
    from watchfiles import Change, awatch

    root = await asyncio.to_thread(folder.resolve)  # paths in events are resolved on some systems
    is_replaced = False
    while True:
        if not await asyncio.to_thread(root.is_dir):
            is_replaced = True
            await asyncio.sleep(RETRY_DELAY)
            continue
        if is_replaced:
            is_replaced = False
            yield [root.name]
        try:
            async with aclosing(awatch(root, watch_filter=None)) as batches:
                async for changes in batches:
                    relative = {(change, Path(path).relative_to(root)) for change, path in changes}
                    if paths := {path for change, path in relative if _is_reported(change, path)}:
                        yield sorted(map(str, paths))
                    # The watch belongs to the deleted folder, not to the next one of its name.
                    if is_replaced := (Change.deleted, str(root)) in changes:
                        break
        except Exception as error:
            log.error("Cannot watch %s: %r; trying again in %g s", root, error, RETRY_DELAY)
            await asyncio.sleep(RETRY_DELAY)


def _is_reported(change: Change, path: Path) -> bool:
    """Whether the Bokeh servers are restarted for a change. ``path``: relative to the folder."""
    if any(part.startswith(".") or part == "__pycache__" for part in path.parts):
        return False
    if path.suffix in SOURCES or not SOURCE_FOLDERS.isdisjoint(path.parts):
        return True
    # A folder that is moved is one event, without its files.
    return len(path.parts) == 1 and not path.suffix and change.name != "modified"

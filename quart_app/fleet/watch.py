"""Watch the folder of applications for changed files, with watchfiles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path

from quart_app.settings import SettingsError

log = logging.getLogger(__name__)

RETRY_DELAY = 2.0
"""Seconds until a folder that is missing, or cannot be watched, is tried again."""


def require_watchfiles() -> None:
    """Raise SettingsError if watchfiles is not installed."""
    if find_spec("watchfiles") is None:
        raise SettingsError("BOKEH_DEV needs watchfiles: pip install 'quart-bokeh[dev]'")


async def watch_folder(folder: Path) -> AsyncGenerator[list[str], None]:
    """Yield the paths of changed files, relative to the folder, whenever there are some. Never ends.

    Hidden files and ``__pycache__`` are left out. Changes between two iterations are kept for the next one.
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
                    paths = sorted(Path(path).relative_to(root) for _, path in changes)
                    if names := [str(path) for path in paths if path.parts and not _is_ignored(path)]:
                        yield names
                    # The watch belongs to the deleted folder, not to the next one of its name.
                    if is_replaced := (Change.deleted, str(root)) in changes:
                        break
        except Exception as error:
            log.error("Cannot watch %s: %r; trying again in %g s", root, error, RETRY_DELAY)
            await asyncio.sleep(RETRY_DELAY)


def _is_ignored(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)

"""The folder of applications, watched while they are being written."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

LOOK = 0.5
"""Seconds between two looks."""


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return every file below the folder with its time and size; caches and hidden files are left out."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        for name in files:
            if not name.startswith("."):
                path = os.path.join(place, name)
                try:
                    status = os.stat(path)
                except OSError:  # it has just gone
                    continue
                found[path] = status.st_mtime_ns, status.st_size
    return found


async def wait_for_change(folder: Path) -> None:
    """Return when a file below the folder has changed, and no more has since the last look."""
    before = now = await asyncio.to_thread(snapshot, folder)
    while True:
        await asyncio.sleep(LOOK)
        last, now = now, await asyncio.to_thread(snapshot, folder)
        if last == now != before:
            return

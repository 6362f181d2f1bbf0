"""``python -m benchmarks.memory``: resident memory of the web process beside an empty Quart application.

Both run under Hypercorn at the same time. Their web processes are measured after one page; the Bokeh server
is not included.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks import commands
from benchmarks.bench import HERE
from benchmarks.client import http_client
from benchmarks.commands import Commands, RunConfig
from benchmarks.contestants import BY_NAME, earlier_commit
from benchmarks.processes import ProcessGroup, free_port


async def web_process_memory(site: Commands, page: str, folder: Path) -> float:
    """Start a site, open a page, and return the resident memory of Hypercorn's worker in MB."""
    config = RunConfig(folder, HERE.parent / "bokeh_apps", web_port=free_port(), bokeh_port=free_port())
    processes = ProcessGroup(site(config), folder)
    processes.start()
    try:
        async with http_client() as http:
            await processes.wait_until_ready(http, f"http://{config.origin}{page}")
        await asyncio.sleep(1)  # until the connection is closed
        return max(
            process.memory_info().rss / 1e6
            for process in processes.processes()
            if any("spawn_main" in argument for argument in process.cmdline())
        )
    finally:
        await processes.stop()


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="measure an earlier commit too")
    before = parser.parse_args().before
    sites = {"quart-relay": BY_NAME["quart-relay"].commands}
    if before:
        sites["before"] = earlier_commit(before).commands
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as work:
        empty, *figures = await asyncio.gather(
            web_process_memory(commands.empty_quart, "/", Path(work) / "empty"),
            *(web_process_memory(site, "/sliders", Path(work) / name) for name, site in sites.items()),
        )
    print(f"empty Quart application: {empty:.1f} MB")
    for name, memory in zip(sites, figures, strict=True):
        print(f"{name}: {memory:.1f} MB, {memory / empty:.2f} x")


if __name__ == "__main__":
    asyncio.run(main())

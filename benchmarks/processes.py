"""Start the programs of a contestant, wait until they are ready, read their resource usage, and stop them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil

START_TIMEOUT = 60.0
"""Seconds until a contestant must be ready."""
STOP_TIMEOUT = 15.0
"""Seconds between SIGTERM and SIGKILL."""


class StartError(Exception):
    """A contestant did not start. The message gives the reason in one line."""


@dataclass(frozen=True)
class Program:
    """A command to start, with its working directory and additional environment variables."""

    command: Sequence[str]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class ResourceUsage:
    """Sums over all processes of a contestant."""

    descriptors: int
    threads: int
    memory: float
    """Proportional set size (PSS) in MB: resident memory in which shared pages count once."""


class ProcessGroup:
    """The running programs of one contestant."""

    def __init__(self, programs: Sequence[Program], folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start all programs. Their output goes to ``output-<n>.log`` in the folder."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("QUART_", "BOKEH_"))}
        self._folder.mkdir(parents=True, exist_ok=True)
        for number, program in enumerate(self._programs):
            with (self._folder / f"output-{number}.log").open("wb") as output:
                self._processes.append(
                    subprocess.Popen(
                        program.command,
                        cwd=program.cwd,
                        env={**inherited, **program.environment},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )

    async def wait_until_ready(self, http: aiohttp.ClientSession, url: str) -> None:
        """Wait until the URL responds with status 200. Raises StartError."""
        deadline = time.perf_counter() + START_TIMEOUT
        while True:
            for number, process in enumerate(self._processes):
                if process.poll() is not None:
                    raise StartError(f"exited with status {process.returncode}: {self._last_line(number)}")
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(url, timeout=aiohttp.ClientTimeout(10)) as response:
                    await response.read()
                    if response.status == 200:
                        return
            if time.perf_counter() > deadline:
                raise StartError(f"{url} not ready within {START_TIMEOUT:g} s: {self._last_line(-1)}")
            await asyncio.sleep(0.02)

    def _last_line(self, number: int) -> str:
        number = range(len(self._processes))[number]
        text = (self._folder / f"output-{number}.log").read_text(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "no output"

    def processes(self) -> list[psutil.Process]:
        """Return the started processes and all their descendants."""
        found: list[psutil.Process] = []
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = psutil.Process(process.pid)
                found += [parent, *parent.children(recursive=True)]
        return found

    def usage(self) -> ResourceUsage:
        total = ResourceUsage(0, 0, 0.0)
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total.descriptors += process.num_fds()
                total.threads += process.num_threads()
                total.memory += process.memory_full_info().pss / 1e6
        return total

    async def stop(self) -> tuple[float, int]:
        """Stop all programs, the web server first. Return the seconds, and the number of killed processes."""
        begin = time.perf_counter()
        processes = self.processes()
        killed = 0
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            deadline = time.perf_counter() + STOP_TIMEOUT
            while process.poll() is None and time.perf_counter() < deadline:
                await asyncio.sleep(0.01)
            if process.poll() is None:
                process.kill()
                process.wait()
                killed += 1
        # Children that outlive their parent count as killed too.
        _, orphans = await asyncio.to_thread(psutil.wait_procs, processes, 3)
        for orphan in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()
                killed += 1
        self._processes.clear()
        return time.perf_counter() - begin, killed

"""Programs of the contestants: started, watched until they answer, measured, and ended by their ids."""

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

START = 60.0
"""Seconds that a contestant has until it answers."""
STOP = 15.0
"""Seconds between TERM and KILL."""


class NotStarted(Exception):
    """A contestant is not there; the message says why, in one line."""


@dataclass(frozen=True)
class Program:
    """One process of a contestant."""

    command: Sequence[str]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Use:
    """What a contestant's processes hold together."""

    descriptors: int
    threads: int
    memory: float
    """Resident, in MB; pages that processes share are counted once."""


class Group:
    """The running programs of one contestant."""

    def __init__(self, programs: Sequence[Program], folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("QUART_", "BOKEH_"))}
        self._folder.mkdir(parents=True, exist_ok=True)
        for number, program in enumerate(self._programs):
            with (self._folder / f"output-{number}.log").open("wb") as output:
                self._processes.append(
                    subprocess.Popen(
                        program.command,
                        cwd=program.cwd,
                        env={**clean, **program.environment},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )

    async def wait_until_ready(self, http: aiohttp.ClientSession, urls: Sequence[str]) -> float:
        """Return the time at which every URL answers with 200. Raises NotStarted."""
        end = time.perf_counter() + START
        for url in urls:
            while True:
                for number, process in enumerate(self._processes):
                    if process.poll() is not None:
                        raise NotStarted(f"it ended with {process.returncode}: {self._last_line(number)}")
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with http.get(url, timeout=aiohttp.ClientTimeout(10)) as answer:
                        await answer.read()
                        if answer.status == 200:
                            break
                if time.perf_counter() > end:
                    raise NotStarted(f"{url} did not answer within {START:g} s: {self._last_line(-1)}")
                await asyncio.sleep(0.02)
        return time.perf_counter()

    def _last_line(self, number: int) -> str:
        number = range(len(self._processes))[number]
        text = (self._folder / f"output-{number}.log").read_text(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def family(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = psutil.Process(process.pid)
                found += [parent, *parent.children(recursive=True)]
        return found

    def use(self) -> Use:
        total = Use(0, 0, 0.0)
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total.descriptors += process.num_fds()
                total.threads += process.num_threads()
                total.memory += process.memory_full_info().pss / 1e6
        return total

    async def stop(self) -> tuple[float, int]:
        """End all programs, the web server first; return the seconds, and how many had to be killed."""
        begin = time.perf_counter()
        family = self.family()
        killed = 0
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            end = time.perf_counter() + STOP
            while process.poll() is None and time.perf_counter() < end:
                await asyncio.sleep(0.01)
            if process.poll() is None:
                process.kill()
                process.wait()
                killed += 1
        # Children that outlive the program that started them count as well.
        alive = await asyncio.to_thread(psutil.wait_procs, family, 3)
        for orphan in alive[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()
                killed += 1
        self._processes.clear()
        return time.perf_counter() - begin, killed

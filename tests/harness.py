"""Real processes for tests: programs, sites under Hypercorn, a pool of those that tests share."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import httpx
import psutil
from itsdangerous import URLSafeSerializer

T = TypeVar("T")
P = TypeVar("P", bound="Process")
ROOT = Path(__file__).parent.parent
SLIDERS = str(ROOT / "tests" / "sites" / "sliders_apps")
"""A folder with the example of the sliders alone. With all examples a server takes twice as long to start."""
BIN = Path(sys.executable).parent
RUN = "TEST_RUN_ID"
"""The environment variable by which the processes of a test run are recognized."""
DEADLINE = 60
"""Seconds after which a condition is taken for never true: long, for the machine may be busy."""


def wait_until(condition: Callable[[], T], what: str, seconds: float = DEADLINE) -> T:
    """Return the first true value of the condition; fail with ``what`` after the deadline."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"within {seconds} s it was not true that {what}")


def still_running(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that have not ended. A zombie has: it only waits for its parent."""

    def runs(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return [process for process in processes if runs(process)]


def wait_until_ended(processes: Sequence[psutil.Process], seconds: float = DEADLINE) -> None:
    """Return when all processes have ended; fail after the deadline."""
    wait_until(lambda: not still_running(processes), "all processes have ended", seconds)


def processes_of_run(run: str) -> list[str]:
    """Return the command lines of running processes that have inherited ``RUN`` with this value."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN) == run and still_running([process]):
                found.append(f"{process.pid}: {' '.join(process.cmdline())}")
        except psutil.Error:  # it has ended, or belongs to another user
            continue
    return found


class Process:
    """A program that serves HTTP, with its output in a file.

    It is ready when its output matches ``ready``, whose first group is the port. Use it as a context
    manager: that fails when a process does not end at SIGTERM.
    """

    host = "127.0.0.1"
    port: str
    url: str
    known: ClassVar[list[Process]] = []
    """The processes of the current test, and those that tests share, for the report of a failure."""

    def __init__(self, command: Sequence[str], ready: str, cwd: Path, env: Mapping[str, str]) -> None:
        self._file = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115
        self._command = " ".join(command)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("QUART_", "BOKEH_"))}
        self.popen = subprocess.Popen(
            command, cwd=cwd, env={**clean, **env}, stdout=self._file, stderr=subprocess.STDOUT
        )
        self._ready = re.compile(ready)
        self._final_output: str | None = None
        self.known.append(self)

    def __enter__(self) -> Self:
        self.wait_until_ready()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        killed = self.close()
        assert kind is not None or not killed, f"these did not end at SIGTERM: {killed}\n{self.output()}"

    def __repr__(self) -> str:
        status = self.popen.poll()
        state = "running" if status is None else f"ended with {status}"
        return f"<{type(self).__name__} {self._command!r}, process {self.popen.pid}, {state}>"

    @property
    def is_closed(self) -> bool:
        return self._final_output is not None

    def output(self) -> str:
        """Return what has been printed so far."""
        if self._final_output is not None:
            return self._final_output
        return Path(self._file.name).read_text(errors="replace")

    def check_running(self) -> None:
        """Fail with the output if the process has ended."""
        assert self.popen.poll() is None, f"it ended with {self.popen.returncode}:\n{self.output()}"

    def wait_until_ready(self) -> None:
        """Return when the program is ready. Fails with its output when it ends, or at the deadline."""

        def ready() -> re.Match[str] | None:
            self.check_running()
            return self._ready.search(self.output())

        try:
            match = wait_until(ready, f"{self._ready.pattern!r} is printed")
        except AssertionError:
            self.close()
            raise
        self.port = match[1]
        self.url = f"http://{self.host}:{self.port}"

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a request on a connection of its own."""
        return httpx.get(self.url + path, timeout=DEADLINE, **options)

    def family(self) -> list[psutil.Process]:
        """Return the process and all that it has started."""
        try:
            process = psutil.Process(self.popen.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def close(self, seconds: float = 20) -> list[psutil.Process]:
        """End the process and all that it has started with SIGTERM. Return those that had to be killed."""
        family = self.family()
        if self.popen.poll() is None:
            self.popen.terminate()
        with suppress(AssertionError):
            wait_until_ended(family, seconds)
        for process in (killed := still_running(family)):
            process.kill()
        self.popen.wait()
        if not self.is_closed:
            self._final_output = self.output()
            self._file.close()
        return killed


class Site(Process):
    """``hypercorn quart_app:app`` on a free port.

    arguments: further ones for Hypercorn.
    settings: the site's, without the prefix ``QUART_``.
    """

    def __init__(
        self,
        *arguments: str,
        cwd: Path = ROOT,
        app: str = "quart_app:app",
        port: str = "0",
        **settings: str,
    ) -> None:
        env = {f"QUART_{key}": value for key, value in settings.items()}
        command = [str(BIN / "hypercorn"), app, "-b", f"127.0.0.1:{port}", *arguments]
        super().__init__(command, r"Running on http://127\.0\.0\.1:(\d+)", cwd, env)

    def servers(self) -> list[psutil.Process]:
        """Return the Bokeh servers that the site runs."""

        def is_server(process: psutil.Process) -> bool:
            try:
                return "quart_app.engine.serve" in process.cmdline()
            except psutil.NoSuchProcess:
                return False

        return [process for process in self.family() if is_server(process)]

    def worker(self) -> psutil.Process:
        """Return the web process."""
        [server] = self.servers()
        return server.parent()


class Pool:
    """Running processes that tests share: one for each way to start it.

    For tests that leave the process as it was. Get it anew in every test: the least recently used one is
    closed when more than ``limit`` are open.
    """

    def __init__(self, limit: int = 6) -> None:
        self._limit = limit
        self._open: dict[object, Process] = {}

    def get(self, start: Callable[..., P], *arguments: Any, **settings: Any) -> P:
        """Return the process that ``start(*arguments, **settings)`` describes, started if it is not there."""
        key = (start, arguments, tuple(sorted(settings.items())))
        process = self._open.pop(key, None)
        if process is None:
            while len(self._open) >= self._limit:
                self._close(next(iter(self._open)))
            process = start(*arguments, **settings).__enter__()
        self._open[key] = process  # the last one is the most recently used
        return process  # type: ignore[return-value]

    def check(self) -> None:
        """Fail with the output of a process that has ended, and forget it."""
        for key, process in list(self._open.items()):
            if process.popen.poll() is not None:
                del self._open[key]
                process.close()
                process.check_running()

    def close(self) -> None:
        while self._open:
            self._close(next(iter(self._open)))

    def _close(self, key: object) -> None:
        self._open.pop(key).__exit__(None)


def parts_site(**settings: str) -> Site:
    """Return a site of somebody else: an application whole, in parts, and twice in a page."""
    return Site(cwd=ROOT / "tests" / "sites", app="parts:app", **settings)


def customized_site(**settings: str) -> Site:
    """Return a site of somebody else, whose routes change the sliders."""
    return Site(cwd=ROOT / "tests" / "sites", app="customized:app", BOKEH_APPS=SLIDERS, **settings)


def data_block(page: str) -> dict[str, Any]:
    """Return the data block of the first plot in a page's HTML."""
    found = re.search(r'<script type="application/json">(.*?)</script>', page)
    assert found, "there is no data block"
    return json.loads(found[1])


def ticket(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a data block's ticket says."""
    content: dict[str, Any] = URLSafeSerializer("not the key").loads_unsafe(block["ticket"])[1]
    return content

"""Real processes for tests: a site under Hypercorn, a stock Bokeh server, and waiting for conditions."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
from itsdangerous import URLSafeSerializer

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


def wait_until(condition: Callable[[], T], what: str, seconds: float = 20) -> T:
    """Return the first true value of the condition; fail with ``what`` when time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"within {seconds} s it was not true that {what}")


class Process:
    """A program with its output in a file, ready when a line matches, ended by its id."""

    def __init__(self, command: Sequence[str], ready: str, cwd: Path, env: Mapping[str, str]) -> None:
        self._output = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("QUART_", "BOKEH_"))}
        self.popen = subprocess.Popen(
            command, cwd=cwd, env={**clean, **env}, stdout=self._output, stderr=subprocess.STDOUT
        )
        self._ready = re.compile(ready)

    def output(self) -> str:
        return Path(self._output.name).read_text(errors="replace")

    def wait_until_ready(self) -> re.Match[str]:
        def ready() -> re.Match[str] | None:
            if self.popen.poll() is not None:
                raise AssertionError(f"it ended with {self.popen.returncode}:\n{self.output()}")
            return self._ready.search(self.output())

        try:
            return wait_until(ready, f"{self._ready.pattern!r} is printed", 60)
        except AssertionError:
            self.close()
            raise

    def family(self) -> list[psutil.Process]:
        """Return the process and all that it has started."""
        try:
            process = psutil.Process(self.popen.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def close(self) -> None:
        family = self.family()
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        for process in psutil.wait_procs(family, timeout=5)[1]:
            process.kill()
        self.popen.wait()
        self._output.close()


class Site(Process):
    """``hypercorn quart_app:app`` with a port of its own.

    arguments: more of them for Hypercorn.
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

    def __enter__(self) -> Site:
        self.port = self.wait_until_ready()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, **options: object) -> httpx.Response:
        return httpx.get(self.url + path, timeout=30, **options)  # type: ignore[arg-type]

    def servers(self) -> list[psutil.Process]:
        """Return the Bokeh servers that the site runs."""

        def is_server(process: psutil.Process) -> bool:
            try:
                return "quart_app.engine.serve" in process.cmdline()
            except psutil.NoSuchProcess:
                return False

        return [process for process in self.family() if is_server(process)]

    def worker(self) -> psutil.Process:
        """Return the process in which the pages are made."""
        [server] = self.servers()
        return server.parent()


def customized_site(**settings: str) -> Site:
    """Return a site that is not ours, with the extension and the example applications."""
    return Site(
        cwd=ROOT / "tests" / "sites", app="customized:app", BOKEH_APPS=str(ROOT / "bokeh_apps"), **settings
    )


def data_block(page: str) -> dict[str, Any]:
    """Return what the first plot in a page's HTML tells our loader."""
    found = re.search(r'<script type="application/json">(.*?)</script>', page)
    assert found, "there is no data block"
    return json.loads(found[1])


def ticket(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a data block's ticket says."""
    content: dict[str, Any] = URLSafeSerializer("not the key").loads_unsafe(block["ticket"])[1]
    return content

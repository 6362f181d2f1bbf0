"""Start a Bokeh server process of the site, restart it when it exits, and stop it with the site."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import re
import secrets
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from quart_app.fleet.server import Server, State

log = logging.getLogger(__name__)

START_TIMEOUT = 50.0
"""Seconds until a start without a report has failed; below Hypercorn's 60 for the start of the site."""
STOP_TIMEOUT = 2.0
"""Seconds between SIGTERM and SIGKILL."""
STABLE_AFTER = 60.0
"""Seconds of running after which the next back-off is short again."""
LOG_RECORD = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)", re.DOTALL)


class StartFailed(RuntimeError):
    """A Bokeh server process did not become ready; the message has its last lines of output."""


def backoff(failures: int) -> float:
    """Return the seconds to wait before the next start: 0.25, 0.5, 1 … 30, each less a random fifth."""
    return float(min(30.0, 0.25 * 2 ** min(failures, 10))) * random.uniform(0.8, 1.0)  # noqa: S311


class Supervisor:
    """Keeps one ``python -m quart_app.engine.serve`` running for a Server, and records its address there.

    The process has one end of a socket pair as its standard input, where it reports its port when it is
    ready. It exits when the other end closes, so it never outlives the site.

    arguments: returns the command line of the next process.
    environment: variables added to those of this process.
    """

    def __init__(
        self, server: Server, arguments: Callable[[], Sequence[str]], environment: Mapping[str, str]
    ) -> None:
        self.server = server
        self._arguments = arguments
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        self._restart_wanted = asyncio.Event()
        """Set when the next process is to start without a back-off."""
        self._process: asyncio.subprocess.Process | None = None
        self._parent_socket: asyncio.StreamWriter | None = None
        self._last_lines: deque[str] = deque(maxlen=20)
        self._forwarding: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process and return when it is ready. Raises StartFailed."""
        await self._launch()
        self._keeping = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """End the process, with SIGKILL if SIGTERM is not enough, and return when it has exited."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        await self._end()
        self.server.set_state(State.STOPPED)

    async def restart(self) -> None:
        """End the process; the next one starts at once, with the arguments of that moment."""
        self._restart_wanted.set()
        await self._end()

    async def _launch(self) -> None:
        self.server.set_state(State.STARTING)
        self._last_lines.clear()
        is_uvloop = (
            type(asyncio.get_running_loop()).__module__ == "uvloop"
        )  # the server process uses uvloop if this process does
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "quart_app.engine.serve", "--supervised"),
                *("--log-format", "%(levelname)s %(message)s", *self._arguments()),
                *(["--uvloop"] if is_uvloop else []),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,  # Ctrl-C ends the site, which then stops its servers
            )
        assert process.stdout is not None  # noqa: S101
        self._forwarding = asyncio.create_task(self._forward_output(process.stdout))
        reader, self._parent_socket = await asyncio.open_connection(sock=ours, limit=2**24)
        report = await self._read_report(reader, process)
        self.server.load_errors = report["broken"]
        self.server.url = f"http://127.0.0.1:{report['port']}"
        self.server.generation = secrets.token_hex(4)
        self.server.set_state(State.RUNNING, f"process {process.pid}, {self.server.url}")

    async def _read_report(
        self, reader: asyncio.StreamReader, process: asyncio.subprocess.Process
    ) -> dict[str, Any]:
        """Wait until the process reports that it is ready. Raises StartFailed."""
        try:
            async with asyncio.timeout(START_TIMEOUT):
                line = await reader.readline()
                if line.endswith(b"\n"):
                    return dict(json.loads(line))
                # The pipe closes before asyncio knows the exit status; a signal in between would lose it.
                await process.wait()
            reason = f"exit status {process.returncode}"
        except TimeoutError:
            reason = f"no report within {START_TIMEOUT:g} s"
        await self._end()
        output = "\n".join(self._last_lines) or "it printed nothing"
        raise StartFailed(f"the Bokeh server did not start ({reason}):\n{output}")

    async def _keep_running(self) -> None:
        """Start the next process whenever one exits, with a back-off, until this task is cancelled."""
        failures = 0
        while True:
            assert self._process is not None  # noqa: S101
            started = monotonic()
            status = await self._process.wait()
            self.server.load_errors = {}
            self.server.set_state(State.BACKOFF, f"exit status {status}")
            await self._end()
            failures = 0 if monotonic() - started > STABLE_AFTER else failures + 1
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff(failures)):
                    await self._restart_wanted.wait()
                    failures = 0
            self._restart_wanted.clear()
            try:
                await self._launch()
            except (StartFailed, OSError) as error:
                if not self._restart_wanted.is_set():  # else restart() has ended this start
                    log.error("Bokeh server %s: %s", self.server.name, error)
            except Exception:
                log.exception("Bokeh server %s did not start", self.server.name)
                await self._end()

    async def _end(self) -> None:
        # As they are now: the next process may start while this one's end is awaited.
        process, pipe, forwarding = self._process, self._parent_socket, self._forwarding
        if process is not None:
            if process.returncode is None:
                process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if pipe is not None:
            pipe.close()
        if forwarding is not None:
            # A child of the process may hold the pipe open after the process has exited.
            await asyncio.wait([forwarding], timeout=0.5)
            forwarding.cancel()

    async def _forward_output(self, output: asyncio.StreamReader) -> None:
        """Log the process's output line by line; lines without a level have that of the record before."""
        level = logging.INFO
        partial = b""
        while chunk := await output.read(2**16):
            *lines, partial = (partial + chunk).split(b"\n")
            if len(partial) > 2**16:  # an endless line
                lines, partial = [*lines, partial], b""
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                self._last_lines.append(text)
                if record := LOG_RECORD.fullmatch(text):
                    level, text = logging.getLevelNamesMapping()[record[1]], record[2]
                log.log(level, "%s: %s", self.server.name, text)

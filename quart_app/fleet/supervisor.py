"""A Bokeh server process of ours: started, watched, started again when it dies, stopped with the site."""

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

from quart_app.fleet.server import Server, State

log = logging.getLogger(__name__)

START_TIMEOUT = 50.0
"""Seconds until a server that reports nothing is given up; below Hypercorn's 60 for the whole start."""
STOP_TIMEOUT = 2.0
"""Seconds between TERM and KILL."""
STEADY = 60.0
"""Seconds after which a run counts as good, and the next back-off is short again."""
LINE = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)", re.DOTALL)


class StartFailed(RuntimeError):
    """A Bokeh server of ours did not start; the message has its last lines."""


def backoff(failures: int) -> float:
    """Return the seconds to wait before the next start: 0.25, 0.5, 1 … 30, each less a random fifth."""
    return float(min(30.0, 0.25 * 2 ** min(failures, 10))) * random.uniform(0.8, 1.0)  # noqa: S311


class Supervisor:
    """Keeps one ``python -m quart_app.engine.serve`` running for a Server and tells it the address.

    The process holds one end of a socket pair as its standard input. It reports its port there when it
    is ready, and it ends when our end closes: with the site, however the site ends.
    """

    def __init__(
        self,
        server: Server,
        arguments: Callable[[], Sequence[str]],
        environment: Mapping[str, str],
        on_broken: Callable[[Mapping[str, str]], object],
    ) -> None:
        self.server = server
        self._arguments = arguments
        self._on_broken = on_broken
        self._is_wanted = asyncio.Event()
        """Set when the next process is wanted at once."""
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        self._process: asyncio.subprocess.Process | None = None
        self._lifeline: asyncio.StreamWriter | None = None
        self._last_lines: deque[str] = deque(maxlen=20)
        self._passing_on: asyncio.Task[None] | None = None
        self._minding: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the server and return when it is ready. Raises StartFailed."""
        await self._launch()
        self._minding = asyncio.create_task(self._mind())

    async def stop(self) -> None:
        """End the process, with KILL if TERM is not enough, and return when it is gone."""
        if self._minding is not None:
            self._minding.cancel()
            await asyncio.wait([self._minding])
        await self._end()
        self.server.change(State.STOPPED)

    async def restart(self) -> None:
        """End the process; the next one, with the arguments as they are now, is started at once."""
        self._is_wanted.set()
        await self._end()

    async def _launch(self) -> None:
        self.server.change(State.STARTING)
        self._last_lines.clear()
        is_uvloop = type(asyncio.get_running_loop()).__module__ == "uvloop"  # which the site has chosen
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
                start_new_session=True,  # Ctrl-C is for the site, which then stops its servers in good order
            )
        assert process.stdout is not None  # noqa: S101
        self._passing_on = asyncio.create_task(self._pass_on(process.stdout))
        reader, self._lifeline = await asyncio.open_connection(sock=ours, limit=2**24)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                line = await reader.readline()
        except TimeoutError:
            line = b""
        if not line.endswith(b"\n"):  # nothing, or not all
            await self._end()
            said = "\n".join(self._last_lines) or "it said nothing"
            raise StartFailed(f"the Bokeh server did not start (exit status {process.returncode}):\n{said}")
        report = json.loads(line)
        self._on_broken(report["broken"])
        self.server.url = f"http://127.0.0.1:{report['port']}"
        self.server.generation = secrets.token_hex(4)
        self.server.change(State.RUNNING, f"process {process.pid}")

    async def _mind(self) -> None:
        """Start the server again whenever it ends, for as long as nobody cancels this."""
        failures = 0
        while True:
            assert self._process is not None  # noqa: S101
            started = monotonic()
            status = await self._process.wait()
            self.server.change(State.BACKOFF, f"ended with status {status}")
            await self._end()
            failures = 0 if monotonic() - started > STEADY else failures + 1
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff(failures)):
                    await self._is_wanted.wait()
                    failures = 0
            self._is_wanted.clear()
            try:
                await self._launch()
            except (StartFailed, OSError) as error:
                log.error("Bokeh server %s: %s", self.server.name, error)

    async def _end(self) -> None:
        # Of this moment: a new process may be started while the old one's end is awaited.
        process, lifeline, passing_on = self._process, self._lifeline, self._passing_on
        if process is not None:
            if process.returncode is None:
                process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if lifeline is not None:
            lifeline.close()
        if passing_on is not None:
            # What the process has started itself may keep the pipe open after it.
            await asyncio.wait([passing_on], timeout=0.5)
            passing_on.cancel()

    async def _pass_on(self, output: asyncio.StreamReader) -> None:
        """Log what the server prints, under its name and with its level; a traceback keeps its record's."""
        level = logging.INFO
        rest = b""
        while chunk := await output.read(2**16):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > 2**16:  # a line without end
                lines, rest = [*lines, rest], b""
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                self._last_lines.append(text)
                if record := LINE.fullmatch(text):
                    level, text = logging.getLevelNamesMapping()[record[1]], record[2]
                log.log(level, "%s: %s", self.server.name, text)

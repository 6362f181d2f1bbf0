"""A supervisor alone, with a shell script as its Bokeh server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from quart_app.fleet import supervisor
from quart_app.fleet.server import Server, State
from quart_app.fleet.supervisor import StartFailed, Supervisor

RUNS = """printf '{"port": 1, "broken": {}}\\n' >&0; echo $$ > "$PID_FILE"; exec sleep 100"""


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "pid"


@pytest.fixture
def make(tmp_path: Path, pid_file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Supervisor]:
    """Make a supervisor whose server process is this shell script, with a back-off of a minute."""
    monkeypatch.setattr(supervisor, "backoff", lambda failures: 60.0)

    def make(script: str) -> Supervisor:
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr("sys.executable", str(program))
        server = Server("server-1", state=State.STOPPED)
        return Supervisor(server, list, {"PID_FILE": str(pid_file)})

    return make


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_restart_ends_the_back_off_after_a_crash_but_not_that_after_the_next_one(make, pid_file):
    async def test() -> None:
        supervised = make(RUNS)
        server = supervised.server
        await supervised.start()
        try:
            for _ in range(2):
                await until(lambda: pid_file.exists() and pid_file.read_text().strip() != "")
                pid = int(pid_file.read_text())
                pid_file.unlink()
                os.kill(pid, 9)
                await until(lambda: server.state is State.BACKOFF)
                with pytest.raises(TimeoutError):  # it is not started again
                    async with asyncio.timeout(0.5):
                        await until(lambda: server.state is not State.BACKOFF)
                await supervised.restart()
                await until(lambda: server.is_running)
        finally:
            await supervised.stop()

    asyncio.run(test())


def test_a_server_that_exits_within_its_report_did_not_start(make):
    async def test() -> None:
        with pytest.raises(StartFailed, match=r"did not start \(exit status 3\):\nINFO the reason"):
            await make("""echo "INFO the reason"; printf '{"port": 1, "bro' >&0; exit 3""").start()

    asyncio.run(test())

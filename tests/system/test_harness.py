"""The tests' own tools: what they report of a process, and what they find left."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest
from harness import ROOT, RUN, Pool, Process, processes_of_run, wait_until_ended

SERVES = "import time; print('port 1', flush=True); time.sleep(1000)"
FAILS = "print('the reason'); raise SystemExit(3)"
IGNORES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVES


def program(script: str) -> Process:
    return Process([sys.executable, "-c", script], r"port (\d+)", ROOT, {})


def test_a_program_that_ends_before_it_is_ready_fails_with_its_output():
    with pytest.raises(AssertionError, match="it ended with 3:\nthe reason"):
        program(FAILS).__enter__()


def test_a_program_that_does_not_end_at_sigterm_is_killed_and_fails():
    ignores = program(IGNORES)
    ignores.wait_until_ready()
    [killed] = ignores.close(seconds=0.5)
    assert killed.pid == ignores.popen.pid
    assert ignores.popen.returncode == -9
    assert ignores.output() == "port 1\n"


def test_a_pool_starts_a_program_once_and_closes_the_one_that_was_not_used_for_longest():
    pool = Pool(limit=2)
    try:
        first, second = pool.get(program, SERVES), pool.get(program, SERVES + "#")
        assert pool.get(program, SERVES) is first
        pool.get(program, SERVES + "##")
        assert [first.is_closed, second.is_closed] == [False, True]
    finally:
        pool.close()


def test_a_shared_program_that_ends_by_itself_fails_once_and_is_started_again():
    pool = Pool()
    try:
        first = pool.get(program, SERVES)
        first.popen.kill()
        first.popen.wait()
        with pytest.raises(AssertionError, match="it ended with -9:\nport 1"):
            pool.check()
        pool.check()
        assert pool.get(program, SERVES) is not first
    finally:
        pool.close()


def test_a_process_that_is_left_is_found_also_without_its_parent():
    start = f"subprocess.Popen([sys.executable, '-c', {SERVES!r}], stdout=subprocess.DEVNULL)"
    command = [sys.executable, "-c", f"import subprocess, sys; print({start}.pid)"]
    environment = {**os.environ, RUN: "another"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    left = psutil.Process(int(done.stdout))
    assert [line.partition(":")[0] for line in processes_of_run("another")] == [str(left.pid)]
    left.kill()
    wait_until_ended([left])
    assert processes_of_run("another") == []

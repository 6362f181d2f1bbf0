"""``python -m quart_app.engine.serve``: ``bokeh serve`` with admission, health, drain and patches."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import threading
import time
from functools import partial
from typing import Any, ClassVar

from bokeh.command.subcommand import Argument
from bokeh.command.subcommands.serve import Serve as BokehServe
from bokeh.server.server import Server
from bokeh.settings import settings

from quart_app.engine import bokeh_internals, handlers, tornado_internals
from quart_app.engine.admission import Admission
from quart_app.engine.base_handler import ADMISSION
from quart_app.engine.drain import Drain
from quart_app.engine.garbage import CollectionSchedule
from quart_app.engine.health import HealthHandler, Lag
from quart_app.engine.patches import (
    broken_applications,
    improve,
    require,
    script_failures,
    session_creation,
    session_end_batches,
    session_end_cost,
    sys_exit,
    websocket,
)

FORCED_EXIT_DELAY = 2.0
"""Seconds between the end of the site and a forced exit, for a blocked event loop."""


class Serve(BokehServe):
    """Bokeh's command with four more options. The site passes ``--supervised``."""

    args: ClassVar[Any] = (
        *BokehServe.args,
        (
            "--max-sessions",
            Argument(
                metavar="N",
                type=int,
                default=0,
                help="Refuse new sessions with 503 while there are N (default: 0, no limit)",
            ),
        ),
        (
            "--drain-seconds",
            Argument(
                metavar="SECONDS",
                type=float,
                default=0.3,
                help="Time between SIGTERM and the close of the open websockets, with code 1012 "
                "(default: 0.3)",
            ),
        ),
        (
            "--uvloop",
            Argument(
                action="store_true",
                help="Run on the event loop of uvloop, which must be installed",
            ),
        ),
        (
            "--supervised",
            Argument(
                action="store_true",
                help="For a parent process: report the port on the socket at standard input, exit when that "
                "is closed, and report applications that cannot be loaded instead of exiting",
            ),
        ),
    )

    def invoke(self, args: argparse.Namespace) -> None:
        self._parent = watch_parent() if args.supervised else None
        if args.uvloop:
            use_uvloop()
        self._broken: dict[str, str] = {}
        self._admission = Admission(args.max_sessions)
        self._schedule = CollectionSchedule(lambda: self._admission.session_count)
        self._lag = Lag()
        self._drain_seconds = args.drain_seconds
        require(bokeh_internals.check, tornado_internals.check, script_failures.record_failures)
        improve(
            sys_exit.survive_in_scripts,
            sys_exit.survive_in_callbacks,
            session_creation.free_failed_ids,
            session_end_batches.discard_in_batches,
            partial(session_end_cost.schedule_collections, self._schedule),
            session_end_cost.run_destroyed_callbacks,
            session_end_cost.release_default_values,
            session_end_cost.release_modules,
            websocket.disable_nagle,
            websocket.coalesce_frames,
            websocket.use_valid_close_codes,
        )
        if args.supervised:
            improve(partial(broken_applications.skip_broken_applications, self._broken))
        level = settings.py_log_level(args.log_level)
        logging.getLogger("quart_app").setLevel(logging.INFO if level is None else level)
        restore_signals_in_forks()
        super().invoke(args)

    def customize_kwargs(self, args: argparse.Namespace, server_kwargs: dict[str, Any]) -> dict[str, Any]:
        require(handlers.install)  # all applications are loaded, and the server is not yet created
        health = (r"/healthz", HealthHandler, {"lag": self._lag})
        return {**server_kwargs, ADMISSION: self._admission, "extra_patterns": [health]}

    def customize_server(self, server: Server) -> Server:
        self._admission.contexts = server._tornado.applications.values()
        drain = Drain(self._admission, self._drain_seconds, server.io_loop.stop)
        server._sigterm = drain.start  # type: ignore[method-assign]
        server.io_loop.add_callback(self._schedule.start)
        server.io_loop.add_callback(self._lag.start)
        if self._parent is not None:
            report = json.dumps({"port": server.port, "broken": self._broken}).encode() + b"\n"
            # The loop runs after the applications' on_server_loaded.
            server.io_loop.add_callback(self._parent.sendall, report)
        return server


def restore_signals_in_forks() -> None:
    """Give child processes that an application forks default handling of SIGTERM.

    They share asyncio's wake-up descriptor: a SIGTERM to a child would not end it, but run the server's
    handler, which ends the sessions of everybody. SIGTERM is blocked until a child has the default.
    """

    def in_child() -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    os.register_at_fork(
        before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, {signal.SIGTERM}),
        after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, {signal.SIGTERM}),
        after_in_child=in_child,
    )


def use_uvloop() -> None:
    """Let Tornado create event loops of uvloop. Exits where that is not installed."""
    try:
        import uvloop
    except ImportError:
        raise SystemExit("--uvloop: uvloop is not installed here; pip install uvloop") from None
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def watch_parent() -> socket.socket:
    """Exit when the parent process closes its end of the socket at standard input. Returns the socket."""
    parent = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait() -> None:
        try:
            parent.recv(1)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(FORCED_EXIT_DELAY)
            os._exit(1)

    threading.Thread(target=wait, name="watch-parent", daemon=True).start()
    return parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m quart_app.engine.serve", description=Serve.help)
    command = Serve(parser=parser)
    command.invoke(parser.parse_args())


if __name__ == "__main__":
    main()

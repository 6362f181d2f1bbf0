"""``python -m quart_app.engine.serve``: ``bokeh serve``, with every flag of it, and the corrections."""

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

from quart_app.engine import handlers
from quart_app.engine.admission import Gate
from quart_app.engine.drain import Drain
from quart_app.engine.garbage import Collector
from quart_app.engine.guarded import GATE
from quart_app.engine.health import HealthHandler, Lag
from quart_app.engine.patches import corrections, endings

GRACE = 2.0
"""Seconds between the end of the site and the end of a server that is too busy to notice."""


class Serve(BokehServe):
    """Bokeh's own command. ``--supervised`` is what the site adds when it starts it."""

    args: ClassVar[Any] = (
        *BokehServe.args,
        (
            "--max-sessions",
            Argument(
                metavar="N",
                type=int,
                default=0,
                help="Live sessions above which new ones are refused with 503 (default: 0, no limit)",
            ),
        ),
        (
            "--drain-seconds",
            Argument(
                metavar="SECONDS",
                type=float,
                default=0.3,
                help="How long SIGTERM leaves the open websockets alone before it closes them with 1012 "
                "(default: 0.3)",
            ),
        ),
        (
            "--uvloop",
            Argument(
                action="store_true",
                help="Run on uvloop's event loop, as servers of a site that does",
            ),
        ),
        (
            "--supervised",
            Argument(
                action="store_true",
                help="Report readiness on the socket at standard input and end when it closes; leave out "
                "applications that cannot be loaded and report them",
            ),
        ),
    )

    def invoke(self, args: argparse.Namespace) -> None:
        self._lifeline = hold_lifeline() if args.supervised else None
        if args.uvloop:
            use_uvloop()
        self._broken: dict[str, str] = {}
        self._gate = Gate(args.max_sessions)
        self._collector = Collector(lambda: self._gate.live)
        self._lag = Lag()
        self._grace = args.drain_seconds
        corrections.apply(
            corrections.note_failures,
            corrections.survive_callbacks_that_exit,
            corrections.free_the_id_of_a_failed_session,
            endings.end_sessions_in_batches,
            partial(endings.end_documents_without_collecting, self._collector),
            endings.end_lifecycles_without_collecting,
            endings.let_models_go,
            endings.end_modules_without_searching,
            handlers.install,
        )
        if args.supervised:
            corrections.apply(partial(corrections.leave_out_broken_applications, self._broken))
        level = settings.py_log_level(args.log_level)
        logging.getLogger("quart_app").setLevel(logging.INFO if level is None else level)
        super().invoke(args)

    def customize_kwargs(self, args: argparse.Namespace, server_kwargs: dict[str, Any]) -> dict[str, Any]:
        health = (r"/healthz", HealthHandler, {"lag": self._lag})
        return {**server_kwargs, GATE: self._gate, "extra_patterns": [health]}

    def customize_server(self, server: Server) -> Server:
        self._gate.contexts = server._tornado.applications.values()
        server.io_loop.add_callback(self._collector.start)
        server.io_loop.add_callback(self._lag.start)
        server._sigterm = Drain(self._gate, self._grace, server.io_loop.stop)  # type: ignore[method-assign]
        lifeline = self._lifeline
        if lifeline is not None:
            report = json.dumps({"port": server.port, "broken": self._broken}).encode() + b"\n"
            # Ready when the loop runs: after the applications' on_server_loaded.
            server.io_loop.add_callback(lifeline.sendall, report)
        return server


def use_uvloop() -> None:
    """Have Tornado make its event loops with uvloop. Exits where that is not installed."""
    try:
        import uvloop
    except ImportError:
        raise SystemExit("--uvloop: uvloop is not installed here; pip install uvloop") from None
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def hold_lifeline() -> socket.socket:
    """Take the socket at standard input, and end this process as soon as its other end is closed."""
    lifeline = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait() -> None:
        try:
            lifeline.recv(1)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(GRACE)
            os._exit(1)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
    return lifeline


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m quart_app.engine.serve", description=Serve.help)
    command = Serve(parser=parser)
    command.invoke(parser.parse_args())


if __name__ == "__main__":
    main()

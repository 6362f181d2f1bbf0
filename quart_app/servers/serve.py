"""``python -m quart_app.servers.serve``: ``bokeh serve``, with every flag of it, and the corrections."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import threading
import time
from typing import Any, ClassVar

from bokeh.command.subcommand import Argument
from bokeh.command.subcommands.serve import Serve as BokehServe
from bokeh.server.server import Server

from quart_app.servers import corrections

GRACE = 2.0
"""Seconds between the end of the site and the end of a server that is too busy to notice."""


class Serve(BokehServe):
    """Bokeh's own command. ``--supervised`` is what the site adds when it starts it."""

    args: ClassVar[Any] = (
        *BokehServe.args,
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
        self._broken = corrections.leave_out_broken_applications() if args.supervised else {}
        corrections.survive_sys_exit()
        super().invoke(args)

    def customize_server(self, server: Server) -> Server:
        lifeline = self._lifeline
        if lifeline is not None:
            report = json.dumps({"port": server.port, "broken": self._broken}).encode() + b"\n"
            # Ready when the loop runs: after the applications' on_server_loaded.
            server.io_loop.add_callback(lifeline.sendall, report)
        return server


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
    parser = argparse.ArgumentParser(prog="python -m quart_app.servers.serve", description=Serve.help)
    command = Serve(parser=parser)
    command.invoke(parser.parse_args())


if __name__ == "__main__":
    main()

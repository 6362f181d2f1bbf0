"""The contestants: how each one is started, how a client finds its sessions, and what it requires."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import commands
from benchmarks.commands import Commands, RunConfig
from benchmarks.endpoints import EndpointFinder, find_by_autoload, find_in_data_block, find_in_page
from benchmarks.processes import Program


@dataclass(frozen=True)
class Contestant:
    """One way to show a Bokeh application in a browser."""

    name: str
    title: str
    commands: Commands
    find_endpoint: EndpointFinder
    """Finds the websocket of the session that belongs to a page."""
    requires: tuple[str, ...] = ()
    """Python modules, and programs as ``program:<name>``."""
    cheap_path: str = "/healthz"
    """A path that the process which serves the pages answers without a session."""
    same_server_as: str = ""
    """Name of the contestant with the same Bokeh server; measures of the server take only that one."""
    note: str = ""

    def missing_requirement(self) -> str:
        """Return in one line what is not installed; empty if nothing is missing."""
        for name in self.requires:
            program = name.removeprefix("program:")
            if program != name:
                if shutil.which(program) is None:
                    return f"the program {program!r} is not installed"
            elif not _has_module(name):
                return f"the Python module {name!r} is not installed"
        return ""

    def shell_commands(self) -> str:
        """Return the commands for a shell, one a line, with ``PORT`` and ``BOKEH`` for the ports."""
        config = RunConfig(Path("WORK"), Path("applications"), web_port=1111, bokeh_port=2222)
        lines = []
        for program in self.commands(config):
            words = [f"{key}={value}" for key, value in program.environment.items()]
            words += [Path(program.command[0]).name, *program.command[1:]]
            lines.append(" ".join(shlex.quote(word) for word in words))
        return "\n".join(lines).replace("1111", "PORT").replace("2222", "BOKEH")


def _has_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


THIS_PROJECT = ("quart-relay", "quart-uvloop", "quart-direct", "quart-warm")
"""Contestants of this project that render pages."""
BEFORE = "before"
"""Name of the contestant that ``--before`` adds."""
CONTESTANTS = (
    Contestant(
        "quart-relay",
        "quart-bokeh, relay",
        commands.quart_bokeh(BOKEH_DELIVERY="relay"),
        find_in_data_block,
        ("quart_app",),
    ),
    Contestant(
        "quart-uvloop",
        "quart-bokeh, relay, on uvloop",
        commands.quart_bokeh("-k", "uvloop", BOKEH_DELIVERY="relay"),
        find_in_data_block,
        ("quart_app", "uvloop"),
        same_server_as="quart-relay",
    ),
    Contestant(
        "quart-warm",
        "quart-bokeh, relay, warm sessions",
        commands.quart_bokeh(BOKEH_DELIVERY="relay", BOKEH_WARM="sliders:8"),
        find_in_data_block,
        ("quart_app",),
        same_server_as="quart-relay",
    ),
    Contestant(
        "quart-direct",
        "quart-bokeh, direct",
        commands.quart_bokeh(BOKEH_DELIVERY="direct"),
        find_by_autoload,
        ("quart_app",),
        same_server_as="quart-relay",
    ),
    Contestant(
        "quart-server",
        "quart-bokeh's Bokeh server by itself",
        commands.quart_server,
        find_in_page,
        ("quart_app",),
        cheap_path="/sliders/metadata",
        note="(`bokeh serve` with this project's patches, without a web application)",
    ),
    Contestant(
        "recipe-flask",
        "classic recipe, Flask + gunicorn",
        commands.flask_with_gunicorn("flask_recipe"),
        find_by_autoload,
        ("flask", "gunicorn"),
        same_server_as="bokeh-serve",
    ),
    Contestant(
        "recipe-quart",
        "recipe in Quart, executor only",
        commands.quart_recipe,
        find_by_autoload,
        same_server_as="bokeh-serve",
    ),
    Contestant(
        "server-document",
        "server_document, Flask + gunicorn",
        commands.flask_with_gunicorn("flask_document"),
        find_by_autoload,
        ("flask", "gunicorn"),
        same_server_as="bokeh-serve",
        note="(the page has no session: the browser creates it with a second request)",
    ),
    Contestant(
        "bokeh-serve", "bokeh serve", commands.bokeh_serve, find_in_page, cheap_path="/sliders/metadata"
    ),
    Contestant(
        "nginx",
        "nginx in front of bokeh serve",
        commands.nginx,
        find_in_page,
        ("program:nginx",),
        cheap_path="/sliders/metadata",
        same_server_as="bokeh-serve",
    ),
    Contestant(
        "panel", "panel serve", commands.panel_serve(), find_in_page, ("panel",), cheap_path="/liveness"
    ),
    Contestant(
        "panel-reuse",
        "panel serve, sessions reused",
        commands.panel_serve("--reuse-sessions", "--warm"),
        find_in_page,
        ("panel",),
        cheap_path="/liveness",
        same_server_as="panel",
        note="(the page has no session: it is created when the websocket opens)",
    ),
    Contestant(
        "bokeh-fastapi",
        "bokeh-fastapi, uvicorn",
        commands.bokeh_fastapi,
        find_in_page,
        ("bokeh_fastapi", "uvicorn"),
    ),
    Contestant(
        "bokeh-asgi",
        "BokehASGI, hypercorn",
        commands.bokeh_asgi,
        find_in_page,
        ("bokeh.server.asgi",),
        cheap_path="/sliders/metadata",
    ),
)
BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}


def earlier_commit(checkout: Path) -> Contestant:
    """Return ``quart-relay`` as it is in a checkout of an earlier commit, under the name ``before``."""
    current = BY_NAME["quart-relay"]

    def earlier_commands(config: RunConfig) -> list[Program]:
        path = {"PYTHONPATH": str(checkout.absolute())}
        return [
            replace(program, environment={**path, **program.environment})
            for program in current.commands(config)
        ]

    return replace(
        current, name=BEFORE, title="quart-bokeh, relay, earlier commit", commands=earlier_commands
    )

"""The contestants: how each is started, how a browser finds its session, and what it needs to be there."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import commands
from benchmarks.commands import Place
from benchmarks.doors import Door, by_autoload, in_block, in_page
from benchmarks.processes import Program


@dataclass(frozen=True)
class Contestant:
    """One way to bring a Bokeh application into a browser."""

    name: str
    title: str
    programs: Callable[[Place], list[Program]]
    door: Door
    """How a browser gets from the page to the session's websocket."""
    needs: tuple[str, ...] = ()
    """Modules and programs that have to be installed."""
    cheap: str = "/healthz"
    """A path that the process with the pages answers without a session."""
    sessions_of: str = ""
    """Name of the contestant whose server holds the sessions, where that is not its own kind."""
    note: str = ""

    def missing(self) -> str:
        """Return why it cannot take part here, in one line; empty if it can."""
        for need in self.needs:
            program = need.removeprefix("program:")
            if program != need:
                if shutil.which(program) is None:
                    return f"there is no program {program!r} here"
            elif not _has_module(need):
                return f"the Python module {need!r} is not installed"
        return ""

    def typed(self) -> str:
        """Return its commands as a person would type them, one a line."""
        place = Place(Path("WORK"), Path("applications"), web=1111, bokeh=2222)
        lines = []
        for program in self.programs(place):
            words = [f"{key}={value}" for key, value in program.environment.items()]
            words += [Path(program.command[0]).name, *program.command[1:]]
            lines.append(" ".join(shlex.quote(word) for word in words))
        return "\n".join(lines).replace("1111", "PORT").replace("2222", "BOKEH")


def _has_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


OURS = ("quart-relay", "quart-uvloop", "quart-direct", "quart-warm")
CONTESTANTS = (
    Contestant(
        "quart-relay",
        "quart-bokeh, relay",
        commands.quart_bokeh(BOKEH_DELIVERY="relay"),
        in_block,
        ("quart_app",),
    ),
    Contestant(
        "quart-uvloop",
        "quart-bokeh, relay, on uvloop",
        commands.quart_bokeh("-k", "uvloop", BOKEH_DELIVERY="relay"),
        in_block,
        ("quart_app", "uvloop"),
        sessions_of="quart-relay",
    ),
    Contestant(
        "quart-warm",
        "quart-bokeh, relay, warm sessions",
        commands.quart_bokeh(BOKEH_DELIVERY="relay", BOKEH_WARM="sliders:8"),
        in_block,
        ("quart_app",),
        sessions_of="quart-relay",
    ),
    Contestant(
        "quart-direct",
        "quart-bokeh, direct",
        commands.quart_bokeh(BOKEH_DELIVERY="direct"),
        by_autoload,
        ("quart_app",),
        sessions_of="quart-relay",
    ),
    Contestant(
        "quart-server",
        "quart-bokeh's Bokeh server by itself",
        commands.quart_server,
        in_page,
        ("quart_app",),
        cheap="/sliders/metadata",
        note="(what `bokeh serve` does, with the corrections, and no web application before it)",
    ),
    Contestant(
        "recipe-flask",
        "classic recipe, Flask + gunicorn",
        commands.flask_with_gunicorn("flask_recipe"),
        by_autoload,
        ("flask", "gunicorn"),
        sessions_of="bokeh-serve",
    ),
    Contestant(
        "recipe-quart",
        "recipe in Quart, executor only",
        commands.quart_recipe,
        by_autoload,
        sessions_of="bokeh-serve",
    ),
    Contestant(
        "server-document",
        "server_document, Flask + gunicorn",
        commands.flask_with_gunicorn("flask_document"),
        by_autoload,
        ("flask", "gunicorn"),
        sessions_of="bokeh-serve",
        note="(the page itself holds no session: the browser makes it by a second request)",
    ),
    Contestant("bokeh-serve", "bokeh serve", commands.bokeh_serve, in_page, cheap="/sliders/metadata"),
    Contestant(
        "nginx",
        "nginx in front of bokeh serve",
        commands.nginx,
        in_page,
        ("program:nginx",),
        cheap="/sliders/metadata",
        sessions_of="bokeh-serve",
    ),
    Contestant("panel", "panel serve", commands.panel_serve(), in_page, ("panel",), cheap="/liveness"),
    Contestant(
        "panel-reuse",
        "panel serve, sessions reused",
        commands.panel_serve("--reuse-sessions", "--warm"),
        in_page,
        ("panel",),
        cheap="/liveness",
        sessions_of="panel",
        note="(the page holds no session yet: it is made when the websocket opens)",
    ),
    Contestant(
        "bokeh-fastapi",
        "bokeh-fastapi, uvicorn",
        commands.bokeh_fastapi,
        in_page,
        ("bokeh_fastapi", "uvicorn"),
    ),
    Contestant(
        "bokeh-asgi",
        "BokehASGI, hypercorn",
        commands.bokeh_asgi,
        in_page,
        ("bokeh.server.asgi",),
        cheap="/sliders/metadata",
    ),
)
BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}

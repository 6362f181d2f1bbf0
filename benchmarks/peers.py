"""The contestants: how each is started by its own public commands, and how a browser finds its session."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.doors import Door, by_autoload, in_block, in_page
from benchmarks.processes import Program

SITES = Path(__file__).parent / "sites"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Place:
    """Where one contestant runs in this run of the comparison."""

    folder: Path
    """Its own, for what it writes."""
    applications: Path
    web: int
    """The port of its pages."""
    bokeh: int
    """The port of its Bokeh server, where that is another one."""
    lifetime: float = 15.0
    """Seconds that an unused session lives: Bokeh's default, and what every contestant is set to."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of this project, from the command line."""

    @property
    def check(self) -> float:
        """Seconds between looks for unused sessions: Bokeh's default, or a quarter of another lifetime."""
        return 17.0 if self.lifetime == 15 else max(0.5, min(17.0, self.lifetime / 4))

    def paths(self) -> list[str]:
        return sorted(str(path) for path in self.applications.glob("*.py"))


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

    def commands(self) -> str:
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


def _bin(name: str) -> str:
    beside = BIN / name
    return str(beside) if beside.exists() else name


def _paths(place: Place) -> list[str]:
    return place.paths() or [str(place.applications / "*.py")]


def _lifetime_flags(place: Place) -> list[str]:
    if place.lifetime == 15:
        return []
    return [
        *("--unused-session-lifetime", str(round(place.lifetime * 1000))),
        *("--check-unused-sessions", str(round(place.check * 1000))),
    ]


def _bokeh_serve(place: Place, *flags: str, program: tuple[str, ...] = ("bokeh",)) -> Program:
    command = [_bin(program[0]), *program[1:], "serve", *_paths(place), *flags, *_lifetime_flags(place)]
    return Program(command, place.folder)


def _quart_bokeh(**settings: str) -> Callable[[Place], list[Program]]:
    def programs(place: Place) -> list[Program]:
        environment = {
            "BOKEH_APPS": str(place.applications),
            **settings,
            "BOKEH_MAX_SESSIONS": "5000",  # nobody else has a limit
            "BOKEH_SESSION_LIFETIME": f"{place.lifetime:g}",
            **place.settings,
        }
        command = [_bin("hypercorn"), "quart_app:app", "-b", f"127.0.0.1:{place.web}"]
        return [Program(command, place.folder, {f"QUART_{k}": v for k, v in environment.items()})]

    return programs


def _gunicorn(site: str) -> Callable[[Place], list[Program]]:
    def programs(place: Place) -> list[Program]:
        server = _bokeh_serve(
            place, "--port", str(place.bokeh), f"--allow-websocket-origin=127.0.0.1:{place.web}"
        )
        # Gunicorn's own advice is (2 x cores) + 1 workers; half of that, with threads, is what two cores
        # do best with here, for the Bokeh server needs one of them.
        workers = str(max(2, os.cpu_count() or 1))
        command = [_bin("gunicorn"), f"{site}:app", "--bind", f"127.0.0.1:{place.web}"]
        command += ["--workers", workers, "--threads", "8"]
        return [server, Program(command, SITES, {"RECIPE_SERVER": f"http://127.0.0.1:{place.bokeh}"})]

    return programs


def _quart_recipe(place: Place) -> list[Program]:
    server = _bokeh_serve(
        place, "--port", str(place.bokeh), f"--allow-websocket-origin=127.0.0.1:{place.web}"
    )
    command = [_bin("hypercorn"), "quart_recipe:app", "-b", f"127.0.0.1:{place.web}"]
    return [server, Program(command, SITES, {"RECIPE_SERVER": f"http://127.0.0.1:{place.bokeh}"})]


def _direct(place: Place) -> list[Program]:
    return [_bokeh_serve(place, "--port", str(place.web), f"--allow-websocket-origin=127.0.0.1:{place.web}")]


def _panel(*flags: str) -> Callable[[Place], list[Program]]:
    def programs(place: Place) -> list[Program]:
        origin = f"--allow-websocket-origin=127.0.0.1:{place.web}"
        flags_here = ("--port", str(place.web), origin, "--liveness", *flags)
        return [_bokeh_serve(place, *flags_here, program=("panel",))]

    return programs


def _asgi_environment(place: Place) -> dict[str, str]:
    environment = {"APPLICATIONS": str(place.applications), "ORIGIN": f"127.0.0.1:{place.web}"}
    if place.lifetime != 15:
        environment |= {"SESSION_LIFETIME": f"{place.lifetime:g}", "SESSION_CHECK": f"{place.check:g}"}
    return environment


def _bokeh_fastapi(place: Place) -> list[Program]:
    command = [_bin("uvicorn"), "fastapi_site:app", "--host", "127.0.0.1", "--port", str(place.web)]
    command += ["--ws-max-size", "20971520", "--no-access-log"]
    return [Program(command, SITES, _asgi_environment(place))]


def _bokeh_asgi(place: Place) -> list[Program]:
    command = [_bin("hypercorn"), "asgi_site:app", "-b", f"127.0.0.1:{place.web}"]
    return [Program(command, SITES, _asgi_environment(place))]


def _nginx(place: Place) -> list[Program]:
    server = _bokeh_serve(
        place,
        *("--port", str(place.bokeh), "--use-xheaders"),
        f"--allow-websocket-origin=127.0.0.1:{place.web}",
    )
    configuration = place.folder / "nginx.conf"
    if place.folder.is_absolute():  # else somebody only asks how it is started
        from bokeh.settings import settings

        place.folder.mkdir(parents=True, exist_ok=True)
        configuration.write_text(
            (SITES / "nginx.conf")
            .read_text()
            .format(
                folder=place.folder,
                web=place.web,
                bokeh=place.bokeh,
                bokehjs=settings.bokehjs_path(),
                mime_types="/etc/nginx/mime.types",
            )
        )
    user = " user root;" if os.geteuid() == 0 else ""
    command = ["nginx", "-p", str(place.folder), "-c", str(configuration), "-g", f"daemon off;{user}"]
    return [server, Program(command, place.folder)]


OURS = ("quart-relay", "quart-direct", "quart-warm")
CONTESTANTS = (
    Contestant(
        "quart-relay",
        "quart-bokeh, relay",
        _quart_bokeh(BOKEH_DELIVERY="relay"),
        in_block,
        ("quart_app",),
    ),
    Contestant(
        "quart-warm",
        "quart-bokeh, relay, warm sessions",
        _quart_bokeh(BOKEH_DELIVERY="relay", BOKEH_WARM="sliders:8"),
        in_block,
        ("quart_app",),
        sessions_of="quart-relay",
    ),
    Contestant(
        "quart-direct",
        "quart-bokeh, direct",
        _quart_bokeh(BOKEH_DELIVERY="direct"),
        by_autoload,
        ("quart_app",),
        sessions_of="quart-relay",
    ),
    Contestant(
        "recipe-flask",
        "classic recipe, Flask + gunicorn",
        _gunicorn("flask_recipe"),
        by_autoload,
        ("flask", "gunicorn"),
        sessions_of="bokeh-serve",
    ),
    Contestant(
        "recipe-quart",
        "recipe in Quart, executor only",
        _quart_recipe,
        by_autoload,
        sessions_of="bokeh-serve",
    ),
    Contestant(
        "server-document",
        "server_document, Flask + gunicorn",
        _gunicorn("flask_document"),
        by_autoload,
        ("flask", "gunicorn"),
        sessions_of="bokeh-serve",
        note="(the page itself holds no session: the browser makes it by a second request)",
    ),
    Contestant("bokeh-serve", "bokeh serve", _direct, in_page, cheap="/sliders/metadata"),
    Contestant(
        "nginx",
        "nginx in front of bokeh serve",
        _nginx,
        in_page,
        ("program:nginx",),
        cheap="/sliders/metadata",
        sessions_of="bokeh-serve",
    ),
    Contestant("panel", "panel serve", _panel(), in_page, ("panel",), cheap="/liveness"),
    Contestant(
        "panel-reuse",
        "panel serve, sessions reused",
        _panel("--reuse-sessions", "--warm"),
        in_page,
        ("panel",),
        cheap="/liveness",
        sessions_of="panel",
        note="(the page holds no session yet: it is made when the websocket opens)",
    ),
    Contestant(
        "bokeh-fastapi",
        "bokeh-fastapi, uvicorn",
        _bokeh_fastapi,
        in_page,
        ("bokeh_fastapi", "uvicorn"),
    ),
    Contestant(
        "bokeh-asgi",
        "BokehASGI, hypercorn",
        _bokeh_asgi,
        in_page,
        ("bokeh.server.asgi",),
        cheap="/sliders/metadata",
    ),
)
BY_NAME = {contestant.name: contestant for contestant in CONTESTANTS}

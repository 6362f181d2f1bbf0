"""The commands that start each contestant, as its own documentation gives them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Program

SITES = Path(__file__).parent / "sites"
BIN = Path(sys.executable).parent
BOKEH_LIFETIME = 15.0
"""Seconds that an unused session lives if nobody says otherwise: Bokeh's own default."""


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
    lifetime: float = BOKEH_LIFETIME
    """Seconds that an unused session lives, for every contestant."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of this project, from the command line."""

    @property
    def check(self) -> float:
        """Seconds between looks for unused sessions: Bokeh's default, or a quarter of another lifetime."""
        return 17.0 if self.lifetime == BOKEH_LIFETIME else max(0.5, min(17.0, self.lifetime / 4))

    def paths(self) -> list[str]:
        return sorted(str(path) for path in self.applications.glob("*.py"))


def _bin(name: str) -> str:
    beside = BIN / name
    return str(beside) if beside.exists() else name


def _paths(place: Place) -> list[str]:
    return place.paths() or [str(place.applications / "*.py")]


def _lifetime_flags(place: Place) -> list[str]:
    if place.lifetime == BOKEH_LIFETIME:
        return []
    return [
        *("--unused-session-lifetime", str(round(place.lifetime * 1000))),
        *("--check-unused-sessions", str(round(place.check * 1000))),
    ]


def _server(place: Place, *flags: str, program: tuple[str, ...] = ("bokeh",)) -> Program:
    command = [_bin(program[0]), *program[1:], "serve", *_paths(place), *flags, *_lifetime_flags(place)]
    return Program(command, place.folder)


def quart_bokeh(*flags: str, **settings: str) -> Callable[[Place], list[Program]]:
    def programs(place: Place) -> list[Program]:
        environment = {
            "BOKEH_APPS": str(place.applications),
            **settings,
            "BOKEH_MAX_SESSIONS": "5000",  # nobody else has a limit
            "BOKEH_SESSION_LIFETIME": f"{place.lifetime:g}",
            **place.settings,
        }
        command = [_bin("hypercorn"), "quart_app:app", "-b", f"127.0.0.1:{place.web}", *flags]
        return [Program(command, place.folder, {f"QUART_{k}": v for k, v in environment.items()})]

    return programs


def quart_server(place: Place) -> list[Program]:
    command = [sys.executable, "-m", "quart_app.engine.serve", *_paths(place)]
    command += ["--port", str(place.web), f"--allow-websocket-origin=127.0.0.1:{place.web}"]
    return [Program([*command, *_lifetime_flags(place)], place.folder)]


def flask_with_gunicorn(site: str) -> Callable[[Place], list[Program]]:
    def programs(place: Place) -> list[Program]:
        server = _server(place, "--port", str(place.bokeh), f"--allow-websocket-origin=127.0.0.1:{place.web}")
        # Gunicorn's own advice is (2 x cores) + 1 workers; half of that, with threads, is what two cores
        # do best with here, for the Bokeh server needs one of them.
        workers = str(max(2, os.cpu_count() or 1))
        command = [_bin("gunicorn"), f"{site}:app", "--bind", f"127.0.0.1:{place.web}"]
        command += ["--workers", workers, "--threads", "8"]
        return [server, Program(command, SITES, {"RECIPE_SERVER": f"http://127.0.0.1:{place.bokeh}"})]

    return programs


def quart_recipe(place: Place) -> list[Program]:
    server = _server(place, "--port", str(place.bokeh), f"--allow-websocket-origin=127.0.0.1:{place.web}")
    command = [_bin("hypercorn"), "quart_recipe:app", "-b", f"127.0.0.1:{place.web}"]
    return [server, Program(command, SITES, {"RECIPE_SERVER": f"http://127.0.0.1:{place.bokeh}"})]


def bokeh_serve(place: Place) -> list[Program]:
    return [_server(place, "--port", str(place.web), f"--allow-websocket-origin=127.0.0.1:{place.web}")]


def panel_serve(*flags: str) -> Callable[[Place], list[Program]]:
    def programs(place: Place) -> list[Program]:
        origin = f"--allow-websocket-origin=127.0.0.1:{place.web}"
        flags_here = ("--port", str(place.web), origin, "--liveness", *flags)
        return [_server(place, *flags_here, program=("panel",))]

    return programs


def _asgi_environment(place: Place) -> dict[str, str]:
    environment = {"APPLICATIONS": str(place.applications), "ORIGIN": f"127.0.0.1:{place.web}"}
    if place.lifetime != BOKEH_LIFETIME:
        environment |= {"SESSION_LIFETIME": f"{place.lifetime:g}", "SESSION_CHECK": f"{place.check:g}"}
    return environment


def bokeh_fastapi(place: Place) -> list[Program]:
    command = [_bin("uvicorn"), "fastapi_site:app", "--host", "127.0.0.1", "--port", str(place.web)]
    command += ["--ws-max-size", "20971520", "--no-access-log"]
    return [Program(command, SITES, _asgi_environment(place))]


def bokeh_asgi(place: Place) -> list[Program]:
    command = [_bin("hypercorn"), "asgi_site:app", "-b", f"127.0.0.1:{place.web}"]
    return [Program(command, SITES, _asgi_environment(place))]


def nginx(place: Place) -> list[Program]:
    server = _server(
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

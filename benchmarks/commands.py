"""The commands that start each contestant, as in its own documentation."""

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
"""Bokeh's default for the lifetime of an unused session, in seconds."""


@dataclass(frozen=True)
class RunConfig:
    """Folders, ports and session lifetime of one run of a contestant."""

    folder: Path
    """Working directory for output and configuration files; relative if the commands are only printed."""
    applications: Path
    web_port: int
    """Port of the pages."""
    bokeh_port: int
    """Port of the Bokeh server, if it is another process."""
    lifetime: float = BOKEH_LIFETIME
    """Seconds after which an unused session expires."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of this project, from ``--set``."""

    @property
    def check_interval(self) -> float:
        """Seconds between checks for unused sessions: Bokeh's default, else a quarter of the lifetime."""
        return 17.0 if self.lifetime == BOKEH_LIFETIME else max(0.5, min(17.0, self.lifetime / 4))

    @property
    def paths(self) -> list[str]:
        """The files of the applications; a pattern if the folder does not exist."""
        found = sorted(str(path) for path in self.applications.glob("*.py"))
        return found or [str(self.applications / "*.py")]

    @property
    def origin(self) -> str:
        return f"127.0.0.1:{self.web_port}"


Commands = Callable[[RunConfig], list[Program]]
"""Returns the programs of a contestant, in the order in which they are started."""


def _executable(name: str) -> str:
    """Return the path of a command in this virtual environment, else its name."""
    path = BIN / name
    return str(path) if path.exists() else name


def _lifetime_flags(config: RunConfig) -> list[str]:
    if config.lifetime == BOKEH_LIFETIME:
        return []
    return [
        *("--unused-session-lifetime", str(round(config.lifetime * 1000))),
        *("--check-unused-sessions", str(round(config.check_interval * 1000))),
    ]


def _server(config: RunConfig, port: int, *flags: str, program: str = "bokeh") -> Program:
    command = [_executable(program), "serve", *config.paths, "--port", str(port), *flags]
    return Program([*command, *_lifetime_flags(config)], config.folder)


def _private_server(config: RunConfig) -> Program:
    """Return ``bokeh serve`` beside a web application."""
    return _server(config, config.bokeh_port, f"--allow-websocket-origin={config.origin}")


def _recipe_environment(config: RunConfig) -> dict[str, str]:
    return {"RECIPE_SERVER": f"http://127.0.0.1:{config.bokeh_port}"}


def quart_bokeh(*flags: str, **settings: str) -> Commands:
    def commands(config: RunConfig) -> list[Program]:
        environment = {
            "BOKEH_APPS": str(config.applications),
            **settings,
            "BOKEH_MAX_SESSIONS": "5000",  # the other contestants have no limit
            "BOKEH_SESSION_LIFETIME": f"{config.lifetime:g}",
            **config.settings,
        }
        command = [_executable("hypercorn"), "quart_app:app", "-b", config.origin, *flags]
        return [Program(command, config.folder, {f"QUART_{k}": v for k, v in environment.items()})]

    return commands


def quart_server(config: RunConfig) -> list[Program]:
    command = [sys.executable, "-m", "quart_app.engine.serve", *config.paths]
    command += ["--port", str(config.web_port), f"--allow-websocket-origin={config.origin}"]
    return [Program([*command, *_lifetime_flags(config)], config.folder)]


def empty_quart(config: RunConfig) -> list[Program]:
    return [Program([_executable("hypercorn"), "empty_quart:app", "-b", config.origin], SITES)]


def flask_with_gunicorn(site: str) -> Commands:
    def commands(config: RunConfig) -> list[Program]:
        # Gunicorn's documentation advises (2 x cores) + 1 workers. Half of that, with threads, was faster
        # on two cores, because the Bokeh server needs one of them.
        workers = str(max(2, os.cpu_count() or 1))
        command = [_executable("gunicorn"), f"{site}:app", "--bind", config.origin]
        command += ["--workers", workers, "--threads", "8"]
        return [_private_server(config), Program(command, SITES, _recipe_environment(config))]

    return commands


def quart_recipe(config: RunConfig) -> list[Program]:
    command = [_executable("hypercorn"), "quart_recipe:app", "-b", config.origin]
    return [_private_server(config), Program(command, SITES, _recipe_environment(config))]


def bokeh_serve(config: RunConfig) -> list[Program]:
    return [_server(config, config.web_port, f"--allow-websocket-origin={config.origin}")]


def panel_serve(*flags: str) -> Commands:
    def commands(config: RunConfig) -> list[Program]:
        all_flags = (f"--allow-websocket-origin={config.origin}", "--liveness", *flags)
        return [_server(config, config.web_port, *all_flags, program="panel")]

    return commands


def _asgi_environment(config: RunConfig) -> dict[str, str]:
    environment = {"APPLICATIONS": str(config.applications), "ORIGIN": config.origin}
    if config.lifetime != BOKEH_LIFETIME:
        environment["SESSION_LIFETIME"] = f"{config.lifetime:g}"
        environment["SESSION_CHECK"] = f"{config.check_interval:g}"
    return environment


def bokeh_fastapi(config: RunConfig) -> list[Program]:
    command = [_executable("uvicorn"), "fastapi_site:app", "--host", "127.0.0.1"]
    command += ["--port", str(config.web_port), "--ws-max-size", "20971520", "--no-access-log"]
    return [Program(command, SITES, _asgi_environment(config))]


def bokeh_asgi(config: RunConfig) -> list[Program]:
    command = [_executable("hypercorn"), "asgi_site:app", "-b", config.origin]
    return [Program(command, SITES, _asgi_environment(config))]


def nginx(config: RunConfig) -> list[Program]:
    flags = ("--use-xheaders", f"--allow-websocket-origin={config.origin}")
    configuration = config.folder / "nginx.conf"
    if config.folder.is_absolute():  # otherwise the commands are only printed
        from bokeh.settings import settings

        config.folder.mkdir(parents=True, exist_ok=True)
        configuration.write_text(
            (SITES / "nginx.conf")
            .read_text()
            .format(
                folder=config.folder,
                web=config.web_port,
                bokeh=config.bokeh_port,
                bokehjs=settings.bokehjs_path(),
                mime_types="/etc/nginx/mime.types",
            )
        )
    user = " user root;" if os.geteuid() == 0 else ""
    command = ["nginx", "-p", str(config.folder), "-c", str(configuration), "-g", f"daemon off;{user}"]
    return [_server(config, config.bokeh_port, *flags), Program(command, config.folder)]

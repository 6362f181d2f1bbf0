"""The settings of a site: keys of ``app.config`` with their defaults, units and parsers."""

from __future__ import annotations

import difflib
import logging
import multiprocessing
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quart_app.asgi.proxies import Network, parse_peers
from quart_app.protocol.keys import SECRET_KEY, derive_key

log = logging.getLogger(__name__)


class SettingsError(ValueError):
    """A setting has an invalid value. The message is one line that names the key and what helps."""


class InvalidValue(ValueError):
    """A value cannot be parsed; the message continues a sentence that begins with the key."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"must be {expected}, not {value!r}")


def _parse_list(value: Any) -> tuple[str, ...]:
    """Return the items of ``one, two``, or of a list in Python."""
    items = value.split(",") if isinstance(value, str) else value
    return tuple(text for item in items if (text := str(item).strip()))


def _parse_url(value: Any) -> str:
    """Return the URL without a slash at its end; empty for an empty one."""
    text = str(value).strip()
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # the port is not a number
        is_usable = False
    if text and (not is_usable or parts.query or parts.fragment):
        raise InvalidValue("a URL such as http://localhost:5006", text)
    return text.rstrip("/")


def _number(unit: str, kind: Callable[[str], float] = int, above: int = 0) -> Callable[[Any], float]:
    """Return a parser of finite numbers above a limit."""

    def parse(value: Any) -> float:
        try:
            number = kind(str(value))
        except ValueError:
            number = above
        if not above < number < float("inf"):
            raise InvalidValue(f"{unit} above {above}", value)
        return number

    return parse


def _parse_processes(value: Any) -> float:
    is_auto = str(value).strip().lower() == "auto"
    return _number("'auto' or a whole number of processes")((os.cpu_count() or 1) if is_auto else value)


def _parse_delivery(value: Any) -> str:
    text = str(value).strip().lower()
    if text not in ("relay", "direct"):
        raise InvalidValue("'relay' or 'direct'", text)
    return text


def _parse_bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in ("1", "true", "yes", "on", "0", "false", "no", "off", ""):
        raise InvalidValue("1 or 0", value)
    return text in ("1", "true", "yes", "on")


def _parse_warm(value: Any) -> dict[str, float]:
    """Parse ``sliders:2,ohlc:1``."""
    sizes = {}
    for item in _parse_list(value):
        name, colon, size = item.rpartition(":")
        if not colon or not name:
            raise InvalidValue("like 'sliders:2,ohlc:1'", value)
        sizes[name] = _number("a whole number of sessions for each application")(size)
    return sizes


def _parse_csp_sources(value: Any) -> str:
    text = " ".join(str(value).split())
    if not text or not text.isascii() or any(mark in text for mark in ";,"):
        raise InvalidValue("sources such as 'self' https://example.org", value)
    return text


def _setting(default: Any, parse: Callable[[Any], object]) -> Any:
    """Return a field with the default of its key and the parser of its key's value."""
    return field(metadata={"default": default, "parse": parse})


@dataclass(frozen=True)
class Settings:
    """The validated settings of one site. The key of ``pull_timeout`` is ``BOKEH_PULL_TIMEOUT``, and so on.

    They are read from ``app.config`` when serving starts; later changes have no effect.
    """

    apps: Path = _setting("bokeh_apps", lambda value: Path(str(value)))  # noqa: RUF009
    """Folder of applications."""
    servers: tuple[str, ...] = _setting("", lambda value: tuple(map(_parse_url, _parse_list(value))))
    """URLs of running Bokeh servers, without a slash at the end; empty: the site starts its own servers."""
    processes: int = _setting(1, _parse_processes)
    """Number of ``bokeh serve`` processes that the site starts."""
    delivery: str = _setting("relay", _parse_delivery)
    """``relay``: the browser connects to the site only; ``direct``: to the Bokeh server."""
    public_url: str = _setting("", _parse_url)
    """``direct`` delivery: URL under which browsers reach the one Bokeh server; empty: the server's own."""
    pull_timeout: float = _setting(10, _number("seconds", float))
    """Seconds until the pull of a session times out."""
    pull_threads: int = _setting(8, _number("a whole number"))
    """Number of sessions pulled at the same time; further pages wait."""
    max_waiting: int = _setting(200, _number("a whole number of pages"))
    """Number of pages that may wait for their sessions; further ones get 503."""
    max_waiting_per_visitor: int = _setting(50, _number("a whole number of pages"))
    """Number of pages of one visitor that may wait for their sessions; further ones get 429."""
    max_waiting_per_address: int = _setting(100, _number("a whole number of pages"))
    """Number of pages of one address that may wait for their sessions; further ones get 429."""
    warm: Mapping[str, int] = _setting("", _parse_warm)
    """Size of the warm pool of each application."""
    stream: bool = _setting(True, _parse_bool)
    """Whether the response of a page may begin before its session is there."""
    forward_headers: tuple[str, ...] = _setting("", _parse_list)
    """Names of the request headers that applications receive."""
    forward_cookies: tuple[str, ...] = _setting("", _parse_list)
    """Names of the cookies that applications receive."""
    max_sessions: int = _setting(200, _number("a whole number of sessions"))
    """Live sessions of one own server process. For one more, a session without a browser ends, or the page
    gets 503."""
    session_lifetime: float = _setting(60, _number("seconds", float))
    """Seconds that a session lives without a websocket of a browser."""
    dev: bool = _setting(False, _parse_bool)
    """Whether the servers restart when a file changes, and pages show the errors of applications."""
    max_message: int = _setting(20 * 1024 * 1024, _number("a whole number of bytes", above=2**16))
    """Bytes of the largest websocket message."""
    trusted_proxies: tuple[Network | str, ...] = _setting("", lambda value: parse_peers(str(value)))
    """Proxies whose ``X-Forwarded-…`` headers are used: networks, and ``unix`` for a Unix socket."""
    max_connects: int = _setting(120, _number("a whole number"))
    """Websockets that one visitor may open per minute."""
    frame_ancestors: str = _setting("'self'", _parse_csp_sources)
    """Sites that may show pages in a frame: sources of the CSP directive ``frame-ancestors``."""
    csp_unsafe_eval: bool = _setting(False, _parse_bool)
    """Whether pages allow ``'unsafe-eval'``, which CustomJS and similar models need."""
    csp_sources: str = _setting("'self'", _parse_csp_sources)
    """CSP sources of scripts, styles, fonts and data, besides the site itself."""
    secret_keys: tuple[bytes, ...] = ()
    """The first key signs sessions and tickets; all keys verify tickets. At least 32 bytes each."""

    @property
    def allows_cross_site_frames(self) -> bool:
        """Whether other sites may show pages of this one in a frame."""
        return not set(self.frame_ancestors.split()) <= {"'self'", "'none'"}

    @property
    def secret_key(self) -> bytes:
        """The key that signs sessions and tickets."""
        return self.secret_keys[0]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Parse the ``BOKEH_…`` keys and ``SECRET_KEY`` of an ``app.config``.

        Raises SettingsError for the first invalid value. Logs a warning for each unknown key, and for each
        environment variable without the prefix ``QUART_``.
        """
        _warn_unknown(config)
        _warn_unprefixed(os.environ, config)
        values = {}
        for key, setting in SETTINGS.items():
            value = config.get(key)
            try:
                values[setting.name] = setting.metadata["parse"](DEFAULTS[key] if value is None else value)
            except InvalidValue as error:
                raise SettingsError(f"{key} {error}") from None
            except (TypeError, ValueError) as error:
                raise SettingsError(f"{key}: {error}") from None
        if values["public_url"] and len(values["servers"]) != 1:
            raise SettingsError(
                "BOKEH_PUBLIC_URL is the URL of one Bokeh server: set BOKEH_SERVERS to exactly one server"
            )
        secret_keys = _secret_keys(config.get("SECRET_KEY"), config.get("SECRET_KEY_FALLBACKS"))
        return cls(**values, secret_keys=secret_keys)


SETTINGS = {f"BOKEH_{setting.name.upper()}": setting for setting in fields(Settings) if setting.metadata}
DEFAULTS = {key: setting.metadata["default"] for key, setting in SETTINGS.items()}


def _warn_unknown(config: Mapping[str, Any]) -> None:
    """Log a warning for each unknown ``BOKEH_…`` key, with the most similar known one."""
    for key in config:
        if key.startswith("BOKEH_") and key not in DEFAULTS:
            near = difflib.get_close_matches(key, DEFAULTS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            log.warning("There is no setting %s%s", key, hint)


def _warn_unprefixed(environment: Mapping[str, str], config: Mapping[str, Any]) -> None:
    """Log a warning for each variable ``BOKEH_…`` that has the name of a setting and does not set it."""
    for key in DEFAULTS:
        is_used = f"QUART_{key}" in environment or str(config.get(key)) == environment.get(key)
        if key not in environment or is_used:
            continue
        if key == "BOKEH_DEV":
            log.warning(
                "The environment variable BOKEH_DEV is Bokeh's own and switches Bokeh's developer mode; "
                "the setting is QUART_BOKEH_DEV"
            )
        else:
            log.warning("The environment variable %s has no effect; the setting is QUART_%s", key, key)


def _secret_keys(value: Any, fallbacks: Any) -> tuple[bytes, ...]:
    if not value:
        # Random for each start, and the same in all of its workers: any worker can relay to any session.
        authkey = bytes(multiprocessing.current_process().authkey)
        return (derive_key(authkey, SECRET_KEY),)
    older = [fallbacks] if isinstance(fallbacks, str | bytes) else list(fallbacks or ())
    keys = tuple(key if isinstance(key, bytes) else str(key).encode() for key in [value, *older])
    for number, key in enumerate(keys):
        if len(key) < 32:
            name = "SECRET_KEY_FALLBACKS: each" if number else "SECRET_KEY"
            raise SettingsError(f"{name} must have at least 32 bytes, not {len(key)}")
    return keys

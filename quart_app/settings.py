"""Every setting once: its key, its default, its unit and what is a wrong value."""

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
    """A setting has a value that cannot work. The message is one line that names the key and the way out."""


class Wrong(ValueError):
    """What a reader says about a value that cannot work; it does not know the key."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"must be {expected}, not {value!r}")


def _words(value: Any) -> tuple[str, ...]:
    """Return the parts of ``one, two``, or of a list in Python."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(word for part in parts if (word := str(part).strip()))


def _url(value: Any) -> str:
    """Return the URL without a slash at its end; empty for an empty one."""
    text = str(value).strip()
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        is_usable = False
    if text and (not is_usable or parts.query or parts.fragment):
        raise Wrong("a URL such as http://localhost:5006", text)
    return text.rstrip("/")


def _number(unit: str, kind: Callable[[str], float] = int, above: int = 0) -> Callable[[Any], float]:
    """Return the reader of a finite number above another one."""

    def read(value: Any) -> float:
        try:
            number = kind(str(value))
        except ValueError:
            number = above
        if not above < number < float("inf"):
            raise Wrong(f"{unit} above {above}", value)
        return number

    return read


def _processes(value: Any) -> float:
    is_auto = str(value).strip().lower() == "auto"
    return _number("a whole number of processes, or 'auto',")((os.cpu_count() or 1) if is_auto else value)


def _delivery(value: Any) -> str:
    text = str(value).strip().lower()
    if text not in ("relay", "direct"):
        raise Wrong("'relay' or 'direct'", text)
    return text


def _yes_or_no(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in ("1", "true", "yes", "on", "0", "false", "no", "off", ""):
        raise Wrong("1 or 0", value)
    return text in ("1", "true", "yes", "on")


def _warm(value: Any) -> dict[str, float]:
    """Read ``sliders:2,ohlc:1``."""
    sizes = {}
    for word in _words(value):
        name, colon, size = word.rpartition(":")
        if not colon or not name:
            raise Wrong("like 'sliders:2,ohlc:1'", value)
        sizes[name] = _number("a whole number of sessions for each application")(size)
    return sizes


def _sources(value: Any) -> str:
    text = " ".join(str(value).split())
    if not text or not text.isascii() or any(mark in text for mark in ";,"):
        raise Wrong("sources such as 'self' https://example.org", value)
    return text


def _setting(default: Any, read: Callable[[Any], object]) -> Any:
    """Return a field that ``read`` makes of its key's value, or of the default where there is none."""
    return field(metadata={"default": default, "read": read})


@dataclass(frozen=True)
class Settings:
    """The settings of one site, checked. The key of ``pull_timeout`` is ``BOKEH_PULL_TIMEOUT``, and so on.

    Made from ``app.config`` when serving starts, so that everything set before that counts.
    """

    apps: Path = _setting("bokeh_apps", lambda value: Path(str(value)))  # noqa: RUF009
    """Folder of applications."""
    servers: tuple[str, ...] = _setting("", lambda value: tuple(map(_url, _words(value))))
    """URLs of running Bokeh servers, without a slash at the end; empty: the site starts its own."""
    processes: int = _setting(1, _processes)
    """How many ``bokeh serve`` processes the site starts for itself."""
    delivery: str = _setting("relay", _delivery)
    """``direct``: the browser talks to the Bokeh server itself; ``relay``: to the site only."""
    public_url: str = _setting("", _url)
    """URL under which browsers reach the one Bokeh server; empty: the server's own."""
    pull_timeout: float = _setting(10, _number("seconds", float))
    """Seconds until a page gives up waiting for its session."""
    pull_threads: int = _setting(8, _number("a whole number"))
    """How many sessions are pulled at the same time; further pages wait for their turn."""
    max_waiting: int = _setting(200, _number("a whole number of pages"))
    """How many pages may wait for their sessions; further ones get 503."""
    max_waiting_per_visitor: int = _setting(50, _number("a whole number of pages"))
    """How many pages of one visitor may wait for their sessions; further ones get 429."""
    max_waiting_per_address: int = _setting(100, _number("a whole number of pages"))
    """How many pages of one address may wait for their sessions; further ones get 429."""
    warm: Mapping[str, int] = _setting("", _warm)
    """How many sessions of which application are kept ready."""
    stream: bool = _setting(True, _yes_or_no)
    """Whether a page begins while its session is still being made."""
    forward_headers: tuple[str, ...] = _setting("", _words)
    """Names of the request headers that the application sees."""
    forward_cookies: tuple[str, ...] = _setting("", _words)
    """Names of the cookies that the application sees."""
    max_sessions: int = _setting(200, _number("a whole number of sessions"))
    """Live sessions of one server process of ours; above it unvisited ones give way, or pages are refused."""
    session_lifetime: float = _setting(60, _number("seconds", float))
    """Seconds that a session waits for its browser."""
    dev: bool = _setting(False, _yes_or_no)
    """Whether edited applications are started again, and pages show what is wrong with one."""
    max_message: int = _setting(20 * 1024 * 1024, _number("a whole number of bytes", above=2**16))
    """Bytes of the largest websocket message."""
    trusted_proxies: tuple[Network | str, ...] = _setting("", lambda value: parse_peers(str(value)))
    """Whose ``X-Forwarded-…`` headers are believed: networks, and ``unix`` for a Unix socket."""
    max_connects: int = _setting(120, _number("a whole number"))
    """Websockets that one visitor may open in a minute."""
    frame_ancestors: str = _setting("'self'", _sources)
    """Who may show our pages in a frame, in the words of a Content-Security-Policy."""
    csp_unsafe_eval: bool = _setting(False, _yes_or_no)
    """Whether text may become code in our pages, as CustomJS and models like it need it."""
    csp_sources: str = _setting("'self'", _sources)
    """From where our pages may take scripts, styles, fonts and data besides this site."""
    secret_keys: tuple[bytes, ...] = ()
    """The first signs sessions and tickets; all of them are accepted for tickets. At least 32 bytes each."""

    @property
    def frames_elsewhere(self) -> bool:
        """Whether pages of other sites may show ours in a frame."""
        return not set(self.frame_ancestors.split()) <= {"'self'", "'none'"}

    @property
    def secret_key(self) -> bytes:
        """Signs sessions and tickets."""
        return self.secret_keys[0]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Read and check the ``BOKEH_…`` keys and ``SECRET_KEY`` of an ``app.config``.

        Raises SettingsError for the first value that cannot work; warns about keys that nobody reads.
        """
        warn_unknown(config)
        values = {}
        for key, setting in SETTINGS.items():
            value = config.get(key)
            try:
                values[setting.name] = setting.metadata["read"](DEFAULTS[key] if value is None else value)
            except Wrong as wrong:
                raise SettingsError(f"{key} {wrong}") from None
            except (TypeError, ValueError) as error:
                raise SettingsError(f"{key}: {error}") from None
        if values["public_url"] and len(values["servers"]) != 1:
            raise SettingsError(
                "BOKEH_PUBLIC_URL is the address of one Bokeh server: name that server in BOKEH_SERVERS"
            )
        secret_keys = _secret_keys(config.get("SECRET_KEY"), config.get("SECRET_KEY_FALLBACKS"))
        return cls(**values, secret_keys=secret_keys)


SETTINGS = {f"BOKEH_{setting.name.upper()}": setting for setting in fields(Settings) if setting.metadata}
DEFAULTS = {key: setting.metadata["default"] for key, setting in SETTINGS.items()}


def warn_unknown(config: Mapping[str, Any]) -> None:
    """Warn about every ``BOKEH_…`` key that means nothing, with the nearest one that does."""
    for key in config:
        if key.startswith("BOKEH_") and key not in DEFAULTS:
            near = difflib.get_close_matches(key, DEFAULTS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            log.warning("There is no setting %s%s", key, hint)


def _secret_keys(value: Any, fallbacks: Any) -> tuple[bytes, ...]:
    if not value:
        # Not for ever, but the same in all workers of one start: a page of one can attach through another.
        authkey = bytes(multiprocessing.current_process().authkey)
        return (derive_key(authkey, SECRET_KEY),)
    older = [fallbacks] if isinstance(fallbacks, str | bytes) else list(fallbacks or ())
    keys = tuple(key if isinstance(key, bytes) else str(key).encode() for key in [value, *older])
    for number, key in enumerate(keys):
        if len(key) < 32:
            name = "SECRET_KEY_FALLBACKS: each" if number else "SECRET_KEY"
            raise SettingsError(f"{name} must have at least 32 bytes, not {len(key)}")
    return keys

"""Every setting once: its key, its default, its unit and what is a wrong value."""

from __future__ import annotations

import difflib
import hmac
import logging
import multiprocessing
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from quart_app.proxies import Network, parse_peers

log = logging.getLogger(__name__)

Number = TypeVar("Number", int, float)

DEFAULTS: dict[str, Any] = {
    "BOKEH_APPS": "bokeh_apps",
    "BOKEH_SERVERS": "",
    "BOKEH_PROCESSES": 1,
    "BOKEH_DELIVERY": "relay",
    "BOKEH_PUBLIC_URL": "",
    "BOKEH_PULL_TIMEOUT": 10,
    "BOKEH_PULL_THREADS": 8,
    "BOKEH_MAX_WAITING": 200,
    "BOKEH_MAX_WAITING_PER_VISITOR": 50,
    "BOKEH_MAX_WAITING_PER_ADDRESS": 100,
    "BOKEH_WARM": "",
    "BOKEH_STREAM": True,
    "BOKEH_FORWARD_HEADERS": "",
    "BOKEH_FORWARD_COOKIES": "",
    "BOKEH_MAX_SESSIONS": 200,
    "BOKEH_SESSION_LIFETIME": 60,
    "BOKEH_DEV": False,
    "BOKEH_MAX_MESSAGE": 20 * 1024 * 1024,
    "BOKEH_TRUSTED_PROXIES": "",
    "BOKEH_MAX_CONNECTS": 120,
    "BOKEH_FRAME_ANCESTORS": "'self'",
    "BOKEH_CSP_UNSAFE_EVAL": 0,
    "BOKEH_CSP_SOURCES": "'self'",
}


class SettingsError(ValueError):
    """A setting has a value that cannot work. The message is one line that names the key and the way out."""


@dataclass(frozen=True)
class Settings:
    """The settings of one site, checked.

    Made from ``app.config`` when serving starts, so that everything set before that counts.
    """

    apps: Path
    """Folder of applications."""
    servers: tuple[str, ...]
    """URLs of running Bokeh servers, without a slash at the end; empty: the site starts its own."""
    processes: int
    """How many ``bokeh serve`` processes the site starts for itself."""
    delivery: str
    """``direct``: the browser talks to the Bokeh server itself; ``relay``: to the site only."""
    public_url: str
    """URL under which browsers reach the one Bokeh server; empty: the server's own."""
    pull_timeout: float
    """Seconds until a page gives up waiting for its session."""
    pull_threads: int
    """How many sessions are pulled at the same time; further pages wait for their turn."""
    max_waiting: int
    """How many pages may wait for their sessions; further ones get 503."""
    max_waiting_per_visitor: int
    """How many pages of one visitor may wait for their sessions; further ones get 429."""
    max_waiting_per_address: int
    """How many pages of one address may wait for their sessions; further ones get 429."""
    warm: Mapping[str, int]
    """How many sessions of which application are kept ready."""
    stream: bool
    """Whether a page begins while its session is still being made."""
    forward_headers: tuple[str, ...]
    """Names of the request headers that the application sees."""
    forward_cookies: tuple[str, ...]
    """Names of the cookies that the application sees."""
    max_sessions: int
    """Live sessions of one server process of ours; above it new pages are refused."""
    session_lifetime: float
    """Seconds that a session waits for its browser."""
    dev: bool
    """Whether edited applications are started again, and pages show what is wrong with one."""
    max_message: int
    """Bytes of the largest websocket message."""
    trusted_proxies: tuple[Network | str, ...]
    """Whose ``X-Forwarded-…`` headers are believed: networks, and ``unix`` for a Unix socket."""
    max_connects: int
    """Websockets that one visitor may open in a minute."""
    frame_ancestors: str
    """Who may show our pages in a frame, in the words of a Content-Security-Policy."""
    csp_unsafe_eval: bool
    """Whether text may become code in our pages, as CustomJS and models like it need it."""
    csp_sources: str
    """From where our pages may take scripts, styles, fonts and data besides this site."""
    secret_keys: tuple[bytes, ...]
    """The first signs sessions and tickets; all of them are accepted for tickets. At least 32 bytes each."""

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

        def read(key: str) -> Any:
            value = config.get(key)
            return DEFAULTS[key] if value is None else value

        def number(key: str, kind: Callable[[Any], Number], unit: str) -> Number:
            return _number(key, read(key), kind, unit)

        servers = tuple(_url("BOKEH_SERVERS", url) for url in _words(read("BOKEH_SERVERS")))
        public_url = str(read("BOKEH_PUBLIC_URL")).strip()
        if public_url:
            public_url = _url("BOKEH_PUBLIC_URL", public_url)
            if len(servers) != 1:
                raise SettingsError(
                    "BOKEH_PUBLIC_URL is the address of one Bokeh server: name that server in BOKEH_SERVERS"
                )
        delivery = str(read("BOKEH_DELIVERY")).strip().lower()
        if delivery not in ("relay", "direct"):
            raise SettingsError(f"BOKEH_DELIVERY must be 'relay' or 'direct', not {delivery!r}")
        try:
            trusted_proxies = parse_peers(str(read("BOKEH_TRUSTED_PROXIES")))
        except ValueError as error:
            raise SettingsError(f"BOKEH_TRUSTED_PROXIES: {error}") from None
        processes = read("BOKEH_PROCESSES")
        if str(processes).strip().lower() == "auto":
            processes = os.cpu_count() or 1
        return cls(
            apps=Path(str(read("BOKEH_APPS"))),
            servers=servers,
            processes=_number("BOKEH_PROCESSES", processes, int, "a whole number of processes, or 'auto',"),
            delivery=delivery,
            public_url=public_url,
            pull_timeout=number("BOKEH_PULL_TIMEOUT", float, "seconds"),
            pull_threads=number("BOKEH_PULL_THREADS", int, "a whole number"),
            max_waiting=number("BOKEH_MAX_WAITING", int, "a whole number of pages"),
            max_waiting_per_visitor=number("BOKEH_MAX_WAITING_PER_VISITOR", int, "a whole number of pages"),
            max_waiting_per_address=number("BOKEH_MAX_WAITING_PER_ADDRESS", int, "a whole number of pages"),
            warm=_warm(read("BOKEH_WARM")),
            stream=_yes_or_no("BOKEH_STREAM", read("BOKEH_STREAM")),
            forward_headers=_words(read("BOKEH_FORWARD_HEADERS")),
            forward_cookies=_words(read("BOKEH_FORWARD_COOKIES")),
            max_sessions=number("BOKEH_MAX_SESSIONS", int, "a whole number of sessions"),
            session_lifetime=number("BOKEH_SESSION_LIFETIME", float, "seconds"),
            dev=_yes_or_no("BOKEH_DEV", read("BOKEH_DEV")),
            max_message=number("BOKEH_MAX_MESSAGE", int, "a whole number of bytes"),
            trusted_proxies=trusted_proxies,
            max_connects=number("BOKEH_MAX_CONNECTS", int, "a whole number"),
            frame_ancestors=_policy("BOKEH_FRAME_ANCESTORS", read("BOKEH_FRAME_ANCESTORS")),
            csp_unsafe_eval=_yes_or_no("BOKEH_CSP_UNSAFE_EVAL", read("BOKEH_CSP_UNSAFE_EVAL")),
            csp_sources=_policy("BOKEH_CSP_SOURCES", read("BOKEH_CSP_SOURCES")),
            secret_keys=_secret_keys(config.get("SECRET_KEY"), config.get("SECRET_KEY_FALLBACKS")),
        )


def warn_unknown(config: Mapping[str, Any]) -> None:
    """Warn about every ``BOKEH_…`` key that means nothing, with the nearest one that does."""
    for key in config:
        if key.startswith("BOKEH_") and key not in DEFAULTS:
            near = difflib.get_close_matches(key, DEFAULTS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            log.warning("There is no setting %s%s", key, hint)


def _number(key: str, value: Any, kind: Callable[[Any], Number], unit: str) -> Number:
    try:
        number = kind(str(value))
    except ValueError:
        number = kind(0)
    if not 0 < number < float("inf"):
        raise SettingsError(f"{key} must be {unit} above 0, not {value!r}")
    return number


def _words(value: Any) -> tuple[str, ...]:
    """Return the parts of ``one, two``, or of a list in Python."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(word for part in parts if (word := str(part).strip()))


def _yes_or_no(key: str, value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in ("1", "true", "yes", "on", "0", "false", "no", "off", ""):
        raise SettingsError(f"{key} must be 1 or 0, not {value!r}")
    return text in ("1", "true", "yes", "on")


def _warm(value: Any) -> dict[str, int]:
    """Read ``sliders:2,ohlc:1``."""
    sizes = {}
    for word in _words(value):
        name, colon, size = word.rpartition(":")
        if not colon or not name:
            raise SettingsError(f"BOKEH_WARM must be like 'sliders:2,ohlc:1', not {value!r}")
        sizes[name] = _number("BOKEH_WARM", size, int, "a whole number of sessions for each application")
    return sizes


def _policy(key: str, value: Any) -> str:
    text = " ".join(str(value).split())
    if not text or not text.isascii() or any(mark in text for mark in ";,"):
        raise SettingsError(f"{key} must be sources such as 'self' https://example.org, not {value!r}")
    return text


def _url(key: str, value: str) -> str:
    """Return the URL without a slash at its end."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable or parts.query or parts.fragment:
        raise SettingsError(f"{key} must be a URL such as http://localhost:5006, not {value!r}")
    return value.rstrip("/")


def _secret_keys(value: Any, fallbacks: Any) -> tuple[bytes, ...]:
    if not value:
        # Not for ever, but the same in all workers of one start: a page of one can attach through another.
        authkey = bytes(multiprocessing.current_process().authkey)
        return (hmac.digest(authkey, b"quart-bokeh SECRET_KEY", "sha256"),)
    older = [fallbacks] if isinstance(fallbacks, str | bytes) else list(fallbacks or ())
    keys = tuple(key if isinstance(key, bytes) else str(key).encode() for key in [value, *older])
    for number, key in enumerate(keys):
        if len(key) < 32:
            name = "SECRET_KEY_FALLBACKS: each" if number else "SECRET_KEY"
            raise SettingsError(f"{name} must have at least 32 bytes, not {len(key)}")
    return keys

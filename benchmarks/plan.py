"""How much is measured: full, quick (five minutes), or smoke (only checks that it works)."""

from __future__ import annotations

from dataclasses import dataclass

MEASURES = ("pages", "first-plot", "round-trips", "slider", "stalls", "resources", "lifetimes")


@dataclass(frozen=True)
class Plan:
    """Counts and seconds of one run."""

    rounds: int
    """Rounds of pages, round trips and sliders; each contestant is measured once in each."""
    sequential_pages: int
    """Pages opened one after the other, in a round."""
    concurrent_pages: int
    """Pages opened at each concurrency, in a round."""
    concurrency: tuple[int, ...]
    """Numbers of clients that open pages at the same time."""
    round_trip_seconds: float
    """Duration of the round trips for each number of connections, in a round."""
    connections: tuple[int, ...]
    plot_rounds: int
    """Rounds of first plots in Chromium."""
    networks: tuple[str, ...]
    all_applications: bool
    """Whether Chromium opens the slow, the large and the streaming application too."""
    slider_changes: int
    """Slider changes in Chromium, in a round."""
    expiring_sessions: int
    """Sessions that expire unused while the latency of another session is measured."""
    expiring_lifetime: float
    """Seconds after which these sessions expire."""
    open_sessions: int
    """Sessions that are open at the same time when memory is measured."""
    resource_pages: int
    """Pages opened before descriptors, threads and memory are measured again."""
    idle_seconds: float
    """Seconds without requests before they are measured a last time."""
    starts: int
    """Starts and stops of every contestant."""
    contestants: tuple[str, ...] = ()
    """Names of those to run; empty: all but ``excluded``."""
    isolated: tuple[str, ...] = ()
    """Names of those to run in measures that start each contestant alone; empty: all."""
    excluded: tuple[str, ...] = ()
    """Names of those that run only if ``contestants`` contains them."""
    measures: tuple[str, ...] = MEASURES


FULL = Plan(
    rounds=5,
    sequential_pages=20,
    concurrent_pages=160,
    concurrency=(8, 32),
    round_trip_seconds=3,
    connections=(1, 8, 64),
    plot_rounds=5,
    networks=("none", "40 ms", "100 ms", "40 ms real", "100 ms real"),
    all_applications=True,
    slider_changes=30,
    expiring_sessions=400,
    expiring_lifetime=45,
    open_sessions=100,
    resource_pages=2000,
    idle_seconds=60,
    starts=5,
)
QUICK = Plan(
    rounds=1,
    sequential_pages=4,
    concurrent_pages=32,
    concurrency=(8,),
    round_trip_seconds=0.5,
    connections=(1, 8),
    plot_rounds=1,
    networks=("none", "40 ms"),
    all_applications=False,
    slider_changes=8,
    expiring_sessions=30,
    expiring_lifetime=2,
    open_sessions=12,
    resource_pages=32,
    idle_seconds=1,
    starts=1,
    excluded=("quart-server", "quart-uvloop"),
    isolated=("quart-relay", "recipe-flask", "bokeh-serve", "panel", "bokeh-fastapi", "bokeh-asgi", "before"),
)
SMOKE = Plan(
    rounds=1,
    sequential_pages=2,
    concurrent_pages=8,
    concurrency=(8,),
    round_trip_seconds=0.2,
    connections=(1, 2),
    plot_rounds=1,
    networks=("none",),
    all_applications=False,
    slider_changes=2,
    expiring_sessions=3,
    expiring_lifetime=1,
    open_sessions=4,
    resource_pages=8,
    idle_seconds=0.1,
    starts=1,
    contestants=("quart-relay", "quart-direct", "bokeh-serve", "recipe-quart"),
)

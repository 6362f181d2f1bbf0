"""How much is measured: full, quick (five minutes), or smoke (does it run at all)."""

from __future__ import annotations

from dataclasses import dataclass

MEASURES = ("pages", "first-plot", "round-trips", "slider", "stalls", "resources", "lifetimes")


@dataclass(frozen=True)
class Plan:
    """Counts and seconds of one run."""

    rounds: int
    """How often every contestant has its turn."""
    visits: int
    """Pages one at a time, in a round."""
    crowd: int
    """Pages that they open together, in a round."""
    crowds: tuple[int, ...]
    """How many visitors at once."""
    seconds: float
    """Of round trips, for each number of connections, in a round."""
    connections: tuple[int, ...]
    plots: int
    """Rounds of first plots in Chromium."""
    networks: tuple[str, ...]
    longer: bool
    """Whether the slow, the large and the streaming application are looked at in Chromium too."""
    changes: int
    """Slider changes in Chromium, in a round."""
    expiring: int
    """Pages whose sessions end unused while a bystander waits."""
    lifetime: float
    """Seconds that those sessions live unused."""
    open: int
    """Sessions open at once while memory is looked at."""
    views: int
    """Pages until descriptors, threads and memory are looked at again."""
    rest: float
    """Seconds until they are looked at once more."""
    starts: int
    """How often every contestant is started and stopped."""
    contestants: tuple[str, ...] = ()
    """Only these; empty: all."""
    alone: tuple[str, ...] = ()
    """Of these only what takes a start for each of them; empty: of all."""
    left_out: tuple[str, ...] = ()
    """Not these, unless somebody names them."""
    measures: tuple[str, ...] = MEASURES


FULL = Plan(
    rounds=5,
    visits=20,
    crowd=160,
    crowds=(8, 32),
    seconds=3,
    connections=(1, 8, 64),
    plots=5,
    networks=("none", "40 ms", "100 ms", "40 ms real", "100 ms real"),
    longer=True,
    changes=30,
    expiring=400,
    lifetime=45,
    open=100,
    views=2000,
    rest=60,
    starts=5,
)
QUICK = Plan(
    rounds=1,
    visits=4,
    crowd=32,
    crowds=(8,),
    seconds=0.5,
    connections=(1, 8),
    plots=1,
    networks=("none", "40 ms"),
    longer=False,
    changes=8,
    expiring=30,
    lifetime=2,
    open=12,
    views=32,
    rest=1,
    starts=1,
    left_out=("quart-server", "quart-uvloop"),
    alone=("quart-relay", "recipe-flask", "bokeh-serve", "panel", "bokeh-fastapi", "bokeh-asgi"),
)
SMOKE = Plan(
    rounds=1,
    visits=2,
    crowd=8,
    crowds=(8,),
    seconds=0.2,
    connections=(1, 2),
    plots=1,
    networks=("none",),
    longer=False,
    changes=2,
    expiring=3,
    lifetime=1,
    open=4,
    views=8,
    rest=0.1,
    starts=1,
    contestants=("quart-relay", "quart-direct", "bokeh-serve", "recipe-quart"),
)

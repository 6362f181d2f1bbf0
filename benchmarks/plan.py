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
    """Pages at 8, and at 32 at once, in a round."""
    seconds: float
    """Of round trips, for each number of connections, in a round."""
    connections: tuple[int, ...]
    plots: int
    """Rounds of first plots in Chromium."""
    networks: tuple[str, ...]
    longer: bool
    """Whether first plots of the slow and the large application are looked at too."""
    changes: int
    """Slider changes in Chromium, in a round."""
    expiring: int
    """Pages whose sessions end unused while a bystander waits."""
    lifetime: float
    """Seconds that those sessions live unused."""
    views: int
    """Pages until descriptors, threads and memory are looked at again."""
    rest: float
    """Seconds until they are looked at once more."""
    starts: int
    """How often every contestant is started and stopped."""
    contestants: tuple[str, ...] = ()
    """Only these; empty: all."""
    measures: tuple[str, ...] = MEASURES


FULL = Plan(
    rounds=5,
    visits=20,
    crowd=160,
    seconds=3,
    connections=(1, 8, 64),
    plots=5,
    networks=("none", "40 ms", "100 ms", "40 ms real", "100 ms real"),
    longer=True,
    changes=30,
    expiring=400,
    lifetime=45,
    views=2000,
    rest=60,
    starts=5,
)
QUICK = Plan(
    rounds=2,
    visits=5,
    crowd=32,
    seconds=0.5,
    connections=(1, 8, 64),
    plots=1,
    networks=("none", "40 ms"),
    longer=False,
    changes=8,
    expiring=40,
    lifetime=4,
    views=60,
    rest=2,
    starts=1,
)
SMOKE = Plan(
    rounds=1,
    visits=2,
    crowd=8,
    seconds=0.2,
    connections=(1, 2),
    plots=1,
    networks=("none",),
    longer=False,
    changes=2,
    expiring=3,
    lifetime=1,
    views=8,
    rest=0.1,
    starts=1,
    contestants=("quart-relay", "quart-direct", "bokeh-serve", "recipe-quart"),
)

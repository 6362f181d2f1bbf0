"""What was measured: every single value with its round, and the figures made from them."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Quantity:
    """One thing that is measured for every contestant: one column of a table."""

    measure: str
    name: str
    unit: str
    better: str = "lower"
    """``lower``, ``higher``, or empty where neither is better."""


@dataclass(frozen=True)
class Summary:
    """The figures of one contestant's values."""

    n: int
    median: float
    p99: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summarize(values: Sequence[float]) -> Summary:
    """Return the figures of one or more values."""
    return Summary(
        len(values),
        statistics.median(values),
        quantile(values, 0.99),
        quantile(values, 0.25),
        quantile(values, 0.75),
    )


@dataclass
class Results:
    """All values of a run, by quantity and contestant, and what there is to say about them."""

    values: dict[Quantity, dict[str, list[tuple[int, float]]]] = field(default_factory=dict)
    failures: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    """Counted reasons, by measure and contestant."""
    absent: dict[str, str] = field(default_factory=dict)
    """Contestants that did not take part, with the reason."""
    remarks: list[str] = field(default_factory=list)

    def add(self, quantity: Quantity, contestant: str, turn: int, values: Iterable[float]) -> None:
        self.values.setdefault(quantity, {}).setdefault(contestant, []).extend((turn, v) for v in values)

    def fail(self, measure: str, contestant: str, reason: str) -> None:
        self.failures.setdefault((measure, contestant), Counter())[reason] += 1

    def remark(self, text: str) -> None:
        if text not in self.remarks:
            self.remarks.append(text)

    def summary(self, quantity: Quantity, contestant: str) -> Summary | None:
        """Return a contestant's figures, None where it has no value."""
        pairs = self.values.get(quantity, {}).get(contestant)
        return summarize([value for _, value in pairs]) if pairs else None

    def ratio(self, quantity: Quantity, contestant: str, reference: str) -> float | None:
        """Return how many times the reference's value a contestant's is.

        The median of the rounds' ratios, so that only values from the same minute are compared.
        """
        ours, theirs = (self._by_turn(quantity, name) for name in (contestant, reference))
        ratios = [ours[turn] / theirs[turn] for turn in ours.keys() & theirs.keys() if theirs[turn]]
        return statistics.median(ratios) if ratios else None

    def _by_turn(self, quantity: Quantity, contestant: str) -> dict[int, float]:
        turns: dict[int, list[float]] = {}
        for turn, value in self.values.get(quantity, {}).get(contestant, []):
            turns.setdefault(turn, []).append(value)
        return {turn: statistics.median(values) for turn, values in turns.items()}

    def as_json(self) -> dict[str, Any]:
        """Return the figures, and the median of every round, for a file."""
        return {
            "absent": self.absent,
            "remarks": self.remarks,
            "failures": [
                {"measure": measure, "contestant": name, "reasons": dict(reasons)}
                for (measure, name), reasons in self.failures.items()
            ],
            "quantities": [
                {
                    **vars(quantity),
                    "contestants": {
                        name: {
                            **vars(summarize([value for _, value in pairs])),
                            "turns": list(self._by_turn(quantity, name).values()),
                        }
                        for name, pairs in contestants.items()
                    },
                }
                for quantity, contestants in self.values.items()
            ],
        }

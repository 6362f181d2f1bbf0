"""The measured values with their rounds, and the statistics computed from them."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Quantity:
    """Something that is measured for every contestant: a column of a table."""

    measure: str
    name: str
    unit: str
    """``1`` for a number without a unit."""
    better: str = "lower"
    """``lower`` or ``higher``; empty if neither is better."""


@dataclass(frozen=True)
class Summary:
    """Statistics of a contestant's values."""

    n: int
    median: float
    p99: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""


def quantile(values: Sequence[float], fraction: float) -> float:
    """Return the smallest value that at least this fraction of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]


def summarize(values: Sequence[float]) -> Summary:
    """Return the statistics of one or more values."""
    return Summary(
        len(values),
        statistics.median(values),
        quantile(values, 0.99),
        quantile(values, 0.25),
        quantile(values, 0.75),
    )


@dataclass
class Results:
    """All values of a run by quantity and contestant, with failures and remarks."""

    values: dict[Quantity, dict[str, list[tuple[int, float]]]] = field(default_factory=dict)
    """Pairs of round number and value."""
    failures: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    """Counts of reasons, by measure and contestant."""
    absent: dict[str, str] = field(default_factory=dict)
    """Contestants that did not run, with the reason."""
    remarks: list[str] = field(default_factory=list)

    def add(self, quantity: Quantity, contestant: str, round_number: int, values: Iterable[float]) -> None:
        pairs = self.values.setdefault(quantity, {}).setdefault(contestant, [])
        pairs.extend((round_number, value) for value in values)

    def add_failure(self, measure: str, contestant: str, reason: str) -> None:
        self.failures.setdefault((measure, contestant), Counter())[reason] += 1

    def add_remark(self, text: str) -> None:
        """Add a sentence to the report, unless it is there already."""
        if text not in self.remarks:
            self.remarks.append(text)

    def summary(self, quantity: Quantity, contestant: str) -> Summary | None:
        """Return the statistics of a contestant; None if it has no values."""
        pairs = self.values.get(quantity, {}).get(contestant)
        return summarize([value for _, value in pairs]) if pairs else None

    def ratio(self, quantity: Quantity, contestant: str, reference: str) -> float | None:
        """Return the ratio of a contestant's values to those of the reference.

        It is the median of the ratios of all rounds, so that only values of about the same time are compared.
        """
        medians, references = (self._round_medians(quantity, name) for name in (contestant, reference))
        shared = medians.keys() & references.keys()
        ratios = [medians[number] / references[number] for number in shared if references[number]]
        return statistics.median(ratios) if ratios else None

    def _round_medians(self, quantity: Quantity, contestant: str) -> dict[int, float]:
        """Return the median of each round, by round number."""
        rounds: dict[int, list[float]] = {}
        for round_number, value in self.values.get(quantity, {}).get(contestant, []):
            rounds.setdefault(round_number, []).append(value)
        return {round_number: statistics.median(values) for round_number, values in rounds.items()}

    def as_json(self) -> dict[str, Any]:
        """Return the statistics, and the median of every round, as data for a JSON file."""
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
                            "rounds": list(self._round_medians(quantity, name).values()),
                        }
                        for name, pairs in contestants.items()
                    },
                }
                for quantity, contestants in self.values.items()
            ],
        }

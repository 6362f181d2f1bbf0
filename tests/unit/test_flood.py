from __future__ import annotations

from quart_app.relay import ratelimit as flood
from quart_app.relay.ratelimit import Limit


def test_a_limit_fills_again_with_time_and_for_each_name_alone():
    limit = Limit(per_minute=2)
    assert [limit.take("a", now=0) for _ in range(3)] == [True, True, False]
    assert limit.take("b", now=0)
    assert not limit.take("a", now=29)
    assert limit.take("a", now=31)
    assert [limit.take("a", now=1000) for _ in range(3)] == [True, True, False]


def test_a_limit_does_not_grow_with_the_number_of_names(monkeypatch):
    monkeypatch.setattr(flood, "REMEMBERED", 10)
    limit = Limit(per_minute=1)
    for number in range(100):
        limit.take(str(number), now=number)
    assert len(limit._left) == 10

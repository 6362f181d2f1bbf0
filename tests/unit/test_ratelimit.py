from __future__ import annotations

from quart_app.relay import ratelimit
from quart_app.relay.ratelimit import TokenBuckets


def test_a_bucket_holds_a_minutes_quota_and_refills_with_time_for_each_key():
    buckets = TokenBuckets(per_minute=2)
    assert [buckets.take("a", now=0) for _ in range(3)] == [True, True, False]
    assert buckets.take("b", now=0)
    assert not buckets.take("a", now=29)
    assert buckets.take("a", now=31)
    assert [buckets.take("a", now=1000) for _ in range(3)] == [True, True, False]


def test_the_least_recently_used_buckets_are_dropped_above_a_limit(monkeypatch):
    monkeypatch.setattr(ratelimit, "MAX_KEYS", 10)
    buckets = TokenBuckets(per_minute=1)
    for number in range(100):
        assert buckets.take(str(number), now=number)
    assert list(buckets._buckets) == [str(number) for number in range(90, 100)]

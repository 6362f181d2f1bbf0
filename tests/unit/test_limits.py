from __future__ import annotations

import pytest

from quart_app.sessions.errors import TooManyFromOne, TooManyWaiting
from quart_app.sessions.limits import Waiting


def test_pages_above_the_limits_are_refused_until_a_place_is_given_back():
    waiting = Waiting(total=3, per_visitor=2, per_address=3)
    places = [waiting.admit(visitor="a", address="1"), waiting.admit(visitor="a", address="2")]
    with pytest.raises(TooManyFromOne):
        waiting.admit(visitor="a", address="3")
    places.append(waiting.admit(visitor=None, address=None))
    with pytest.raises(TooManyWaiting):
        waiting.admit(visitor="b", address="1")
    assert repr(waiting) == "<Waiting 3 of 3>"
    with places[0]:
        pass
    places[0].release()  # given back once, however often
    assert repr(waiting) == "<Waiting 2 of 3>"
    waiting.admit(visitor="a", address="1")


def test_one_address_is_limited_whoever_asks():
    waiting = Waiting(total=10, per_visitor=2, per_address=3)
    for visitor in ("a", "b", None):
        waiting.admit(visitor=visitor, address="1")
    with pytest.raises(TooManyFromOne):
        waiting.admit(visitor="c", address="1")
    assert waiting.admit(visitor="c", address="2")

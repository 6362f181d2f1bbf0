from __future__ import annotations

from quart_app.engine.garbage import CollectionSchedule


def test_a_collection_is_due_a_second_after_the_last_end_and_five_after_the_last_collection():
    schedule = CollectionSchedule(lambda: 0)
    assert not schedule.is_due(now=100)
    schedule.record_session_end(now=100)
    assert not schedule.is_due(now=100.5)
    assert schedule.is_due(now=102)
    schedule.record_collection(now=102, seconds=0.01)
    schedule.record_session_end(now=103)
    assert not schedule.is_due(now=105)
    assert schedule.is_due(now=108)


def test_a_collection_is_due_after_ten_seconds_in_which_sessions_end_all_the_time():
    schedule = CollectionSchedule(lambda: 0)
    for tenth in range(101):
        schedule.record_session_end(now=100 + tenth / 10)
    assert schedule.is_due(now=110)


def test_a_long_collection_is_due_when_as_many_sessions_have_ended_as_are_alive():
    schedule = CollectionSchedule(lambda: 400)
    schedule.record_collection(now=0, seconds=0.2)
    for _ in range(399):
        schedule.record_session_end(now=100)
    assert not schedule.is_due(now=102)
    schedule.record_session_end(now=102)
    assert schedule.is_due(now=104)


def test_collections_take_at_most_a_fiftieth_of_the_time():
    schedule = CollectionSchedule(lambda: 1)
    schedule.record_collection(now=100, seconds=2)
    schedule.record_session_end(now=101)
    assert not schedule.is_due(now=199)
    assert schedule.is_due(now=201)

"""Buckets of tokens by key, in virtual time."""

from __future__ import annotations

import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio.throttle import Throttle


def throttle(**options: Any) -> Throttle[str]:
    defaults = {"burst": 2, "interval": 10.0, "max_interval": 40.0, "max_keys": 100}
    return Throttle(**(defaults | options))


def test_a_bucket_gives_so_many_and_then_says_how_long_to_wait():
    bucket = throttle()
    assert [bucket.take("A", now=0) for _ in range(4)] == [0, 0, 20, 20]
    assert bucket.take("B", now=0) == 0, "nobody else is held up"
    assert bucket.take("A", now=15) == 5
    assert bucket.take("A", now=20) == 0


def test_each_time_it_is_emptied_the_wait_is_longer_up_to_a_bound_f_29():
    bucket, now, waits = throttle(), 0.0, []
    for _ in range(6):
        while not (wait := bucket.take("A", now=now)):
            pass
        waits.append(wait)
        now += wait
    assert waits == [20, 40, 40, 40, 40, 40]


def test_all_is_forgiven_once_the_bucket_is_full():
    bucket = throttle()
    for _ in range(3):
        bucket.take("A", now=0)
    assert bucket.take("A", now=40) == 0
    assert [bucket.take("A", now=40) for _ in range(2)] == [0, 20]


def test_what_is_given_back_can_be_taken_and_a_full_bucket_is_not_kept():
    bucket = throttle()
    bucket.give_back("A")
    assert len(bucket) == 0
    bucket.take("A", now=0)
    bucket.take("A", now=0)
    assert bucket.is_empty("A")
    bucket.give_back("A")
    assert not bucket.is_empty("A")
    assert len(bucket) == 1
    bucket.give_back("A")
    assert len(bucket) == 0
    assert not bucket.is_empty("A")


def test_a_bucket_whose_last_token_is_given_back_has_not_been_emptied_f_29():
    bucket = throttle(burst=2, max_interval=1000.0)
    assert bucket.take("A", now=0) == 0
    for _ in range(10):
        assert bucket.take("A", now=0) == 0
        bucket.give_back("A")
    assert [bucket.take("A", now=0) for _ in range(2)] == [0, 20]
    bucket.give_back("A")
    bucket.give_back("A")
    assert len(bucket) == 0


def test_what_has_been_done_already_is_charged_and_doubles_the_wait_when_there_is_no_token_f_29():
    bucket = throttle()
    assert [bucket.charge("A", now=0) for _ in range(2)] == [False, True]
    assert bucket.take("A", now=0) == 20
    assert [bucket.charge("A", now=0) for _ in range(2000)] == [False] * 2000
    assert bucket.take("A", now=0) == 40


def test_a_bucket_that_was_emptied_is_recovering_until_it_is_full():
    bucket = throttle()
    assert not bucket.is_recovering("A", now=0)
    bucket.take("A", now=0)
    assert not bucket.is_recovering("A", now=0)
    bucket.take("A", now=0)
    assert [bucket.is_recovering("A", now=now) for now in (0, 20, 39, 40)] == [True, True, True, False]
    assert len(bucket) == 0


def test_without_a_bound_nobody_waits():
    bucket = throttle(burst=None)
    assert {bucket.take("A", now=0) for _ in range(1000)} == {0}
    bucket.give_back("A")
    assert not bucket.charge("A", now=0)
    assert not bucket.is_recovering("A", now=0)
    assert not bucket.is_empty("A")
    assert len(bucket) == 0


def test_time_that_goes_backwards_brings_nothing():
    bucket = throttle()
    bucket.take("A", now=100)
    bucket.take("A", now=100)
    assert bucket.take("A", now=0) == 20
    assert bucket.take("A", now=110) == 10


def test_the_bucket_asked_for_longest_ago_makes_room_f_129():
    bucket = throttle(burst=1, max_keys=2)
    assert [bucket.take(key, now=0) for key in "ABAC"] == [0, 0, 20, 0]
    assert len(bucket) == 2
    assert bucket.take("A", now=0) == 20, "it was asked for after B"
    assert bucket.take("B", now=0) == 0


def test_any_number_of_attempts_leaves_memory_as_it_is_f_29_f_129():
    bucket = throttle(max_keys=1000)
    tracemalloc.start()
    try:
        for number in range(10_000):
            bucket.take(f"key {number}", now=0)
        before, _ = tracemalloc.get_traced_memory()
        for number in range(100_000):
            bucket.take(f"key {number}", now=number)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bucket) == 1000
    assert max(after, peak) - before < 2**18
    for number in range(100_000):
        bucket.take("one key", now=number * 1e-3)
    assert len(bucket) == 1000


@given(st.lists(st.tuples(st.sampled_from("AB"), st.booleans(), st.floats(0, 100)), max_size=100))
def test_who_waits_as_long_as_is_said_gets_a_token_and_no_sooner(steps: list[tuple[str, bool, float]]):
    bucket, now = throttle(), 0.0
    for key, patient, pause in steps:
        wait = bucket.take(key, now=now)
        if not wait:
            now += pause
            continue
        assert 0 < wait <= 40
        assert bucket.take(key, now=now + wait / 2) > 0
        now += wait + 1e-6 if patient else wait / 2
        if patient:
            assert bucket.take(key, now=now) == 0

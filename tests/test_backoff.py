"""The wait before the next attempt to connect, to the second."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio.backoff import LONGEST_WAIT, Backoff


def test_the_wait_doubles_five_times_and_stays_there_rpc_126_rpc_128() -> None:
    assert [Backoff().wait(attempt, 0.0) for attempt in range(8)] == [10, 20, 40, 80, 160, 320, 320, 320]


def test_each_wait_has_a_random_part_of_its_own_which_is_not_doubled_rpc_127() -> None:
    chances = (0.5, 0.0, 1.0, 0.25)
    assert [Backoff().wait(attempt, chance) for attempt, chance in enumerate(chances)] == [15, 20, 50, 82.5]


def test_its_numbers_are_the_users() -> None:
    backoff = Backoff(minimum=1, repeats=2, random_range=4)
    assert [backoff.wait(attempt, 0.5) for attempt in range(4)] == [3, 4, 6, 6]
    unchanging = Backoff(minimum=3, repeats=0, random_range=0)
    assert [unchanging.wait(attempt, 1.0) for attempt in range(3)] == [3, 3, 3]


def test_what_has_to_pass_in_any_case_is_a_floor_to_which_chance_adds() -> None:
    assert Backoff().wait(0, 0.0, at_least=60) == 60
    assert Backoff().wait(0, 0.5, at_least=60) == 65
    assert Backoff().wait(3, 0.5, at_least=60) == 85
    assert Backoff().wait(0, 0.0, at_least=-math.inf) == 10


@given(
    minimum=st.floats(0, allow_infinity=False),
    repeats=st.integers(0),
    attempt=st.integers(0),
    chance=st.floats(0, 1),
)
def test_it_never_lasts_longer_than_a_day_however_it_is_configured(
    minimum: float, repeats: int, attempt: int, chance: float
) -> None:
    assert 0 <= Backoff(minimum=minimum, repeats=repeats).wait(attempt, chance) <= LONGEST_WAIT + 10


@pytest.mark.parametrize("name", ["minimum", "repeats", "random_range"])
def test_a_number_below_zero_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Backoff(**{name: -1})


@pytest.mark.parametrize("name", ["minimum", "random_range"])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_time_that_never_ends_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Backoff(**{name: value})

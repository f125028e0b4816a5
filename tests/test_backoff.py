"""The wait before the next attempt to connect, to the second."""

from __future__ import annotations

import pytest

from ocpp_sansio.backoff import Backoff


def test_the_wait_doubles_five_times_and_stays_there_rpc_126_rpc_128() -> None:
    backoff = Backoff()
    assert [backoff.wait(0.0) for _ in range(8)] == [10, 20, 40, 80, 160, 320, 320, 320]


def test_each_wait_has_a_random_part_of_its_own_which_is_not_doubled_rpc_127() -> None:
    backoff = Backoff()
    assert [backoff.wait(chance) for chance in (0.5, 0.0, 1.0, 0.25)] == [15, 20, 50, 82.5]


def test_after_a_connection_it_begins_anew_rpc_126() -> None:
    backoff = Backoff()
    assert [backoff.wait(0.0), backoff.wait(0.0)] == [10, 20]
    backoff.reset()
    assert [backoff.wait(0.0), backoff.wait(0.0)] == [10, 20]


def test_its_numbers_are_the_users() -> None:
    backoff = Backoff(minimum=1, repeats=2, random_range=4)
    assert [backoff.wait(0.5) for _ in range(4)] == [3, 4, 6, 6]
    unchanging = Backoff(minimum=3, repeats=0, random_range=0)
    assert [unchanging.wait(1.0) for _ in range(3)] == [3, 3, 3]


@pytest.mark.parametrize("name", ["minimum", "repeats", "random_range"])
def test_a_number_below_zero_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Backoff(**{name: -1})

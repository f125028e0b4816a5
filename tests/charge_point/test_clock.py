"""The clock of a charge point: an anchor, and what was noted before it was right."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ocpp_sansio.charge_point.clock import Clock, Moment
from tests.charge_point.harness import EPOCH

WRONG = datetime(1970, 1, 1, tzinfo=UTC)


def clock(utc=WRONG, *, trusted=False, boot=3):
    return Clock(utc, now=100.0, trusted=trusted, boot=boot)


def test_it_goes_on_from_its_anchor():
    """D-19."""
    assert clock(EPOCH).utc(160.5) == EPOCH + timedelta(seconds=60.5)


def test_it_knows_milliseconds_and_no_more():
    """RPC-102."""
    assert clock(EPOCH).utc(100.0015) == EPOCH + timedelta(milliseconds=1)


def test_a_time_in_another_zone_is_the_same_time():
    """RPC-102."""
    zone = timezone(timedelta(hours=5))
    assert clock(EPOCH.astimezone(zone)).utc(100.0).tzinfo is UTC
    ours = clock()
    assert ours.set(EPOCH.astimezone(zone), now=100.0)
    assert (ours.utc(100.0), ours.utc(100.0).tzinfo) == (EPOCH, UTC)


def test_what_is_noted_says_what_was_known():
    """D-19."""
    assert clock().moment(105.0) == Moment(WRONG + timedelta(seconds=5), 3, 105.0, trusted=False)
    assert clock(EPOCH, trusted=True).moment(100.0).trusted


def test_what_was_noted_before_the_clock_was_right_is_put_right():
    """D-19, CP16-011."""
    ours = clock()
    noted = ours.moment(105.0)
    assert ours.set(EPOCH, now=110.0)
    assert ours.is_trusted
    assert ours.corrected(noted) == Moment(EPOCH - timedelta(seconds=5), 3, 105.0, trusted=True)


def test_as_long_as_nobody_knows_better_it_stays():
    """D-19."""
    ours = clock()
    noted = ours.moment(105.0)
    assert ours.corrected(noted) is noted


def test_what_was_known_is_not_touched():
    """D-19."""
    ours = clock(EPOCH, trusted=True)
    noted = ours.moment(105.0)
    ours.set(EPOCH + timedelta(hours=1), now=110.0)
    assert ours.corrected(noted) is noted


def test_what_another_boot_noted_cannot_be_put_right():
    """D-19."""
    ours = clock(EPOCH, trusted=True, boot=4)
    noted = clock().moment(105.0)
    assert ours.corrected(noted) is noted


@pytest.mark.parametrize(
    "utc",
    [
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
    ],
)
def test_a_time_that_cannot_be_is_passed_over(utc):
    """D-19: nothing a peer says makes a clock run over."""
    ours = clock()
    assert not ours.set(utc, now=100.0)
    assert not ours.is_trusted
    assert ours.utc(100.0) == WRONG

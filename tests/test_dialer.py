"""When a charge point connects, and where to: the exact schedule, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import Backoff, ConnectionClosed, ConnectionRefused, Dialer, DialFailure, LocalProtocolError
from ocpp_sansio.dialer import MAX_RETRY_AFTER, Cause, retry_after

DOWN = ConnectionRefusedError(111, "connection refused")
LOST = ConnectionClosed(1006, "", by_peer=True)
DATED = {"date": "Tue, 14 Apr 2026 10:00:00 GMT"}


def no_chance() -> float:
    return 0.0


def refused(status: int | None, **headers: str) -> ConnectionRefused:
    return ConnectionRefused(status, "because", {name.replace("_", "-"): text for name, text in headers.items()})


class World:
    """A clock, and what becomes of each attempt."""

    def __init__(self, *targets: str, chance: Callable[[], float] = no_chance, **options: object) -> None:
        self.now = 1000.0
        self.dialer = Dialer(targets or ("A",), now=self.now, chance=chance, **options)  # type: ignore[arg-type]

    def attempt(self) -> tuple[float, str]:
        """Wait for the next attempt: after how many seconds, and where it leads."""
        due = self.dialer.next_timeout()
        assert due is not None
        waited = due - self.now
        if waited > 0:
            assert self.dialer.dial(now=due - 0.001) is None, "not before it is time"
        self.now = due
        target = self.dialer.dial(now=self.now)
        assert target is not None
        assert self.dialer.next_timeout() is None
        return waited, target

    def fails(self, cause: Cause = DOWN, after: float = 0.0) -> tuple[float, str]:
        """The next attempt, which fails so many seconds after it was begun."""
        attempt = self.attempt()
        self.now += after
        self.dialer.failed(cause, now=self.now)
        return attempt

    def succeeds(self, for_seconds: float = 3600.0) -> tuple[float, str]:
        """The next attempt, which leads to a connection, which is lost in the end."""
        attempt = self.attempt()
        self.dialer.connected(now=self.now)
        assert self.dialer.is_connected
        assert self.dialer.next_timeout() is None
        self.now += for_seconds
        self.dialer.failed(LOST, now=self.now)
        assert not self.dialer.is_connected
        return attempt


# -- one target --


def test_the_first_attempt_of_all_is_made_at_once_and_the_others_after_doubling_waits_f_15_rpc_126() -> None:
    world = World()
    assert [world.fails() for _ in range(8)] == [(wait, "A") for wait in (0, 10, 20, 40, 80, 160, 320, 320)]


def test_after_a_loss_the_first_attempt_waits_as_well_and_it_begins_anew_f_15_rpc_126() -> None:
    world = World()
    assert world.succeeds() == (0, "A")
    assert [world.fails()[0] for _ in range(3)] == [10, 20, 40]
    assert world.succeeds() == (80, "A")
    assert [world.fails()[0] for _ in range(2)] == [10, 20]


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        pytest.param(None, [0, 15, 20, 50, 80, 165, 320, 330], id="1.6: our own numbers"),
        pytest.param(Backoff(minimum=30, repeats=2, random_range=60), [0, 60, 60, 180, 120, 150, 120, 180], id="2.0.1"),
        pytest.param(Backoff(minimum=5, repeats=3, random_range=0), [0, 5, 10, 20, 40, 40, 40, 40], id="2.1"),
    ],
)
def test_the_schedule_of_each_version_to_the_second_f_15_rpc_127_rpc_128(
    backoff: Backoff | None, waits: list[float]
) -> None:
    chances = cycle([0.5, 0.0, 1.0, 0.0])
    world = World(chance=lambda: next(chances), backoff=backoff)
    assert [world.fails()[0] for _ in range(8)] == waits


def test_a_wait_counts_from_when_the_attempt_has_failed_f_15() -> None:
    world = World()
    assert world.fails(TimeoutError(), after=30.0) == (0, "A")  # connect hangs
    assert world.now == 1030.0
    assert world.fails() == (10, "A")
    assert world.now == 1040.0


def test_it_never_gives_up_f_15_rpc_129() -> None:
    world = World("A", "B")
    targets = [world.fails()[1] for _ in range(2000)]
    assert targets[:9] == ["A", "A", "A", "B", "B", "B", "A", "A", "A"]
    assert targets[-1] == "A"
    assert world.succeeds() == (320, "A")


# -- several targets --


def test_each_target_has_its_attempts_in_order_of_priority_and_over_again_rpc_129() -> None:
    world = World("A", "B", "C", attempts=2)
    assert [world.fails()[1] for _ in range(8)] == ["A", "A", "B", "B", "C", "C", "A", "A"]


def test_failures_drive_the_wait_wherever_the_attempts_lead_rpc_126_rpc_129() -> None:
    world = World("A", "B", attempts=1)
    assert [world.fails() for _ in range(4)] == [(0, "A"), (10, "B"), (20, "A"), (40, "B")]


def test_after_a_loss_the_first_in_priority_is_tried_first_rpc_129() -> None:
    world = World("A", "B", attempts=1)
    assert [world.fails(), world.succeeds()] == [(0, "A"), (10, "B")]
    assert [world.fails(), world.fails(), world.fails()] == [(10, "A"), (20, "B"), (40, "A")]


# -- what a server says --


@pytest.mark.parametrize("status", [None, 301, 302, 307, 308, 400, 401, 403, 404, 426, 500, 502, 504])
def test_a_refusal_is_a_failure_like_any_other_and_no_redirect_is_followed_f_16_rpc_015(status: int | None) -> None:
    world = World()
    elsewhere = refused(status, location="ws://elsewhere/", retry_after="7200")
    assert [world.fails(elsewhere) for _ in range(3)] == [(0, "A"), (10, "A"), (20, "A")]
    assert world.dialer.last_failure == DialFailure("A", elsewhere, 40)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_can_ask_for_patience_f_16(status: int) -> None:
    world = World()
    busy = refused(status, retry_after="60")
    assert [world.fails(busy)[0] for _ in range(6)] == [0, 60, 60, 60, 80, 160]


@pytest.mark.parametrize("status", [429, 503])
def test_without_retry_after_it_is_a_failure_like_any_other_f_16(status: int) -> None:
    world = World()
    assert [world.fails(refused(status))[0] for _ in range(3)] == [0, 10, 20]


def test_those_who_were_asked_for_patience_do_not_come_back_all_at_once_f_16() -> None:
    world = World(chance=lambda: 0.5)
    world.fails(refused(503, retry_after="60"))
    assert world.attempt() == (65, "A")


def test_nobody_can_park_a_charge_point_for_years_f_16() -> None:
    world = World()
    world.fails(refused(503, retry_after="9" * 5000))
    assert world.fails(refused(503, **DATED, retry_after="Wed, 14 Apr 2060 10:00:00 GMT")) == (MAX_RETRY_AFTER, "A")
    assert world.attempt() == (MAX_RETRY_AFTER, "A")


def test_what_one_server_asks_for_holds_up_no_attempt_at_another_f_16_rpc_129() -> None:
    world = World("A", "B", attempts=1)
    assert world.fails(refused(429, retry_after="100")) == (0, "A")
    assert world.fails() == (10, "B")
    assert world.fails() == (90, "A")
    assert world.succeeds(for_seconds=1.0) == (40, "B")
    assert world.fails() == (10, "A")


def test_what_a_server_asked_for_holds_also_after_a_loss_of_another_connection_f_16() -> None:
    world = World("A", "B", attempts=1)
    world.fails(refused(503, retry_after="100"))
    assert world.succeeds(for_seconds=5.0) == (10, "B")
    assert world.attempt() == (85, "A")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "Tue, 14 Apr 2026 10:01:30 GMT", **DATED}, 90),
        ({"retry-after": "Tuesday, 14-Apr-26 10:01:30 GMT", **DATED}, 90),
        ({"retry-after": "Tue Apr 14 10:01:30 2026", **DATED}, 90),
        ({"retry-after": "Tue, 14 Apr 2026 09:00:00 GMT", **DATED}, 0),
        ({"retry-after": "Tue, 14 Apr 2026 10:01:30 GMT"}, None),
        ({"retry-after": "Tue, 14 Apr 2026 10:01:30 GMT", "date": "today"}, None),
        ({"retry-after": "120, 120", **DATED}, None),
        ({"retry-after": "-1", **DATED}, None),
        ({"retry-after": "1.5", **DATED}, None),
        ({"retry-after": "٣", **DATED}, None),
        ({"retry-after": "soon", **DATED}, None),
        ({"retry-after": "", **DATED}, None),
        (DATED, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_clock_of_the_server_f_16(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


@given(st.text() | st.from_regex(r"[A-Za-z]{3}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d [+-]?\w{1,6}"))
def test_whatever_a_server_sends_there_nothing_raises_f_16(text: str) -> None:
    seconds = retry_after({"retry-after": text, **DATED})
    assert seconds is None or seconds >= 0


# -- time --


def test_a_clock_that_goes_backwards_changes_nothing_f_136() -> None:
    world = World()
    world.fails()
    assert world.dialer.dial(now=0.0) is None
    assert world.dialer.next_timeout() == 1010.0
    assert world.dialer.dial(now=1010.0) == "A"
    world.dialer.failed(DOWN, now=500.0)
    assert world.dialer.next_timeout() == 1030.0


def test_after_an_hour_of_standstill_there_is_one_attempt_and_no_storm_f_136() -> None:
    world = World()
    world.fails()
    world.now += 3600.0
    assert world.dialer.dial(now=world.now) == "A"
    assert world.dialer.dial(now=world.now) is None
    world.dialer.failed(DOWN, now=world.now)
    assert world.attempt() == (20, "A")


def test_a_standstill_while_an_attempt_is_under_way_or_a_connection_open_is_only_time_f_136() -> None:
    world = World()
    assert world.fails(TimeoutError(), after=3600.0) == (0, "A")
    assert world.succeeds(for_seconds=3600.0) == (10, "A")
    assert world.attempt() == (10, "A")


# -- what there is to say --


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (refused(401), "HTTP 401: because"),
        (refused(None), "because"),
        (LOST, "closed with 1006"),
        (ConnectionClosed(1001, "shutting down", by_peer=True), "closed with 1001: shutting down"),
        (DOWN, str(DOWN)),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_a_failure_says_why_f_15_f_16(cause: Cause, text: str) -> None:
    assert str(DialFailure("A", cause, 10.0)) == text


def test_the_last_failure_is_kept_and_says_where_and_how_long_f_15() -> None:
    world = World("A", "B", attempts=1)
    assert world.dialer.last_failure is None
    world.attempt()
    assert world.dialer.target == "A"
    failure = world.dialer.failed(DOWN, now=world.now)
    assert failure == DialFailure("A", DOWN, 10) == world.dialer.last_failure
    assert world.dialer.target == "B"
    world.succeeds()
    assert world.dialer.last_failure == DialFailure("B", LOST, 10)


# -- misuse --


def test_there_have_to_be_targets_and_attempts() -> None:
    with pytest.raises(ValueError, match="one or more targets"):
        Dialer([], now=0, chance=no_chance)
    with pytest.raises(ValueError, match="one or more attempts"):
        Dialer(["A"], now=0, chance=no_chance, attempts=0)


def test_only_an_attempt_can_lead_to_a_connection_and_only_one_of_the_two_can_fail() -> None:
    world = World()
    for step in (lambda: world.dialer.connected(now=0), lambda: world.dialer.failed(DOWN, now=0)):
        with pytest.raises(LocalProtocolError, match="under way"):
            step()
    world.attempt()
    world.dialer.connected(now=world.now)
    with pytest.raises(LocalProtocolError, match="under way"):
        world.dialer.connected(now=world.now)


# -- whatever happens --


def outcomes() -> st.SearchStrategy[list[Cause | None]]:
    refusals = st.builds(
        lambda status, seconds: refused(status, retry_after=str(seconds)),
        st.sampled_from([401, 404, 429, 503]),
        st.integers(0, 10_000),
    )
    return st.lists(st.one_of(st.none(), st.just(DOWN), refusals), max_size=40)


@given(outcomes(), st.integers(1, 4), st.integers(1, 4), st.floats(0, 1))
def test_no_attempt_comes_sooner_than_the_shortest_wait_and_every_target_has_its_turn_f_15(
    story: list[Cause | None], targets: int, attempts: int, chance: float
) -> None:
    names = [str(number) for number in range(targets)]
    world = World(*names, chance=lambda: chance, attempts=attempts)

    def expected() -> Iterator[str]:
        while True:
            for name in names:
                yield from [name] * attempts

    order = expected()
    for number, cause in enumerate(story):
        waited, target = world.succeeds() if cause is None else world.fails(cause)
        assert (9.99 if number else 0) <= waited <= MAX_RETRY_AFTER + 10.01
        assert target == next(order)
        order = expected() if cause is None else order

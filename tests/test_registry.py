"""One identity, one connection, whatever the spelling and whoever comes late."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import Version
from ocpp_sansio.registry import Registry
from ocpp_sansio.version import identity_key
from tests.growth import assert_linear

V16, V201, V21 = Version


@attrs.frozen(eq=False)
class Station:
    identity: str
    version: Version = V16


def test_the_newest_takes_the_place_of_the_one_before_f_33():
    registry, old, new = Registry(), Station("A"), Station("A")
    assert registry.enter(old) == ()
    assert registry.rivals("A", V16) == (old,)
    assert registry.enter(new) == (old,)
    assert dict(registry.stations) == {"A": new}
    assert (registry.is_current(old), registry.is_current(new)) == (False, True)


def test_a_late_close_of_the_one_before_changes_nothing_f_35():
    registry, old, new = Registry(), Station("A", V201), Station("a", V201)
    registry.enter(old)
    registry.enter(new)
    assert not registry.leave(old)
    assert registry.rivals("A", V201) == (new,)
    assert registry.leave(new)
    assert not registry.leave(new)
    assert registry.rivals("A", V201) == ()


def test_two_spellings_are_two_stations_in_1_6_and_one_in_2_x_f_30():
    """RPC-003, RPC-004."""
    registry = Registry()
    upper, lower = Station("CP1"), Station("cp1")
    assert registry.enter(upper) == registry.enter(lower) == ()
    registry = Registry()
    upper, lower = Station("CP1", V201), Station("cp1", V21)
    registry.enter(upper)
    assert registry.enter(lower) == (upper,)
    assert dict(registry.stations) == {"cp1": lower}


def test_a_station_that_changes_its_version_is_the_same_station_f_30():
    registry = Registry()
    before, other, after = Station("CP1"), Station("cp1", V21), Station("CP1", V201)
    registry.enter(before)
    assert registry.enter(other) == (), "in 1.6 it is another one"
    assert registry.enter(after) == (before, other)
    assert dict(registry.stations) == {"CP1": after}
    back = Station("CP1")
    assert registry.enter(back) == (after,)
    assert registry.rivals("cp1", V21) == ()


def test_what_has_been_read_does_not_change_and_is_read_again_after_a_change():
    registry, first, second = Registry(), Station("A"), Station("B", V201)
    empty = registry.stations
    registry.enter(first)
    one = registry.stations
    assert registry.stations is one
    registry.enter(second)
    two = registry.stations
    registry.leave(first)
    assert [dict(each) for each in (empty, one, two)] == [{}, {"A": first}, {"A": first, "B": second}]
    assert dict(registry.stations) == {"B": second}


def test_who_reads_while_it_changes_leaves_nothing_old_behind(monkeypatch: pytest.MonkeyPatch):
    """A thread that has copied the table is overtaken by one that changes it."""
    registry, first, second = Registry(), Station("A"), Station("B")

    class Overtaken(dict[str, Station]):
        def copy(self) -> dict[str, Station]:
            copied = super().copy()
            monkeypatch.setattr(registry, "_stations", dict(self))
            registry.enter(second)
            return copied

    registry.enter(first)
    monkeypatch.setattr(registry, "_stations", Overtaken(registry._stations))
    assert dict(registry.stations) == {"A": first}
    assert dict(registry.stations) == {"A": first, "B": second}


def test_nobody_finds_a_station_absent_while_it_changes_its_connection_f_33(monkeypatch: pytest.MonkeyPatch):
    """Whatever a thread sees that reads between two steps."""
    registry, seen = Registry(), list[set[str]]()

    class Watched(dict[str, Station]):
        def __setitem__(self, key: str, value: Station) -> None:
            super().__setitem__(key, value)
            seen.append({each.lower() for each in self})

        def __delitem__(self, key: str) -> None:
            super().__delitem__(key)
            seen.append({each.lower() for each in self})

    monkeypatch.setattr(registry, "_stations", Watched())
    for name in ("CP1", "CP1", "cp1", "CP1"):
        registry.enter(Station(name, V201))
    assert seen == [{"cp1"}] * 6


def enter_all(stations: list[Station]) -> None:
    registry = Registry()
    for station in stations:
        registry.enter(station)
    for station in stations:
        registry.leave(station)


@pytest.mark.once
def test_the_cost_of_a_station_does_not_grow_with_their_number():
    """Thousands come after a power cut."""
    assert_linear(enter_all, lambda size: [Station(f"CP{number}") for number in range(size)], up_to=2**12)


NAMES = st.sampled_from(["A", "a", "B", "É", "é"])


@given(st.lists(st.tuples(NAMES, st.sampled_from(Version), st.integers(0, 4)), max_size=40))
def test_whatever_comes_and_goes_each_identity_has_the_newest_that_has_not_left_f_33_f_35(
    steps: list[tuple[str, Version, int]],
):
    registry = Registry()
    everybody: list[Station] = []
    open_now: list[Station] = []
    for name, version, number in steps:
        if number and everybody:
            leaver = everybody[-number % len(everybody)]
            assert registry.leave(leaver) is (leaver in open_now)
            open_now = [each for each in open_now if each is not leaver]
            assert registry.leave(leaver) is False
        else:
            station = Station(name, version)
            displaced = registry.enter(station)
            everybody.append(station)
            same = [each for each in open_now if is_same(each, station)]
            assert sorted(map(id, displaced)) == sorted(map(id, same))
            open_now = [each for each in open_now if each not in same] + [station]
        assert dict(registry.stations) == {each.identity: each for each in open_now}
        assert len(registry.stations) == len(open_now)
        assert {each for each in everybody if registry.is_current(each)} == set(open_now)


def is_same(one: Station, other: Station) -> bool:
    caseless = V16 not in (one.version, other.version)
    return one.identity == other.identity or (
        caseless and identity_key(one.identity, V21) == identity_key(other.identity, V21)
    )

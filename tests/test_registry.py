"""One identity, one connection, whatever the spelling and whoever comes late."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import Version
from ocpp_sansio.registry import Registry
from ocpp_sansio.version import identity_key

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

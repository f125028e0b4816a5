"""The store that lives as long as its process, and what values are made of."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import v16
from ocpp_sansio.store import Drop, MemoryStore, Persist, Put, Store, pack, unpack

A, B, C = Put("t", "a", b"1"), Put("t", "b", b"2"), Put("u", "a", b"3")

changes = st.lists(
    st.builds(Put, st.sampled_from("tu"), st.sampled_from("abc"), st.binary(max_size=2))
    | st.builds(Drop, st.sampled_from("tu"), st.sampled_from("abc")),
    max_size=12,
)


def test_what_is_put_is_there_until_it_is_dropped():
    store: Store = MemoryStore()
    assert list(store.load()) == []
    store.commit([A, B, C])
    store.commit([Drop("t", "a"), Drop("t", "never there")])
    store.compact()
    assert list(store.load()) == [B, C]


def test_it_begins_with_what_it_is_given():
    store = MemoryStore([C, A])
    assert store.load() == [C, A]
    assert MemoryStore(store.load()).load() == [C, A]


def test_a_replaced_record_keeps_its_place_and_one_put_anew_goes_to_the_end():
    """D-10."""
    store = MemoryStore([A, B])
    store.commit([Put("t", "a", b"new")])
    assert store.load() == [Put("t", "a", b"new"), B]
    store.commit([Drop("t", "a"), A])
    assert store.load() == [B, A]


def test_what_was_loaded_does_not_change_with_the_store():
    store = MemoryStore([A])
    loaded = store.load()
    store.commit([B])
    assert loaded == [A]


@given(changes, st.data())
def test_it_does_not_matter_how_changes_are_parted_into_batches(history, data):
    whole, parted = MemoryStore(), MemoryStore()
    whole.commit(history)
    while history:
        length = data.draw(st.integers(1, len(history)))
        parted.commit(Persist(tuple(history[:length])).changes)
        history = history[length:]
    assert parted.load() == whole.load()


@attrs.frozen
class Meter:
    at: datetime
    readings: list[int]
    status: v16.ChargePointStatus = v16.ChargePointStatus.AVAILABLE


def test_a_value_is_what_was_packed():
    meter = Meter(datetime(2026, 1, 1, tzinfo=UTC), [1, 2**40], v16.ChargePointStatus.CHARGING)
    assert unpack(Meter, pack(meter)) == meter
    request = v16.AuthorizeRequest(id_tag="TAG")
    assert unpack(v16.AuthorizeRequest, pack(request)) == request
    assert unpack(int, pack(7)) == 7


@pytest.mark.parametrize("value", [b"", b"{", b"{}", b'{"at": 1, "readings": []}', b"\xff", b'{"a":' + b"[" * 10_000])
def test_a_value_that_is_no_such_thing_is_told(value):
    """D-21: whoever reads a record can pass over it."""
    with pytest.raises(ValueError):
        unpack(Meter, value)

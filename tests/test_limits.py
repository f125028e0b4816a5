"""What bounds a peer is itself within bounds, which is found out before a peer comes."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from ocpp_sansio import Limits

COUNTS = [field.name for field in attrs.fields(Limits) if isinstance(field.default, int)]
TIMES = [field.name for field in attrs.fields(Limits) if isinstance(field.default, float)]
OPTIONAL = [field.name for field in attrs.fields(Limits) if "None" in str(field.type)]
MAY_BE_NOTHING = {"max_reported_text", "max_queued_calls", "max_held_calls", "max_replays", "max_expired_calls"}
TOLD_TO_THE_PEER = ["failure_interval", "max_failure_interval", "takeover_interval"]


def limited(name: str, value: Any) -> object:
    options = {name: value}
    return getattr(Limits(**options), name)


def test_each_limit_is_a_count_or_a_time():
    assert sorted(COUNTS + TIMES) == sorted(field.name for field in attrs.fields(Limits))


@pytest.mark.parametrize("name", COUNTS)
def test_what_is_counted_is_a_whole_number(name: str):
    for wrong in (1.5, 1e6, math.inf, "10"):
        with pytest.raises(TypeError, match=name):
            limited(name, wrong)
    assert limited(name, 1) == 1


@pytest.mark.parametrize("name", COUNTS + TIMES)
def test_a_limit_is_positive(name: str):
    with pytest.raises(ValueError, match=name):
        limited(name, -1)
    if name in MAY_BE_NOTHING:
        assert limited(name, 0) == 0
    else:
        with pytest.raises(ValueError, match=name):
            limited(name, 0)


@pytest.mark.parametrize("name", TIMES)
def test_a_time_is_a_number(name: str):
    with pytest.raises(ValueError, match=name):
        limited(name, math.nan)
    assert limited(name, 0.5) == 0.5
    assert limited(name, 7) == 7


@pytest.mark.parametrize("name", TOLD_TO_THE_PEER)
def test_who_is_held_up_can_be_told_for_how_long_f_29_f_36(name: str):
    with pytest.raises(ValueError, match=name):
        limited(name, math.inf)


@pytest.mark.parametrize("name", OPTIONAL)
def test_some_limits_can_be_switched_off(name: str):
    assert limited(name, None) is None

"""What a declaration says, in terms of JSON Schema."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import pytest
from msgspec import Meta

from ocpp_sansio.messages import Datatype, Integer, Tenths, Timestamp
from ocpp_sansio.schema import Kind, Property, kind_of, kinds_within, properties, without_none
from ocpp_sansio.v16 import IdTagInfo, Phase


class Example(Datatype, kw_only=True):
    first_name: Annotated[str, Meta(max_length=20)]
    infos: list[IdTagInfo] | None = None


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        (str, Kind(type=str)),
        (bool, Kind(type=bool)),
        (float, Kind(type=float)),
        (Phase, Kind(type=Phase)),
        (IdTagInfo, Kind(type=IdTagInfo)),
        (Annotated[str, Meta(max_length=20)], Kind(type=str, max_length=20)),
        (Annotated[str, Meta(max_length=20)] | None, Kind(type=str, max_length=20)),
        (Integer, Kind(type=int, minimum=-(2**31), maximum=2**31 - 1)),
        (Tenths, Kind(type=float, decimals=1)),
        (Timestamp, Kind(type=datetime)),
        (list[Integer], Kind(type=list, items=kind_of(Integer))),
        (
            Annotated[list[str], Meta(min_length=1, max_length=3)],
            Kind(type=list, items=Kind(type=str), min_items=1, max_items=3),
        ),
    ],
)
def test_a_declared_type_has_a_kind(declared, kind):
    assert kind_of(declared) == kind


@pytest.mark.parametrize(
    "declared", [Any, bytes, str | int, dict[str, str], Annotated[int, Meta(gt=1)], Annotated[str, Meta(pattern="x")]]
)
def test_what_the_schemas_do_not_have_is_refused_rather_than_ignored(declared):
    with pytest.raises(TypeError, match="no JSON Schema keyword"):
        kind_of(declared)


def test_properties_have_both_names_and_know_whether_they_are_required():
    assert properties(Example) == (
        Property("first_name", "firstName", required=True, kind=Kind(type=str, max_length=20)),
        Property("infos", "infos", required=False, kind=Kind(type=list, items=Kind(type=IdTagInfo))),
    )


def test_the_kinds_within_a_class_are_found_at_any_depth():
    inside = [kind.type for kind in kinds_within(kind_of(Example))]
    assert inside[:4] == [Example, str, list, IdTagInfo]
    assert datetime in inside  # the expiry date of an IdTagInfo


def test_only_an_alternative_of_none_is_taken_away():
    assert without_none(str | None) is str
    assert without_none(str | int) == str | int
    assert without_none(str) is str

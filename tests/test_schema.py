"""What a declaration says, in terms of JSON Schema."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import pytest
from msgspec import Meta

from ocpp_sansio import v21, v201
from ocpp_sansio.codec import codec_of
from ocpp_sansio.messages import CustomData, Datatype, Default, Integer, Json, Natural, Tenths, Timestamp
from ocpp_sansio.schema import Kind, Property, in_force, kind_of, kinds_within, properties, without_none
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
        (Natural, Kind(type=int, minimum=0, maximum=2**31 - 1)),
        (CustomData, Kind(type=CustomData)),
        (Json, Kind(type=Json)),
        (Annotated[str, Meta(max_length=20), Default("Wh")], Kind(type=str, max_length=20)),
        (Annotated[Phase, Default(Phase.L1)] | None, Kind(type=Phase)),
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


def test_of_custom_data_the_property_that_all_vendors_have_in_common_is_known():
    assert properties(CustomData) == (
        Property("vendor_id", "vendorId", required=True, kind=Kind(type=str, max_length=255)),
    )


def test_what_is_absent_may_mean_something():
    """SCH-029: its 27 nodes are these properties. Some are in several schemas, or of an enum that several share."""
    defaults = {
        (cls.__name__, prop.wire_name): prop.default
        for cls in vars(v201).values()
        if isinstance(cls, type) and issubclass(cls, Datatype)
        for prop in properties(cls)
        if prop.default is not None
    }
    assert defaults == {
        ("APN", "useOnlyPreferredNetwork"): False,
        ("GetVariableData", "attributeType"): v201.Attribute.ACTUAL,
        ("GetVariableResult", "attributeType"): v201.Attribute.ACTUAL,
        ("NotifyCustomerInformationRequest", "tbc"): False,
        ("NotifyDisplayMessagesRequest", "tbc"): False,
        ("NotifyEventRequest", "tbc"): False,
        ("NotifyMonitoringReportRequest", "tbc"): False,
        ("NotifyReportRequest", "tbc"): False,
        ("ReportChargingProfilesRequest", "tbc"): False,
        ("SampledValue", "context"): v201.ReadingContext.SAMPLE_PERIODIC,
        ("SampledValue", "location"): v201.Location.OUTLET,
        ("SampledValue", "measurand"): v201.Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,
        ("SetMonitoringData", "transaction"): False,
        ("SetVariableData", "attributeType"): v201.Attribute.ACTUAL,
        ("SetVariableResult", "attributeType"): v201.Attribute.ACTUAL,
        ("TransactionEventRequest", "offline"): False,
        ("UnitOfMeasure", "multiplier"): 0,
        ("UnitOfMeasure", "unit"): "Wh",
        ("VariableAttribute", "constant"): False,
        ("VariableAttribute", "mutability"): v201.Mutability.READ_WRITE,
        ("VariableAttribute", "persistent"): False,
        ("VariableAttribute", "type"): v201.Attribute.ACTUAL,
    }


def test_the_value_in_force_is_the_own_one_or_the_default():
    unit = v21.UnitOfMeasure(unit="kWh")
    assert (in_force(unit, "unit"), in_force(unit, "multiplier"), in_force(unit, "custom_data")) == ("kWh", 0, None)
    assert unit.multiplier is None
    assert in_force(v21.SampledValue(value=1), "location") is v21.Location.OUTLET
    with pytest.raises(AttributeError):
        in_force(unit, "factor")


def test_a_default_is_not_sent_for_what_was_left_out():
    codec = codec_of(v21.UnitOfMeasure)
    assert codec.decode("{}") == v21.UnitOfMeasure()
    assert codec.encode(v21.UnitOfMeasure()) == b"{}"
    assert codec.encode(v21.UnitOfMeasure(multiplier=0)) == b'{"multiplier":0}'


def test_the_kinds_within_a_class_are_found_at_any_depth():
    inside = [kind.type for kind in kinds_within(kind_of(Example))]
    assert inside[:4] == [Example, str, list, IdTagInfo]
    assert datetime in inside  # the expiry date of an IdTagInfo


class Menu(Datatype, kw_only=True):
    above: Menu | None = None


class Folder(Datatype, kw_only=True):
    files: list[File]


class File(Datatype, kw_only=True):
    folder: Folder | None = None


@pytest.mark.parametrize("cls", [Menu, Folder, File])
def test_a_data_type_that_holds_itself_is_refused(cls):
    with pytest.raises(TypeError, match=f"{cls.__name__} holds itself"):
        codec_of(cls)


def test_a_data_type_may_occur_twice_if_not_inside_itself():
    class Pair(Datatype, kw_only=True):
        left: Example
        right: Example

    assert [kind.type for kind in kinds_within(kind_of(Pair))].count(Example) == 2


def test_only_an_alternative_of_none_is_taken_away():
    assert without_none(str | None) is str
    assert without_none(str | int) == str | int
    assert without_none(str) is str

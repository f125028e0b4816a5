"""What every message class can do: be read as an attrs class, and be paired with its response and direction."""

import copy
import pickle
from datetime import UTC, datetime
from typing import Annotated

import attrs
import cattrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import v16, v21, v201
from ocpp_sansio.messages import (
    Action,
    Actions,
    Datatype,
    FromChargePoint,
    Request,
    Response,
    Role,
    SendFromChargePoint,
    response_of,
)

Count = Annotated[int, msgspec.Meta(ge=0)]
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
BOOT = v16.BootNotificationRequest(charge_point_vendor="vendor", charge_point_model="model", imsi="1")
PROFILE = v16.ChargingProfile(
    charging_profile_id=1,
    stack_level=0,
    charging_profile_purpose=v16.ChargingProfilePurposeType.TX_PROFILE,
    charging_profile_kind=v16.ChargingProfileKindType.ABSOLUTE,
    valid_from=NOON,
    charging_schedule=v16.ChargingSchedule(
        charging_rate_unit=v16.ChargingRateUnitType.A,
        charging_schedule_period=[v16.ChargingSchedulePeriod(start_period=0, limit=16.1)],
    ),
)
REMOTE_START = v16.RemoteStartTransactionRequest(id_tag="abc", charging_profile=PROFILE)

CLASSES = [
    value
    for version in (v16, v201, v21)
    for value in vars(version).values()
    if isinstance(value, type) and issubclass(value, Datatype)
]


def fresh() -> tuple[type[Response], type[Request]]:
    """Two classes that nobody has asked for their attrs yet."""

    class Answer(Response, kw_only=True):
        status: str
        notes: list[str] = msgspec.field(default_factory=list)

    class Question(FromChargePoint[Answer], kw_only=True):
        text: str = msgspec.field(name="TEXT")
        answer: Answer | None = None

    return Answer, Question


# ---------------------------------------------------------------------------------------------------------- structs


def test_a_message_is_frozen_and_hashable_by_its_value():
    same = v16.BootNotificationRequest(charge_point_vendor="vendor", charge_point_model="model", imsi="1")
    assert (same, hash(same)) == (BOOT, hash(BOOT))
    with pytest.raises(AttributeError):
        BOOT.imsi = "2"


def test_a_message_takes_no_positional_arguments():
    with pytest.raises(TypeError):
        v16.AuthorizeRequest("abc")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_is_strict_lean_and_documented(cls):
    config = cls.__struct_config__
    assert config.frozen
    assert config.omit_defaults
    assert config.forbid_unknown_fields
    assert not config.gc
    assert cls.__doc__
    assert cls.__dictoffset__ == 0


@pytest.mark.parametrize("annotation", ["Count | None", Count | None, int | None, None | int])
def test_an_optional_property_may_be_absent_but_not_null(annotation):
    """RPC-038, whether the annotations of a module are evaluated at once or not."""
    cls = type(Datatype)("Own", (Datatype,), {"__annotations__": {"x": annotation}, "x": None, "__module__": __name__})
    assert msgspec.json.decode(b"{}", type=cls) == cls()
    assert msgspec.json.decode(b'{"x":1}', type=cls) == cls(x=1)
    assert attrs.fields(cls).x.type in (Count | None, int | None)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"x":null}', type=cls)


# ------------------------------------------------------------------------------------------------------------ attrs


@pytest.mark.parametrize("annotation", ["Optional[str]", "None | str", "Union[str, None]"])
def test_any_other_way_to_declare_an_optional_property_is_refused(annotation):
    """RPC-038: it would let null in."""
    with pytest.raises(TypeError, match=r"T \| None"):
        type("Vendor", (Datatype,), {"__annotations__": {"text": annotation}, "text": None})


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_has_the_struct_s_fields_types_defaults_and_wire_names_as_attrs(cls):
    assert attrs.has(cls)
    ours = [(f.name, f.type, f.default, f.metadata["wire_name"], f.kw_only) for f in attrs.fields(cls)]
    assert ours == [
        (f.name, f.type, attrs.NOTHING, f.encode_name, True)
        if f.required
        else (f.name, f.type | None, None, f.encode_name, True)
        for f in msgspec.structs.fields(cls)
    ]


def test_attrs_are_attached_when_first_asked_for_and_then_stay():
    answer, _ = fresh()
    first = vars(answer)["__attrs_attrs__"]
    assert not isinstance(first, tuple)
    assert attrs.fields(answer) is attrs.fields(answer)
    assert isinstance(vars(answer)["__attrs_attrs__"], tuple)


def test_a_class_does_not_inherit_the_attrs_of_its_base():
    answer, _ = fresh()
    assert attrs.fields(Response) == ()

    class Longer(answer, kw_only=True):
        more: int

    assert [f.name for f in attrs.fields(answer)] == ["status", "notes"]
    assert [f.name for f in attrs.fields(Longer)] == ["status", "notes", "more"]


def test_default_factories_and_wire_names_that_are_not_camel_case_are_told():
    answer, question = fresh()
    assert attrs.fields(answer).notes.default == attrs.Factory(list)
    assert attrs.fields(question).text.metadata == {"wire_name": "TEXT"}


def test_asking_for_attrs_changes_nothing_about_the_struct():
    _, question = fresh()
    before, names = question(text="a"), {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__match_args__"}
    methods = {name: getattr(question, name) for name in names}
    attrs.fields(question)
    assert {name: getattr(question, name) for name in names} == methods
    assert (question(text="a"), repr(question(text="a"))) == (before, repr(before))
    with pytest.raises(AttributeError):
        before.text = "b"


def test_evolve_makes_a_changed_copy():
    later = attrs.evolve(BOOT, imsi=None, iccid="2")
    assert (later.charge_point_vendor, later.imsi, later.iccid, BOOT.imsi) == ("vendor", None, "2", "1")
    with pytest.raises(TypeError):
        attrs.evolve(BOOT, nonsense=1)


def test_asdict_goes_all_the_way_down():
    result = attrs.asdict(REMOTE_START)
    assert result["id_tag"] == "abc"
    assert result["charging_profile"]["charging_schedule"]["charging_schedule_period"] == [
        {"start_period": 0, "limit": 16.1, "number_phases": None}
    ]


def test_cattrs_takes_a_message_apart_and_puts_it_together():
    converter = cattrs.Converter()
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    apart = converter.unstructure(REMOTE_START)
    assert apart["charging_profile"]["valid_from"] == "2026-01-02T12:00:00+00:00"
    assert apart["charging_profile"]["charging_profile_kind"] == "Absolute"
    assert converter.structure(apart, v16.RemoteStartTransactionRequest) == REMOTE_START


@given(st.data())
def test_hypothesis_builds_messages_from_their_types(data):
    cls = data.draw(st.sampled_from(CLASSES))
    assert isinstance(data.draw(st.from_type(cls)), cls)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_message_can_be_copied_and_pickled(duplicate):
    attrs.fields(v16.RemoteStartTransactionRequest)
    assert duplicate(REMOTE_START) == REMOTE_START


# ----------------------------------------------------------------------------------------- roles, actions, directions


def test_each_role_is_the_other_s_peer():
    assert Role.CHARGE_POINT.peer is Role.CENTRAL_SYSTEM
    assert Role.CENTRAL_SYSTEM.peer is Role.CHARGE_POINT
    assert [str(role) for role in Role] == ["charge point", "central system"]


@pytest.mark.parametrize(
    ("name", "charge_point", "central_system"),
    [("Heartbeat", True, False), ("Reset", False, True), ("DataTransfer", True, True)],
)
def test_an_action_knows_who_sends_it(name, charge_point, central_system):
    action = v16.ACTIONS[name]
    assert action.sent_by(Role.CHARGE_POINT) is charge_point
    assert action.sent_by(Role.CENTRAL_SYSTEM) is central_system


def test_actions_are_found_by_name_and_by_request_class():
    answer, question = fresh()
    action = Action("Ask", question, answer, "Core")
    actions = Actions(action)
    assert dict(actions) == {"Ask": action}
    assert (len(actions), list(actions)) == (1, ["Ask"])
    assert actions.of(question) is action
    assert actions.of(v16.HeartbeatRequest) is None


def test_an_action_has_the_response_that_its_request_declares():
    answer, question = fresh()

    class Narrower(question, kw_only=True):
        more: int | None = None

    class News(SendFromChargePoint, kw_only=True):
        text: str

    assert Action("Ask", question) == Action("Ask", question, answer)
    assert Action("Ask", Narrower).response is answer
    assert Action("Tell", News) == Action("Tell", News, None)
    for actions in (v16.ACTIONS, v201.ACTIONS, v21.ACTIONS):
        assert all(response_of(action.request) is action.response for action in actions.values())


def test_an_action_that_nobody_sends_is_refused():
    class Nobody(Request[v16.ResetResponse]):
        pass

    with pytest.raises(TypeError, match="Nobody is neither FromChargePoint nor FromCentralSystem"):
        v16.ACTIONS.extended(Action("Ask", Nobody))


def test_actions_are_extended_without_a_change_to_those_they_extend():
    _, question = fresh()
    action = Action("Ask", question)
    extended = v16.ACTIONS.extended(action)
    assert dict(extended) == {**v16.ACTIONS, "Ask": action}
    assert extended.of(question) is action
    assert "Ask" not in v16.ACTIONS
    assert v16.ACTIONS.of(question) is None
    assert extended == extended  # noqa: PLR0124 - that it is, is what is tested
    assert len({v16.ACTIONS, extended, v16.ACTIONS.extended(action)}) == 3


def test_what_the_protocol_defines_cannot_be_redefined():
    _, question = fresh()
    with pytest.raises(ValueError, match="an action Reset with a ResetRequest already"):
        v16.ACTIONS.extended(Action("Reset", question))
    with pytest.raises(ValueError, match="an action Reset with a ResetRequest already"):
        v16.ACTIONS.extended(Action("Restart", v16.ResetRequest))
    with pytest.raises(ValueError, match="an action Ask with a Question already"):
        v16.ACTIONS.extended(Action("Ask", question), Action("AskAgain", question))


def test_everything_that_crosses_the_wire_is_a_datatype():
    assert all(issubclass(cls, Datatype) for cls in CLASSES)

"""The message classes of all versions against the official schemas, which another validator judges (F-72, SCH-060…066).

For each of the 387 schemas: a hundred generated payloads or more get the same verdict from our codec and from the
schema, and of dozens of near misses both find the one violation that is there, and no other. Where the two are meant to
differ, the difference has a name, a rule and an example below, and nothing else is excused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

import attrs
import jsonschema_rs
import pytest
from hypothesis import strategies as st

from ocpp_sansio import Version
from ocpp_sansio.codec import PayloadError, codec_of
from ocpp_sansio.diagnosis import diagnose
from ocpp_sansio.messages import Datatype
from ocpp_sansio.testing.strategies import NearMiss, near_misses, payloads
from tests.examples import generated
from tests.journey import truncated

pytestmark = [pytest.mark.once, pytest.mark.no_cover]

FOLDERS = {Version.V16: "v16", Version.V201: "v201", Version.V21: "v21"}
PAYLOADS = {Version.V16: (210, 200), Version.V201: (110, 100), Version.V21: (110, 100)}
"""Of each schema: how many are generated at least, and how many of them are different at least."""
NEAR_MISSES = {Version.V16: (150, 50), Version.V201: (40, 30), Version.V21: (40, 30)}


def classes(version: Version) -> Iterator[tuple[str, type[Datatype]]]:
    """The classes of a version by the names of their schemas, as these are in the folders."""
    request = "" if version is Version.V16 else "Request"
    for name, action in version.actions.items():
        if action.response is None:
            yield f"{FOLDERS[version]}/{name}", action.request
        else:
            yield f"{FOLDERS[version]}/{name}{request}", action.request
            yield f"{FOLDERS[version]}/{name}Response", action.response


CLASSES: dict[str, type[Datatype]] = {file: cls for version in Version for file, cls in classes(version)}
VERSIONS = {file: version for version in Version for file, _ in classes(version)}

of_every_message = pytest.mark.parametrize("file", CLASSES, scope="module")
"""By its scope the tests of a message come one behind the other: they share the payloads."""

# They are generated alike each time: this suite compares two judges, it does not go exploring.


def different(strategy: st.SearchStrategy[Any], count: int, at_least: int) -> list[Any]:
    """What is different among so many values, or among more of them where that is not enough."""
    found: dict[str, Any] = {}
    while len(found) < at_least and count < 20 * at_least:
        found = {repr(value): value for value in generated(strategy, count)}
        count *= 2
    return list(found.values())


@cache
def pool(cls: Any) -> list[Any]:
    """Payloads of a data type; those of others that are inside come from pools of their own."""
    return generated(payloads(cls, inside=from_pool), 30)


def from_pool(cls: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(pool(cls))


# Where a class has few payloads, or one, there are still many ways to write it.
BLANKS = st.text(" \t\r\n", max_size=20)


@cache
def examples(file: str) -> list[tuple[Any, str]]:
    """Valid payloads of a message, each with some blanks to write it with."""
    return different(st.tuples(payloads(CLASSES[file], inside=from_pool), BLANKS), *PAYLOADS[VERSIONS[file]])


@attrs.frozen
class Difference:
    """A way in which we differ from a schema on purpose, with a payload on which we do."""

    rules: str
    file: str
    payload: dict[str, Any] | str


# What a schema refuses and we take.
TAKEN = {
    "uri": Difference("SCH-025", "v16/GetDiagnostics", {"location": "10.0.0.1"}),
    "empty sampledValue": Difference(
        "SCH-060",
        "v16/MeterValues",
        {"connectorId": 1, "meterValue": [{"timestamp": "2026-11-22T18:04:59Z", "sampledValue": []}]},
    ),
    "Hertz": Difference(
        "SCH-060",
        "v16/StopTransaction",
        {
            "meterStop": 1,
            "transactionId": 1,
            "timestamp": "2026-11-22T18:04:59Z",
            "transactionData": [
                {"timestamp": "2026-11-22T18:04:59Z", "sampledValue": [{"value": "50", "unit": "Hertz"}]},
            ],
        },
    ),
    "blank in date": Difference(
        "RPC-101", "v16/AuthorizeResponse", {"idTagInfo": {"status": "Expired", "expiryDate": "2026-11-22 18:04:59Z"}}
    ),
    "offset without colon": Difference(
        "RPC-101",
        "v16/AuthorizeResponse",
        {"idTagInfo": {"status": "Expired", "expiryDate": "2026-11-22T18:04:59-0300"}},
    ),
}

# What a schema takes and we refuse.
REFUSED = {
    "beyond 32 bits": Difference("RPC-103, RPC-106", "v16/CancelReservation", {"reservationId": 2**31}),
    # Draft 06, which the security extension uses, calls 1.0 an integer. Draft 04 does not, and neither do we (RPC-106).
    "integral float": Difference("RPC-106", "v16/LogStatusNotification", '{"status": "Idle", "requestId": 1.0}'),
    "leap second": Difference("F-111", "v16/HeartbeatResponse", {"currentTime": "2016-12-31T23:59:60Z"}),
    "year 0": Difference("F-111", "v16/HeartbeatResponse", {"currentTime": "0000-01-01T00:00:00Z"}),
    "rounds beyond year 9999": Difference(
        "F-111", "v16/HeartbeatResponse", {"currentTime": "9999-12-31T23:59:59.9999999Z"}
    ),
    "too deep": Difference(
        "F-65", "v201/HeartbeatRequest", f'{{"customData": {{"vendorId": "v", "x": {"[" * 32}{"]" * 32}}}}}'
    ),
    "beyond 64 bits": Difference("F-62", "v21/DataTransferRequest", '{"vendorId": "v", "data": [1e400]}'),
}

# Of what a schema says more than we do: what is no string is no member of an enum either (RPC-092: one code is enough).
SAID_TWICE = Difference("RPC-092", "v16/LogStatusNotification", {"status": 1})


def read_schema(file: str) -> jsonschema_rs.Draft4Validator:
    folder, _, name = file.partition("/")
    text = resources.files("ocpp").joinpath(folder, "schemas", f"{name}.json").read_text("utf-8-sig")
    return jsonschema_rs.validator_for(json.loads(text), validate_formats=True)


VALIDATORS = {file: read_schema(file) for file in CLASSES}


def differences(file: str, text: str) -> set[str]:
    """The names of the differences that a payload shows; what has no name here fails the test.

    Numbers are read as decimals, so that the schema's ``multipleOf: 0.1`` is decided exactly.
    """
    payload = json.loads(text, parse_float=Decimal)
    theirs = list(VALIDATORS[file].iter_errors(payload))
    ours = diagnose(CLASSES[file], text)
    try:
        codec_of(CLASSES[file]).decode(text)
    except PayloadError:
        assert ours, text
    else:
        assert ours == (), text
    if theirs and not ours:
        names = {name_of_taken(file, error): error for error in theirs}
        if None in names:
            pytest.fail(f"{file} refuses what we take: {names[None].message}")
        return set(filter(None, names))
    if ours and not theirs:
        return {name_of_refused(payload, violation.path, violation.rule) for violation in ours}
    return set()


def name_of_taken(file: str, error: jsonschema_rs.ValidationError) -> str | None:
    keyword, instance = error.schema_path[-1], error.instance
    match file, error.instance_path[-1:], keyword, instance:
        case _, ["location"], "format", _:
            return "uri"
        case "v16/MeterValues", ["sampledValue"], "minItems", _:
            return "empty sampledValue"
        case "v16/StopTransaction", ["unit"], "enum", "Hertz":
            return "Hertz"
        case _, _, "format", str(date) if date[10:11] == " ":
            return "blank in date"
        case _, _, "format", str(date) if date[-5:-4] in ("+", "-"):
            return "offset without colon"
        case _:
            return None


def value_at(payload: Any, path: str) -> Any:
    value = payload
    for step in path.removeprefix("$.").replace("[", ".").replace("]", "").split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def name_of_refused(payload: Any, path: str, rule: str) -> str:
    match rule, value_at(payload, path):
        case "json", dict():
            return "too deep"
        case "maximum", list():
            return "beyond 64 bits"
        case (("minimum" | "maximum"), int()):
            return "beyond 32 bits"
        case "type", Decimal() as value if value == int(value):
            return "integral float"
        case "format", str(date) if date[17:19] == "60":
            return "leap second"
        case "format", str(date) if date.startswith("0000-"):
            return "year 0"
        case "format", str(date) if date.startswith("9999-12-31T23:59:59.9999999"):
            return "rounds beyond year 9999"
    pytest.fail(f"we refuse {path} by {rule}, the schema takes it")


@of_every_message
def test_generated_payloads_fit_the_official_schema_and_decode(file):
    """F-72: what is made of them fits it again when it is sent, and is the same when it is read again."""
    codec, seen = codec_of(CLASSES[file]), set()
    for payload, blanks in examples(file):
        text = json.dumps(payload, separators=("," + blanks, blanks + ":")) + blanks
        seen.add(text)
        message = codec.decode(text)
        names = differences(file, text)
        assert names <= TAKEN.keys()
        sent = codec.encode(message)
        assert codec.decode(sent) == truncated(message)
        assert names or VALIDATORS[file].is_valid(json.loads(sent, parse_float=Decimal)), text
    assert len(seen) >= PAYLOADS[VERSIONS[file]][1]


def judged(file: str, miss: NearMiss) -> str:
    """``exact``, or the name of the difference, if both judges find in a near miss what it says, and nothing else."""
    text = json.dumps(miss.payload)
    with pytest.raises(PayloadError):
        codec_of(CLASSES[file]).decode(text)
    assert [(each.path, each.rule) for each in diagnose(CLASSES[file], text)] == [(miss.path, miss.rule)]

    payload = json.loads(text, parse_float=Decimal)
    theirs = [error for error in VALIDATORS[file].iter_errors(payload) if not name_of_taken(file, error)]
    assert {path_of(error, payload) for error in theirs} <= {miss.path}, text
    match miss.rule, sorted(error.schema_path[-1] for error in theirs):
        case rule, [theirs] if rule == theirs:
            return "exact"
        case (("minimum" | "maximum"), []) if value_at(payload, miss.path) in (-(2**31) - 1, 2**31):
            return "beyond 32 bits"
        case "type", ["enum", "type"]:
            return "no member either"
        case rules:
            pytest.fail(f"{file} finds {rules} in {text}")


def path_of(error: jsonschema_rs.ValidationError, payload: dict[str, Any]) -> str:
    """Where a violation is: that of a property that is missing, or has no place, where it is or should be."""
    steps = list(error.instance_path)
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            steps.append(name)
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=[name]):
            steps.append(name)
        case jsonschema_rs.ValidationErrorKind.FalseSchema():  # No property has a place.
            steps += payload
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def near_misses_of(file: str, count: int, at_least: int) -> list[NearMiss]:
    valid = st.sampled_from([payload for payload, _ in examples(file)])
    return different(near_misses(CLASSES[file], valid=valid), count, at_least)


@of_every_message
def test_a_near_miss_breaks_the_official_schema_exactly_where_and_as_it_says(file):
    count, at_least = NEAR_MISSES[VERSIONS[file]]
    misses = near_misses_of(file, count, at_least)
    assert len(misses) >= at_least
    assert {judged(file, miss) for miss in misses} <= {"exact", "beyond 32 bits", "no member either"}


@pytest.mark.long
@of_every_message
def test_many_near_misses_do(file):
    for miss in near_misses_of(file, 1500, 100):
        judged(file, miss)


@pytest.mark.parametrize("name", TAKEN)
def test_what_a_schema_refuses_and_we_take_is_shown_by_an_example(name):
    example = TAKEN[name]
    text = json.dumps(example.payload)
    codec_of(CLASSES[example.file]).decode(text)
    assert differences(example.file, text) == {name}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_schema_takes_and_we_refuse_is_shown_by_an_example(name):
    example = REFUSED[name]
    text = example.payload if isinstance(example.payload, str) else json.dumps(example.payload)
    with pytest.raises(PayloadError):
        codec_of(CLASSES[example.file]).decode(text)
    assert differences(example.file, text) == {name}


def test_of_an_enum_s_value_of_another_type_a_schema_says_two_things():
    miss = NearMiss(SAID_TWICE.payload, "$.status", "type")
    assert judged(SAID_TWICE.file, miss) == "no member either"


def test_draft_04_does_not_take_an_integral_float_for_an_integer_either():
    """Documented reading of F-64: ``1.0`` is no integer. Most of the 1.6 schemas say the same."""
    assert differences("v16/CancelReservation", '{"reservationId": 1.0}') == set()


def test_every_official_schema_has_its_class():
    files = {
        f"{folder}/{entry.name.removesuffix('.json')}"
        for folder in FOLDERS.values()
        for entry in resources.files("ocpp").joinpath(folder, "schemas").iterdir()
        if entry.name.endswith(".json")
    }
    assert files == set(CLASSES)
    assert len(CLASSES) == 78 + 128 + 181

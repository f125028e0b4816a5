"""Hostile texts: each row of the table makes what it says, of any text, and no session minds (blocks D and E)."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from ocpp_sansio import (
    CallReceived,
    CentralSystemSession,
    ChargePointSession,
    ErrorCode,
    Session,
    Version,
    numbered_ids,
)
from ocpp_sansio import frames as wire
from ocpp_sansio.codec import codec_of
from ocpp_sansio.testing.hostile import (
    HOSTILE_BYTES,
    HOSTILE_TEXTS,
    SIZE,
    Hostility,
    spoil,
    spoil_bytes,
)
from ocpp_sansio.testing.strategies import frames, hostile_bytes, hostile_texts
from tests.examples import SEARCH, examples, generated

ROWS = {row.name: row for row in HOSTILE_TEXTS}
BYTE_ROWS = {row.name: row for row in HOSTILE_BYTES}

MESSAGES = (
    '[2,"1","Heartbeat",{}]',
    '[2, "19223201", "BootNotification", {"chargePointVendor": "Vendor", "chargePointModel": "A\\"B"}]',
    '[3,"1",{"currentTime":"2026-11-22T18:04:59Z","interval":300,"status":"Accepted"}]',
    '[2,"x","MeterValues",{"connectorId":1,"meterValue":[{"sampledValue":[{"value":"1.5"},{"value":"-2"}]}]}]',
    '[4,"162376037","NotSupported","SetDisplayMessageRequest not implemented",{}]',
)


def made(row: Hostility[Any], *, rounds: int = 12, size: int = SIZE) -> list[Any]:
    choices = random.Random(row.name)
    return [row.make(message, choices, size) for message in MESSAGES for _ in range(rounds)]


# -- the table --


def test_every_row_has_a_name_of_its_own_and_the_fault_it_stands_for():
    rows = (*HOSTILE_TEXTS, *HOSTILE_BYTES)
    assert max(Counter(row.name for row in rows).values()) == 1
    assert str(ROWS["two documents"]) == "F-59 two documents"
    # F-71 is about what our own side writes, and F-72 about valid payloads.
    assert {row.fault for row in rows} == {
        *(f"F-{number}" for number in (46, 47, *range(59, 71), 91, 92, 104, 105, 106)),
    }


NOT_JSON = [
    "byte order mark",
    "NUL",
    "garbage before",
    "garbage behind",
    "two documents",
    "comment",
    "blank that JSON does not have",
    "other quotes",
    "name without quotes",
    "other punctuation",
    "number that JSON does not have",
    "literal that JSON does not have",
    "escape that JSON does not have",
    "control character in a string",
    "nothing",
    "truncated",
    "not a finite number",
]


def is_json(text: str | bytes) -> bool:
    """By two judges, of which the second takes numbers of any length, and halves of surrogate pairs."""
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        ours = False
    else:
        ours = True
    try:
        json.loads(text, parse_constant=refuse, parse_int=str)
    except (ValueError, RecursionError):
        theirs = False
    else:
        theirs = True
    assert theirs or not ours
    return theirs


def refuse(name: str) -> None:
    raise ValueError(name)


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_json_is_none_for_another_judge_either(name):
    texts = made(ROWS[name])
    assert len(set(texts)) > 3
    assert not [text for text in texts if is_json(text)]


def numbers(text: str) -> list[str]:
    return re.findall(r"-?\d[\d.eE+-]*", text)


def depth(text: str) -> int:
    deepest = level = 0
    for character in text:
        level += (character in "[{") - (character in "]}")
        deepest = max(deepest, level)
    return deepest


def repeated_names(text: str) -> bool:
    repeated: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated.extend(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        return dict(pairs)

    json.loads(text, object_pairs_hook=look)
    return bool(repeated)


def members(text: str) -> int:
    most = [0]
    json.loads(text, object_pairs_hook=lambda pairs: most.append(len(pairs)))
    return max(most)


def hash_31(name: str) -> int:
    code = 0
    for character in name:
        code = (code * 31 + ord(character)) % 2**32
    return code


def colliding(text: str) -> bool:
    names = re.findall(r'"((?:Aa|BB){16})"', text)
    return len(set(names)) == len(names) > 100 and len({hash_31(name) for name in names}) == 1


def is_frame(text: str) -> bool:
    try:
        wire.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def odd_error(text: str) -> bool:
    elements = json.loads(text)
    return elements[0] in (4, 5) and elements[1] in ("1", "19223201", "x", "162376037")


# Of each other row, what shows that a text is of it.
SIGNS: dict[str, Any] = {
    "blanks without end": lambda text: re.search(r"[ \t\r\n]", text) and is_json(text),
    "number beyond 64 bits": lambda text: any(re.search(r"[eE]", number) for number in numbers(text)),
    "mantissa without end": lambda text: any(re.search(r"\d{400}[.]|[.]0+1", number) for number in numbers(text)),
    "exponent without end": lambda text: any(re.search(r"e9|e-0", number) for number in numbers(text)),
    "integer beyond its range": lambda text: any(
        number == "-0" or abs(int(number)) >= 2**31 for number in re.findall(r"-?\b\d+\b", text)
    ),
    "integer of thousands of digits": lambda text: re.search(r"\d{4301}", text),
    "lookalike of another type": lambda text: text not in MESSAGES,
    "nested value": lambda text: depth(text) > 32 and text.startswith("["),
    "nested message": lambda text: depth(text) > 32,
    "name that occurs twice": repeated_names,
    "name that occurs without end": lambda text: repeated_names(text) and text.count('"a":') > 500,
    "half of a surrogate pair": lambda text: not is_frame(text) or not is_json(json.dumps(json.loads(text))),
    "half of a surrogate pair as it is": lambda text: re.search(r"[\ud800-\udfff]", text),
    "strange character": lambda text: is_json(text) and re.search(r"\\u|[^ -~]", text),
    "combining characters without end": lambda text: is_json(text) and "e\u0301" in text,
    "many properties": lambda text: members(text) >= 500,
    "many properties whose names collide": colliding,
    "many empty values": lambda text: is_json(text) and re.search(r'(\[\]|\{\}|""|0|null),(\1)[],]', text),
    "escapes without end": lambda text: is_json(text) and re.search(r"\\u|\\/", text),
    "string without end": lambda text: is_json(text) and re.search("x{256}|é{256}", text),
    "fraction": lambda text: re.search(r"\d\.\d|\de-\d", text) and is_json(text),
    "elements too few or too many": lambda text: is_json(text) and not is_frame(text),
    "no array": lambda text: not is_frame(text),
    "other message type": lambda text: is_json(text) and text not in MESSAGES,
    "bad message id": lambda text: is_json(text) and json.loads(text)[1] not in ("1", "19223201", "x", "162376037"),
    "unknown action": lambda text: is_json(text) and json.loads(text)[2] not in ("Heartbeat", "MeterValues"),
    "odd error": odd_error,
    "payload that is no object": lambda text: not isinstance(json.loads(text)[-1], dict),
}


@pytest.mark.parametrize("name", SIGNS)
def test_what_a_row_is_about_is_in_each_of_its_texts(name):
    texts = made(ROWS[name])
    assert len(set(texts)) > 3
    assert not [text for text in texts if not SIGNS[name](text)]


def test_every_row_is_looked_at():
    assert {*NOT_JSON, *SIGNS} == ROWS.keys()


@pytest.mark.parametrize("name", BYTE_ROWS)
def test_bytes_are_not_the_message_in_utf_8(name):
    texts = made(BYTE_ROWS[name])
    assert len(set(texts)) > 3
    for data in texts:
        with pytest.raises(ValueError):
            msgspec.json.decode(data)
        if BYTE_ROWS[name].fault == "F-46":
            with pytest.raises(UnicodeDecodeError):
                data.decode()


# -- of any text, and of any length --


@pytest.mark.parametrize("row", [*HOSTILE_TEXTS, *HOSTILE_BYTES], ids=str)
def test_a_row_makes_something_of_any_text(row):
    """A fuzzer hands it what it has made of it before."""
    choices = random.Random(1)
    kind = bytes if row in HOSTILE_BYTES else str
    texts = ["", " ", "x", "[", "]", '"', "{}", "[]", '{"a":1}', "\ud800", '"\\', "]]][", '[2,"1","A",{},[{"']
    texts += [spoil(message, choices, size=40) for message in MESSAGES for _ in range(10)]
    for text in texts:
        assert type(row.make(text, choices, 40)) is kind


@settings(max_examples=examples(60))
@given(st.text(), st.randoms(use_true_random=False))
def test_any_text_can_be_spoiled(text, choices):
    assert isinstance(spoil(text, choices), str)
    assert isinstance(spoil_bytes(text, choices), bytes)
    assert isinstance(spoil_bytes(text.encode(errors="surrogatepass"), choices), bytes)


def test_a_row_adds_no_more_than_it_may_about():
    for size in (1, SIZE, 2**19):
        longest = {row: max(map(len, made(row, rounds=1, size=size))) for row in HOSTILE_TEXTS}
        # The least that some rows need to say what they say: 4301 digits, or a message within a message.
        assert max(longest.values()) < 1.1 * size + 4600
    assert sum(length >= 2**18 for length in longest.values()) > 10


def test_the_same_choices_give_the_same_text():
    first, second = ([spoil(MESSAGES[1], choices) for _ in range(50)] for choices in map(random.Random, (7, 7)))
    assert first == second
    assert len(set(first)) > 40


def test_the_rows_can_be_chosen():
    choices = random.Random(1)
    assert spoil("[]", choices, among=[ROWS["two documents"]]).count("[]") == 2
    assert b"\x00" in spoil_bytes("[]", choices, among=[ROWS["NUL"]])


# -- the strategies --


@pytest.mark.parametrize("version", Version, ids=str)
def test_frames_are_messages_of_every_type(version):
    decode = wire.decoder(version.dialect.message_types)
    found = list(map(decode, generated(frames(version), 80)))
    assert len({type(frame) for frame in found}) == len(version.dialect.message_types)
    for frame in found:
        if isinstance(frame, wire.Call):
            codec_of(version.actions[frame.action].request).decode(frame.payload)
        elif isinstance(frame, wire.CallError):
            assert ErrorCode.parse(frame.code).spelling(version) == frame.code


ONLY_16 = Version.V16.actions.keys() - Version.V201.actions.keys()
ONLY_21 = Version.V21.actions.keys() - Version.V201.actions.keys()  # what 2.0.1 has, 2.1 has


@pytest.mark.parametrize("actions", [ONLY_16, ONLY_21], ids=["1.6", "2.1"])
def test_without_a_version_they_are_of_any(actions):
    quoted = [f'"{action}"' for action in actions]
    assert find(frames(), lambda text: any(action in text for action in quoted), settings=SEARCH)


@pytest.mark.parametrize("row", [*HOSTILE_TEXTS, *HOSTILE_BYTES], ids=str)
def test_hypothesis_draws_every_row(row):
    hostile = hostile_texts if row in HOSTILE_TEXTS else hostile_bytes
    assert len(set(generated(hostile("1.6", among=[row], size=50), 12))) > 3


@pytest.mark.parametrize("strategy", [hostile_texts, hostile_bytes])
def test_of_no_rows_none_can_be_drawn(strategy):
    with pytest.raises(ValueError, match="no row"):
        strategy(among=())


def test_what_hypothesis_finds_it_makes_small():
    texts = st.builds(ROWS["NUL"].make, st.just(MESSAGES[0]), st.randoms(use_true_random=False), st.just(SIZE))
    assert find(texts, lambda text: text.count("\x00") > 2) == "\0" * 3 + MESSAGES[0]


# -- what it is for --


def sessions(version: Version) -> list[Session]:
    return [
        CentralSystemSession(version, message_ids=numbered_ids("s")),
        ChargePointSession(version, message_ids=numbered_ids("c")),
    ]


@pytest.mark.parametrize("row", [*HOSTILE_TEXTS, *HOSTILE_BYTES], ids=str)
def test_no_session_minds_and_each_serves_the_next_good_call(row):
    choices = random.Random(3)
    for version in Version:
        for session in sessions(version):
            for message in (*MESSAGES, *MESSAGES):
                session.receive_data(row.make(message, choices, SIZE), now=0)
                list(iter(session.next_event, None))
                session.data_to_send()
            assert session.must_close is None
            good = ("TriggerMessage", {"requestedMessage": "Heartbeat"})
            if isinstance(session, CentralSystemSession):
                good = ("Heartbeat", {})
            session.receive_data(json.dumps([2, "good", *good]), now=0)
            assert isinstance(session.next_event(), CallReceived)

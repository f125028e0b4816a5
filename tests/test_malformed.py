"""After any malformed text the same session serves the next good call (blocks D, E).

Texts of a fixed corpus, whole messages that break off, messages damaged at random, and the largest and fullest there
can be. That a connection serves the next call as well, over each adapter, is in ``transports/test_contract.py``.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CentralSystemSession,
    ChargePointSession,
    ErrorCode,
    Event,
    InvalidResponse,
    Limits,
    Misbehaviour,
    PeerMisbehaved,
    Version,
    numbered_ids,
    v21,
)
from tests.corpus.malformed import CODES, EVENT, MALFORMED_IN, NOON, START
from tests.growth import MIB, assert_linear


@pytest.mark.parametrize("version", Version, ids=str)
def test_the_corpus_is_large_and_without_repetition(version):
    texts = [row.text for row in MALFORMED_IN[version]]
    assert len(texts) >= 150
    assert len(set(texts)) == len(texts)
    assert len({row.text for rows in MALFORMED_IN.values() for row in rows}) >= 300


@pytest.fixture(scope="module")
def sessions():
    """One for all of a version."""
    return {version: CentralSystemSession(version, message_ids=numbered_ids("m")) for version in Version}


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("version", "row"),
    [
        pytest.param(version, row, id=f"{version}: {row.what}: {row.text[:40]}")
        for version, rows in MALFORMED_IN.items()
        for row in rows
    ],
)
def test_a_malformed_text_is_answered_as_it_should_and_the_next_call_is_served(sessions, version, row):
    """F-59, F-61, F-62, F-63, F-64, F-65, F-67, F-69, F-91, F-92, F-95, F-104, F-105, F-109, F-111."""
    session = sessions[version]
    session.receive_data(row.text, now=0)
    events = list(iter(session.next_event, None))
    assert [type(event) for event in events] == [PeerMisbehaved]
    answers = [tuple(json.loads(text)[1:3]) for text in session.data_to_send()]
    assert answers == ([] if row.answer is None else [row.answer])
    assert len(events[0].text) <= session.limits.max_reported_text

    session.receive_data(json.dumps([2, f"good {id(row)}", "Heartbeat", {}]), now=0)
    call = session.next_event()
    assert isinstance(call, CallReceived)
    session.reject(call, ErrorCode.GENERIC_ERROR, now=0)
    assert len(session.data_to_send()) == 1
    assert session.must_close is None


# -- texts that break off, in every version (F-60) --

WHOLE: dict[Version, list[Any]] = {
    Version.V16: [
        [2, "id-1", "StartTransaction", START | {"idTag": 'é"\\\u2028😀'}],
        [3, "id-2", {"currentTime": NOON}],
    ],
    Version.V201: [[2, "id-1", "TransactionEvent", EVENT], [3, "id-2", {"status": "Accepted"}]],
    Version.V21: [
        [2, "id-1", "TransactionEvent", EVENT],
        [5, "id-2", "FormatViolation", "é", {"a": [1]}],
        [6, "id-3", "NotifyPeriodicEventStream", {"data": [], "id": 1}],
    ],
}
for messages in WHOLE.values():
    messages.append([4, "id-4", "GenericError", "it's 😀", {"a": {}}])
LENIENT = Limits(max_bad_messages=10**6)


def serves(session: CentralSystemSession, message_id: str) -> bool:
    """Whether it serves a good call, as if nothing had been."""
    session.receive_data(json.dumps([2, message_id, "Heartbeat", {}]), now=0)
    call = session.next_event()
    assert isinstance(call, CallReceived)
    session.reject(call, ErrorCode.GENERIC_ERROR, now=0)
    return session.data_to_send() == [f'[4,{json.dumps(message_id)},"GenericError","",{{}}]']


@pytest.mark.parametrize("version", Version)
def test_a_text_that_breaks_off_at_any_byte_is_told_apart_and_the_next_call_is_served_f_60(version: Version) -> None:
    """Also within a character. What is answered, and to which id, depends on nothing but what is left."""
    session, codes = CentralSystemSession(version, message_ids=numbered_ids("m"), limits=LENIENT), CODES[version]
    for message in WHOLE[version]:
        text = json.dumps(message, ensure_ascii=False).encode()
        id_ends, type_ends = text.index(b"id-") + len("id-1") + 1, text.index(b",") + 1
        for cut in range(len(text)):
            session.receive_data(text[:cut], now=0)
            (event,) = iter(session.next_event, None)
            assert isinstance(event, PeerMisbehaved)
            assert event.text == text[:cut].decode(errors="replace")
            answers = [tuple(json.loads(each)[1:3]) for each in session.data_to_send()]
            if message[0] == 2 and cut >= id_ends:
                assert answers == [("id-1", codes.frame)]
            elif message[0] == 2 or cut < type_ends:
                assert answers == ([] if version is Version.V16 else [("-1", codes.frame)])
            else:
                assert answers == [], "nothing but a CALL is answered (RPC-063)"
        assert serves(session, f"good {message[0]}")


# -- any damage at all --

SPLINTERS = [
    *"[]{}\",:\\'.+-eE0 \n\t\x00",
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "9" * 400, "9" * 5000, "-0", "01", "0x1", "1.0"),
    *("true", "null", "//x", "/*x*/", "'x'", "\ufeff", "[" * 40, '{"a":' * 40, "[]" * 40, "[2,", ',"x"', "{}"),
    *("\\ud800", "\\udc00\\ud800", "\ud800", "\uffff", "\u202e", "e\u0301" * 9, "😀", "\\u0000"),
    *('"a":1,"a":2,', '"\\u0069dTag":"x",', '"__class__":{},', '"2024-02-30T00:00:00Z"', "2147483648", "x" * 2000),
]


@st.composite
def damaged(draw: st.DrawFn, version: Version) -> str:
    """A message of the version after something has happened to its text, or several things."""
    text = json.dumps(
        draw(st.sampled_from([*WHOLE[version], [2, "1", "Heartbeat", {}]])), ensure_ascii=draw(st.booleans())
    )
    for _ in range(draw(st.integers(1, 3))):
        start, length = draw(st.integers(0, len(text))), draw(st.integers(0, 6))
        cut = text[start : start + length]
        put = draw(st.sampled_from([*SPLINTERS, cut * 2, cut[::-1], cut.upper()]))
        text = text[:start] + put + text[start + length :]
    return text


@given(st.sampled_from(Version).flatmap(lambda version: st.tuples(st.just(version), damaged(version), st.booleans())))
def test_whatever_has_happened_to_a_text_it_has_one_answer_at_most_and_the_next_call_is_served(
    given: tuple[Version, str, bool],
) -> None:
    """F-59, F-60, F-61, F-62, F-63, F-64, F-65, F-66, F-67, F-91, F-92, F-105."""
    version, text, as_bytes = given
    session = CentralSystemSession(version, message_ids=numbered_ids("m"))
    session.receive_data(text.encode(errors="surrogatepass") if as_bytes else text, now=0)
    (event,) = iter(session.next_event, None)
    answers = [json.loads(each) for each in session.data_to_send()]
    if isinstance(event, PeerMisbehaved):
        assert len(event.text) <= session.limits.max_reported_text
        assert len(answers) <= 1
        for message_type, message_id, code, description, _ in answers:
            assert (message_type, len(message_id) <= 64, len(description) <= 255) == (4, True, True)
            assert code in {each.spelling(version) for each in ErrorCode}
    else:
        assert answers == []
        if isinstance(event, CallReceived):
            assert session.reject(event, ErrorCode.GENERIC_ERROR, now=0)
            session.data_to_send()
    assert serves(session, "quite another id")


# -- the largest texts (F-65, F-68, F-69) --

LARGEST: dict[str, Callable[[int], str]] = {
    "arrays in arrays": lambda size: "[" * size,
    "objects in objects": lambda size: '{"a":' * (size // 5),
    "both in each other": lambda size: '[{"a":' * (size // 6),
    "closed arrays": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "brackets in a string": lambda size: '"' + '[{\\"' * (size // 4) + '"',
    "empty arrays": lambda size: "[" + "[]," * (size // 3) + "[]]",
    "empty objects": lambda size: "[" + "{}," * (size // 3) + "{}]",
    "names": lambda size: "{" + ",".join(f'"{number:08x}":0' for number in range(size // 13)) + "}",
    "one name again and again": lambda size: "{" + '"a":0,' * (size // 6) + '"a":0}',
    "escapes": lambda size: '"' + "\\u0041" * (size // 6) + '"',
    "pairs": lambda size: '"' + "\\ud83d\\ude00" * (size // 12) + '"',
    "wide characters": lambda size: '"' + "é" * (size // 2) + '"',
    "numbers": lambda size: "[" + "1.5e3," * (size // 6) + "1]",
    "one number": lambda size: "9" * size,
    "blanks": lambda size: " " * size,
    "half a string": lambda size: '"' + "x" * size,
}


@pytest.mark.no_cover
@pytest.mark.once
@pytest.mark.parametrize(
    "place", ["%s", '[2,"1","Heartbeat",%s]', '[2,"1","Authorize",{"idTag":%s}]', '[4,"1","x","",{"a":%s}]']
)
@pytest.mark.parametrize("largest", LARGEST)
def test_a_mebibyte_of_the_worst_takes_linear_time_and_is_not_repeated_f_65_f_68_f_69(place: str, largest: str) -> None:
    def receive(text: str) -> list[str]:
        session = CentralSystemSession(Version.V16, message_ids=numbered_ids("m"))
        session.receive_data(text, now=0)
        (event,) = iter(session.next_event, None)
        assert isinstance(event, PeerMisbehaved)
        assert len(event.text) <= session.limits.max_reported_text
        return session.data_to_send()

    def make(size: int) -> str:
        return place % LARGEST[largest](size)

    assert sum(map(len, receive(make(MIB)))) < 8192
    assert_linear(receive, make, factor=3)


# -- messages of too many values (F-68, F-113) --


@pytest.mark.parametrize("as_type", [str, str.encode])
def test_a_message_holds_so_many_values_at_most_f_68_f_113(as_type: Callable[[str], str | bytes]) -> None:
    most = Limits().max_values

    def receive(items: str) -> Event | None:
        session = ChargePointSession("2.1", message_ids=numbered_ids("s"))
        session.receive_data(as_type(f'[2,"7","GetVariables",{{"getVariableData":[{items}]}}]'), now=0)
        answers = [json.loads(answer)[:3] for answer in session.data_to_send()]
        event = session.next_event()
        assert answers == ([] if isinstance(event, CallReceived) else [[4, "7", "RpcFrameworkError"]])
        return event

    item = '{"component":{"name":"a"},"variable":{"name":"b"}}'  # of five values
    many = ",".join([item] * (most // 5 - 1))
    spaced = " " * most  # so that the length alone does not tell that there are few
    assert isinstance(receive(f"{spaced}{many}"), CallReceived)
    for too_many in (f"{many},{item}", f"{many}," + "{}," * 4 + "{}", f"{many}," + "9" * 5000 + ",1,1,1,1"):
        event = receive(spaced + too_many)
        assert isinstance(event, PeerMisbehaved)
        assert (event.reason, event.message_id) == (Misbehaviour.TOO_MANY_VALUES, "7")
        assert event.description == f"the message holds more than {most} values"
    # All that looks like values is in a string.
    assert isinstance(receive(item[:-1] + ',"customData":{"vendorId":"v","x":"' + ",[{" * most + '"}}'), CallReceived)


@pytest.mark.parametrize("values", range(90, 111))
def test_however_short_each_is_f_68(values: int) -> None:
    session = CentralSystemSession("2.0.1", message_ids=numbered_ids("s"), limits=Limits(max_values=100))
    session.receive_data(f'[2,"1","DataTransfer",{"[" * values + "]" * values}]', now=0)
    event = session.next_event()
    assert isinstance(event, PeerMisbehaved)
    assert (event.reason is Misbehaviour.TOO_MANY_VALUES) == (values > 101), "the payload is itself none of them"


VALUES = "[" + "[]," * 100 + "[]]"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f'[3,"s1",{{"status":"Accepted","data":{VALUES}}}]', [5, "s1", "RpcFrameworkError"]),
        (f'[6,"2","NotifyPeriodicEventStream",{{"data":{VALUES}}}]', None),
        (f'[5,"2","a","b",{{"x":{VALUES}}}]', None),
        (f"[7,{VALUES}]", None),
        (f'[2,"2","DataTransfer",{VALUES}', [4, "2", "RpcFrameworkError"]),
        (VALUES, None),
    ],
)
def test_so_does_every_message_and_what_is_none_is_told_apart_f_68(text: str, answer: list[Any] | None) -> None:
    session = CentralSystemSession("2.1", message_ids=numbered_ids("s"), limits=Limits(max_values=100))
    session.call(v21.DataTransferRequest(vendor_id="v"), now=0)
    session.data_to_send()
    session.receive_data(text, now=0)
    event = session.next_event()
    assert [json.loads(sent)[:3] for sent in session.data_to_send()] == ([answer] if answer else [])
    if text[1] == "3":
        assert isinstance(event, CallFailed)
        assert isinstance(event.error, InvalidResponse)
        assert event.error.violations[0].message == "the message holds more than 100 values"
    else:
        assert isinstance(event, PeerMisbehaved)
        assert (event.reason is Misbehaviour.TOO_MANY_VALUES) == (text[1] == "6")

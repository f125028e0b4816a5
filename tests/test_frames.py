"""OCPP-J messages and what is wrong with texts that are none (RPC-030…036, RPC-040, RPC-071, RPC-092, F-91, F-92)."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio.events import Misbehaviour
from ocpp_sansio.frames import (
    Call,
    CallError,
    CallResult,
    CallResultError,
    Malformed,
    Send,
    decode,
    decode_large,
    decoder,
    encode,
    examine,
    overfull,
    read_details,
)
from ocpp_sansio.version import Version

TYPES = {version: version.dialect.message_types for version in Version}


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[2,"1","Heartbeat",{}]', Call("1", "Heartbeat", msgspec.Raw(b"{}"))),
        (' [ 3 ,\n"1" , {"a": [1]} ] ', CallResult("1", msgspec.Raw(b'{"a": [1]}'))),
        ('[4,"1","GenericError","",{}]', CallError("1", "GenericError", "", msgspec.Raw(b"{}"))),
        ('[5,"1","GenericError","",{}]', CallResultError("1", "GenericError", "", msgspec.Raw(b"{}"))),
        ('[6,"1","NotifyPeriodicEventStream",{}]', Send("1", "NotifyPeriodicEventStream", msgspec.Raw(b"{}"))),
    ],
)
def test_text_becomes_a_frame_with_a_raw_payload(text, frame):
    assert decode(text) == frame
    assert decode(text.encode()) == frame
    assert decode(encode(frame)) == frame
    assert type(decode(text)) is type(frame)


@pytest.mark.parametrize("frame_class", [Call, CallResult, CallError, CallResultError, Send])
def test_a_frame_does_not_change(frame_class):
    """It is held, compared and repeated long after it was read."""
    frame = frame_class(*"1" * len(frame_class.__struct_fields__))
    with pytest.raises(AttributeError):
        frame.message_id = "2"


@pytest.mark.parametrize("version", [Version.V16, Version.V201])
@pytest.mark.parametrize("text", ['[5,"1","GenericError","",{}]', '[6,"1","NotifyPeriodicEventStream",{}]', "[6]"])
def test_the_types_of_2_1_are_unknown_before(version, text):
    """RPC-068, F-91: whatever their shape."""
    with pytest.raises(ValueError):
        decoder(TYPES[version])(text)
    malformed = examine(text, TYPES[version])
    assert (malformed.reason, malformed.message_type) == (REASON.UNKNOWN_MESSAGE_TYPE, json.loads(text)[0])


@pytest.mark.parametrize("text", ['[2,"1","A",{}]', ' [ 2, "1" , "A", {"a": [1]}]', '[2,"\\u0031","A",{"a":"]"}]'])
def test_a_large_call_is_told_from_its_head(text):
    assert decode_large(text) == decode_large(text.encode()) == decode(text)


@pytest.mark.parametrize(
    "text",
    [
        '[3,"1",{}]',
        '[4,"1","GenericError","",{}]',
        '[5,"1","GenericError","",{}]',
        '[6,"1","NotifyPeriodicEventStream",{}]',
        '[2,"{","A",{}]',
        '[2,"1","A",[{}]]',
        '[2,"1","A",null]',
        '[2,"1","A",1,{}]',
        '[2,"1","A",{}] ',
        '[2,"1","A",{}',
        '[2,"","A",{}]',
        '[2,"\ud800","A",{}]',
        b'[2,"\xff","A",{}]',
        "[" * 100_000 + "{",
        "",
    ],
)
def test_what_is_not_plainly_a_large_call_is_left_to_the_other_way(text):
    assert decode_large(text) is None


def test_an_id_is_written_as_json():
    assert encode(CallResult('"\\', msgspec.Raw(b"{}"))) == b'[3,"\\"\\\\",{}]'


REASON = Misbehaviour


@pytest.mark.parametrize(
    ("text", "reason", "message_type", "message_id"),
    [
        ("", REASON.NOT_JSON, None, None),
        ("\ufeff[]", REASON.NOT_JSON, None, None),
        ("AT+CSQ", REASON.NOT_JSON, None, None),
        ('[2,"1","Heartbeat",{', REASON.NOT_JSON, 2, "1"),
        ('[2,"1","Heartbeat",{}] x', REASON.NOT_JSON, 2, "1"),
        ('[3,"a\\"b",{', REASON.NOT_JSON, 3, 'a"b'),
        ('[3,"\\n\\t\\/\\b",{', REASON.NOT_JSON, 3, "\n\t/\b"),
        ('[٣,"our",', REASON.NOT_JSON, None, None),
        ('[\u20033,"our",', REASON.NOT_JSON, None, None),
        ('[2,"' + "x" * 100 + '",', REASON.NOT_JSON, 2, "x" * 64),
        ('[2,"' + "x" * 10_000, REASON.NOT_JSON, 2, None),
        ('[2,"1","A",' + "[" * 100_000, REASON.NOT_JSON, 2, "1"),
        ('[2,"1","\ud800",{}]', REASON.NOT_JSON, 2, "1"),
        (b'[2,"\xff",', REASON.NOT_JSON, 2, "\ufffd"),
        ("{}", REASON.NOT_A_FRAME, None, None),
        ('"x"', REASON.NOT_A_FRAME, None, None),
        ("[]", REASON.NOT_A_FRAME, None, None),
        ("[2]", REASON.NOT_A_FRAME, 2, None),
        ('[2,"1"]', REASON.NOT_A_FRAME, 2, "1"),
        ('[2,"1","A"]', REASON.NOT_A_FRAME, 2, "1"),
        ('[2,"' + "x" * 36 + '"]', REASON.NOT_A_FRAME, 2, "x" * 36),
        ('[2,"1","A",{},{}]', REASON.NOT_A_FRAME, 2, "1"),
        ('[2,"1",7,{}]', REASON.NOT_A_FRAME, 2, "1"),
        ('[3,"1"]', REASON.NOT_A_FRAME, 3, "1"),
        ('[4,"1","GenericError",""]', REASON.NOT_A_FRAME, 4, "1"),
        ('[4,"1",5,"",{}]', REASON.NOT_A_FRAME, 4, "1"),
        ('[4,"1","GenericError",null,{}]', REASON.NOT_A_FRAME, 4, "1"),
        ('[5,"1","GenericError",""]', REASON.NOT_A_FRAME, 5, "1"),
        ('[5,"1",5,"",{}]', REASON.NOT_A_FRAME, 5, "1"),
        ('[6,"1"]', REASON.NOT_A_FRAME, 6, "1"),
        ('[6,"1",null,{}]', REASON.NOT_A_FRAME, 6, "1"),
        ('[6,"1","A",{', REASON.NOT_JSON, 6, "1"),
        ('[5,"' + "x" * 37 + '","A","",{}]', REASON.BAD_MESSAGE_ID, 5, "x" * 37),
        ('[2,"\\ud800","A",{}]', REASON.NOT_JSON, 2, None),
        ('[3,"\\ud800",{}]', REASON.NOT_JSON, 3, None),
        ('[2,"1","\\ud800",{}]', REASON.NOT_JSON, 2, "1"),
        ('[2,"","A",{}]', REASON.BAD_MESSAGE_ID, 2, None),
        ('[2,""]', REASON.BAD_MESSAGE_ID, 2, None),
        ('[2,1,"A",{}]', REASON.BAD_MESSAGE_ID, 2, None),
        ('[2,null,"A",{}]', REASON.BAD_MESSAGE_ID, 2, None),
        ('[2,"' + "x" * 37 + '","A",{}]', REASON.BAD_MESSAGE_ID, 2, "x" * 37),
        ('[2,"' + "x" * 1000 + '","A",{}]', REASON.BAD_MESSAGE_ID, 2, "x" * 64),
        ('[7,"1","A",{}]', REASON.UNKNOWN_MESSAGE_TYPE, 7, "1"),
        ('["2","1","A",{}]', REASON.UNKNOWN_MESSAGE_TYPE, None, "1"),
        ('[2.0,"1","A",{}]', REASON.UNKNOWN_MESSAGE_TYPE, None, "1"),
        ('[true,"1","A",{}]', REASON.UNKNOWN_MESSAGE_TYPE, None, "1"),
        ("[9,1]", REASON.UNKNOWN_MESSAGE_TYPE, 9, None),
    ],
)
def test_a_text_that_is_no_frame_says_why_and_what_could_be_read(text, reason, message_type, message_id):
    with pytest.raises((ValueError, RecursionError)):
        decode(text)
    malformed = examine(text)
    assert (malformed.reason, malformed.message_type, malformed.message_id) == (reason, message_type, message_id)
    assert malformed.description


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("", "the text is not JSON: it breaks off, or has half of a surrogate pair"),
        ('[2,"1","A",{secret}]', "the text is not JSON, from byte 12 on"),
        ('[2,"\ud800","A",{}]', "the text is not UTF-8"),
        ("[" * 100_000, "the text is nested too deeply"),
        ("{}", "an OCPP message is a JSON array"),
        ("[]", "the array is empty"),
        ("[7]", "the message type is unknown"),
        ('[2,"","A",{}]', "the message id is not a non-empty string"),
        (f'[2,"{"x" * 37}","A",{{}}]', "the message id has 37 characters, at most 36 are allowed"),
        ('[2,"1","A"]', "a CALL has 4 elements, this one has 3"),
        ('[3,"1",{},1]', "a CALLRESULT has 3 elements, this one has 4"),
        ('[4,"1"]', "a CALLERROR has 5 elements, this one has 2"),
        ('[5,"1","","",{},1]', "a CALLRESULTERROR has 5 elements, this one has 6"),
        ("[6]", "a SEND has 4 elements, this one has 1"),
        ('[2,"1",1,{}]', "the action of a CALL is a string"),
        ('[4,"1",null,"",{}]', "the error code of a CALLERROR is a string"),
        ('[5,"1","",{},{}]', "the error description of a CALLRESULTERROR is a string"),
        ('[6,"1",[],{}]', "the action of a SEND is a string"),
    ],
)
def test_the_peer_is_told_what_is_wrong_with_its_text(text, description):
    """It goes out as the errorDescription (RPC-064, RPC-071, RPC-092) and quotes nothing of the text."""
    assert examine(text).description == description


# Nearly messages: the elements are of any type, and any number.
NEARLY = st.lists(
    st.integers(0, 7) | st.sampled_from(["", "1", "A", "\ud800", "x" * 37, None, True, {}, []]), max_size=6
)


@given(
    version=st.sampled_from(Version),
    text=st.one_of(st.text(), st.binary(), st.text('[]{}",:23456 aAx\\'), NEARLY.map(json.dumps)),
)
def test_examine_never_raises(version, text):
    """F-107: a text is a frame, or it is examined without an exception."""
    try:
        decoder(TYPES[version])(text)
    except (ValueError, RecursionError):
        assert isinstance(examine(text, TYPES[version]), Malformed)


def test_a_description_never_quotes_the_text():
    """RPC-064: the answer to a corrupt message does not carry it."""
    assert "secret" not in examine('[2,"1","A",{"secret"]').description


@pytest.mark.parametrize(
    ("details", "depth", "expected"),
    [
        (b"{}", 32, {}),
        (b'{"a":[{"b":1}]}', 4, {"a": [{"b": 1}]}),
        (b'{"a":[{"b":1}]}', 3, None),
        (b"[]", 32, None),
        (b'"x"', 32, None),
        (b'{"a":' + b"[" * 33 + b"]" * 33 + b"}", 32, None),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", 32, None),
    ],
)
def test_error_details_are_an_object_of_bounded_depth(details, depth, expected):
    """RPC-093, F-65."""
    assert read_details(msgspec.Raw(details), depth) == expected


@pytest.mark.parametrize(
    ("head", "message_type"), [('[2,"1","A",', 2), ('[3,"1",', 3), ('[6,"1","A",', 6)], ids=["call", "result", "send"]
)
@pytest.mark.parametrize(
    "values",
    [
        lambda count: "[" + ",".join("1" * count) + "]",
        lambda count: '{"a":' * count + "1" + "}" * count,
        lambda count: "[" * count + "1" + "]" * count,
    ],
    ids=["in a list", "in objects", "in lists"],
)
def test_a_message_of_too_many_values_is_told_by_its_type_and_id_f_68_f_113(head, message_type, values):
    flaw = Malformed(Misbehaviour.TOO_MANY_VALUES, "the message holds more than 50 values", message_type, "1")
    assert overfull(f"{head}{values(51)}]", 50) == overfull(f"{head}{values(51)}]".encode(), 50) == flaw
    assert overfull(f"{head}{values(50)}]", 50) is None
    assert overfull(f"{head}[{'1,' * 49}{'9' * 5000}]]", 50) == flaw, "one of them cannot be read"


@pytest.mark.parametrize(
    "text",
    [
        "[" + "1," * 60 + "1]",
        '[2,"1","A",[' + "1," * 60 + "1]",
        '[2,"1","A","' + "1," * 60 + '"]',
        '[4,"1","A","",{"a":[' + "1," * 60 + "1]}]",
        '[2,"1","A",["\ud800",' + "1," * 60 + "1]]",
        b'[2,"1","A",["\xff",' + b"1," * 60 + b"1]]",
    ],
    ids=["no frame", "no JSON", "a string", "an error, whose details are counted elsewhere", "half a pair", "no UTF-8"],
)
def test_whatever_else_is_wrong_is_said_by_others_f_68(text):
    assert overfull(text, 50) is None

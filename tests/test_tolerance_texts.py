"""Each repair of texts and of the message around the payload; and in a session, where all of them meet."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpp_sansio import (
    FIELD,
    STRICT,
    WARN_ONLY,
    CallFailed,
    CallReceived,
    CallRefused,
    CallSucceeded,
    CentralSystemSession,
    Deviation,
    LateResponse,
    Limits,
    Misbehaviour,
    PeerMisbehaved,
    Repair,
    ResultRefused,
    SendReceived,
    Tolerance,
    numbered_ids,
    v16,
    v21,
)
from ocpp_sansio.codec import PayloadError, codec_of
from ocpp_sansio.frames import LARGE, Frame, Send, decode
from ocpp_sansio.tolerance import MAX_DEVIATIONS, mend_action, mend_text, read_frame, read_payload
from ocpp_sansio.tolerance.texts import MAX_ACTION, MAX_TEXT
from tests.growth import assert_linear

# -- the text --


@pytest.mark.parametrize(
    ("repair", "text", "mended", "places"),
    [
        ("leading-comma", '[2,"1","A",{"a":[,1]}]', '[2,"1","A",{"a":[1]}]', [(17, ",")]),
        ("leading-comma", "[ , ,1]", "[  1]", [(2, ","), (4, ",")]),
        ("leading-comma", '{,"a":1}', '{"a":1}', [(1, ",")]),
        ("leading-comma", "[,]", "[]", [(1, ",")]),
        ("trailing-comma", '{"a":[1,2 , ]}', '{"a":[1,2  ]}', [(10, ",")]),
        ("trailing-comma", '{"a":1,}', '{"a":1}', [(6, ",")]),
        ("unclosed-json", '[3,"1",{"a":[]', '[3,"1",{"a":[]}]', [(14, None)]),
        ("unclosed-json", '[3,"1",{"a":"b"', '[3,"1",{"a":"b"}]', [(15, None)]),
        ("unclosed-json", '[3,"1",{"a":true \n', '[3,"1",{"a":true \n}]', [(18, None)]),
        ("control-characters", '["a\tb\n\x00\\n"]', '["a\\u0009b\\u000a\\u0000\\n"]', [(3, "\t"), (5, "\n\x00")]),
        ("control-characters", '\x00["\\\\\x1f"]\x00', '["\\\\\\u001f"]', [(0, "\x00"), (5, "\x1f"), (8, "\x00")]),
        ("control-characters", "[1,\x0b2]", "[1,2]", [(3, "\x0b")]),
    ],
)  # fmt: skip
def test_a_text_is_mended_and_where_is_told(repair, text, mended, places):
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(text)
    deviations = tuple(Deviation(f"@{at}", Repair(repair), original) for at, original in places)
    assert mend_text(text) == (mended, deviations)
    msgspec.json.decode(mended)


@pytest.mark.parametrize(
    "text",
    [
        '[2,"abc4","Authorize",{"idTag":"A1B.....]',  # breaks off in a string
        '["a\\',
        '["a\\"]',
        '[2,"1","A",{"a":1',  # or 12
        '[2,"1","A",{"a":[',
        '[2,"1","A",{"a":',
        '[2,"1","A",{',
        '[2,"1",',
        "[",
        "[1}",
        '{"a":1]',
        "1]",
        "[1]]",
        "AT+CSQ",
        "",
        "[1]",
        '[" \\" , ] [, \u2028"]',
        "[1 2]",
    ],
)
def test_of_a_text_that_is_cut_off_or_something_else_nothing_is_made_up(text):
    assert mend_text(text) is None


@pytest.mark.parametrize(
    "text",
    [
        '[2,"1","A",{"a"',  # a name without a value
        '[2,"1","A",{"a":tru',
        '[2,"1","A",{"a":-',
        '[2,"1","A",{"a":1.',
        "[1,,2]",
        "[1,,]",
        '["\\\n"]',  # an escape that there is not
        "[,1 2]",
        "['a',]",
        '[2,"1","A",{"a":"\\ud800"},]',
    ],
)
def test_what_comes_out_is_judged_like_any_other_text(text):
    mended = mend_text(text)
    assert mended is None or mended[0] == text or not is_json(mended[0])
    with pytest.raises(ValueError, match="no OCPP message"):
        read_frame(text, WARN_ONLY)


def is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except ValueError:
        return False
    return True


def test_there_is_an_end_to_what_is_mended():
    assert mend_text("[" + "," * MAX_DEVIATIONS + "1]") is not None
    assert mend_text("[" + "," * (MAX_DEVIATIONS + 1) + "1]") is None


def test_a_long_text_is_not_mended():
    text = '[2,"1","A",{},]'
    assert read_frame(text + " " * (MAX_TEXT - len(text)), WARN_ONLY)
    with pytest.raises(ValueError):
        read_frame(text + " " * (MAX_TEXT + 1 - len(text)), WARN_ONLY)


@settings(max_examples=300)
@given(st.text('[]{},:"\\\t\x00 1at', max_size=30), st.integers(0, 30))
def test_what_json_is_stays_and_what_is_mended_is_json_or_refused(text, cut):
    if is_json(text):
        assert mend_text(text) is None or "\\" in text
    right = json.dumps([2, "1", text, {text: [text, 1, {}]}])
    assert mend_text(right) is None
    broken = right[: max(0, len(right) - cut)]
    mended = mend_text(broken)
    if mended is not None and is_json(mended[0]):
        assert mended[0].startswith(broken)
        assert set(mended[0][len(broken) :]) <= set("]}")


# -- the message --


@pytest.mark.parametrize(
    ("text", "meant", "deviations"),
    [
        ('[2,17,"Heartbeat",{}]', '[2,"17","Heartbeat",{}]', [("[1]", "number-as-id", 17)]),
        ('[ 3 , -1 ,{}]', '[3,"-1",{}]', [("[1]", "number-as-id", -1)]),
        ('[2,"17","Heartbeat"]', '[2,"17","Heartbeat",{}]', [("[3]", "missing-payload", None)]),
        ('[3,"17"]', '[3,"17",{}]', [("[2]", "missing-payload", None)]),
        ('[6,"17","A"]', '[6,"17","A",{}]', [("[3]", "missing-payload", None)]),
        ('[4,"17","E","d"]', '[4,"17","E","d",{}]', [("[4]", "short-callerror", None)]),
        ('[4,"17","E"]', '[4,"17","E","",{}]', [("[3]", "short-callerror", None), ("[4]", "short-callerror", None)]),
        ('[5,"17","E"]', '[5,"17","E","",{}]', [("[3]", "short-callerror", None), ("[4]", "short-callerror", None)]),
        ('[2,17,"A",]', '[2,"17","A",{}]',
         [("@9", "trailing-comma", ","), ("[1]", "number-as-id", 17), ("[3]", "missing-payload", None)]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encode", [str, str.encode])
def test_a_message_is_what_it_was_meant_to_be(text, meant, deviations, encode):
    with pytest.raises(ValueError):
        read_frame(text, STRICT)
    frame, told = read_frame(encode(text), WARN_ONLY)
    assert frame == decode(meant)
    assert told == tuple(Deviation(path, Repair(repair), original) for path, repair, original in deviations)
    needed = [Repair(repair) for _, repair, _ in deviations]
    assert read_frame(text, Tolerance(needed))[0] == frame
    with pytest.raises(ValueError, match="no OCPP message"):
        read_frame(text, WARN_ONLY.forbidding(needed[-1]))


def test_a_long_id_is_kept_as_far_as_it_can_be_repeated_f_92():
    for length in (37, 64):
        frame, [deviation] = read_frame(json.dumps([2, "x" * length, "Heartbeat", {}]), Tolerance(["long-id"]))
        assert frame.message_id == deviation.original == "x" * length
        assert deviation.path == "[1]"
    with pytest.raises(ValueError, match="no OCPP message"):
        read_frame(json.dumps([2, "x" * 65, "Heartbeat", {}]), WARN_ONLY)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[2]",
        "{}",
        "1",
        '[2,"","Heartbeat",{}]',
        '[2,null,"Heartbeat",{}]',
        '[2,true,"Heartbeat",{}]',
        '[2,1.0,"Heartbeat",{}]',
        f'[2,{"1" * 36},"Heartbeat",{{}}]',
        '[2,"1"]',
        '[2,"1",1]',
        '[2,"1",1,{}]',
        '[2,"1","A",{},{}]',
        '[4,"1"]',
        '[4,"1",1]',
        '[4,"1","E",null,{}]',
        '[1,"1","A",{}]',
        '["2","1","A",{}]',
        '[2.0,1,"A",{}]',
        '[-2,1,"A",{}]',
        '[22,1,"A",{}]',
        '[2,"1","A"',  # who knows what has been cut off
        '[4,"1","E"',
        "[" * 100_000,
        "[" * 100_000 + "," + "]" * 100_000,
        b'[2,"1","\xff",{}]',
        b'[2,"1","A",{"a":"\xff"},]',
        "\ud800",
    ],
    ids=lambda text: str(text)[:30],
)
def test_what_is_no_message_of_ocpp_stays_none(text):
    with pytest.raises(ValueError):
        read_frame(text, WARN_ONLY)


def test_a_message_of_another_version_stays_unknown():
    with pytest.raises(ValueError):
        read_frame('[6,1,"A",{}]', WARN_ONLY, frozenset({2, 3, 4}))
    assert isinstance(read_frame('[6,1,"A",{}]', WARN_ONLY)[0], Send)


def test_what_may_be_mended_may_differ_by_action_and_half():
    asked = {"1": "Reset"}.get
    only = STRICT.allowing("number-as-id", action="Reset", half="response")
    assert read_frame("[3,1,{}]", only, asked=asked)[0].message_id == "1"
    for text in ('[2,1,"Reset",{}]', "[3,2,{}]"):
        with pytest.raises(ValueError, match="no OCPP message"):
            read_frame(text, only, asked=asked)
    assert read_frame('[2,1,"Reset",{}]', STRICT.allowing("number-as-id", action="Reset"))
    assert read_frame("[3,1,{}]", FIELD.forbidding(action="Reset"))


def test_an_action_is_known_in_any_case_of_letters():
    def frame(action: str) -> Any:
        return decode(json.dumps([2, "1", action, {}]))

    assert mend_action(frame("heartBEAT"), v16.ACTIONS, FIELD) == (
        frame("Heartbeat"),
        Deviation("[2]", Repair.ACTION_CASE, "heartBEAT"),
    )
    allowed = FIELD.forbidding("action-case", action="Heartbeat")
    assert mend_action(frame("heartBEAT"), v16.ACTIONS, allowed) is None
    assert mend_action(frame("Heart-beat"), v16.ACTIONS, FIELD) is None
    assert mend_action(frame("a" * (MAX_ACTION + 1)), ["A" * (MAX_ACTION + 1)], FIELD) is None


@settings(max_examples=300)
@given(st.text(max_size=30) | st.binary(max_size=30) | st.text('[]{},:"\\ 123456A', max_size=30))
def test_no_other_error_comes_of_whatever_comes(text):
    try:
        strict: Frame | None = decode(text)
    except (ValueError, RecursionError):
        strict = None
    try:
        frame, deviations = read_frame(text, WARN_ONLY)
    except ValueError:
        assert strict is None
    else:
        assert (frame == strict) == (not deviations)


# -- how long it takes --


def read_refused(text: str) -> None:
    with pytest.raises(PayloadError):
        read_payload(codec_of(v16.GetConfigurationResponse), text, WARN_ONLY)


SIZE = 20_000


@pytest.mark.parametrize(
    ("work", "text"),
    [
        (mend_text, lambda size: "[" + ",1" * size + "]"),
        (mend_text, lambda size: "[" + "," * size),
        (mend_text, lambda size: '["' + '\\"' * size),
        (mend_text, lambda size: '["' + "\\\t" * size + '"]'),
        (mend_text, lambda size: "[" * size),
        (mend_text, lambda size: "[" * size + "]" * size),
        (mend_text, lambda size: '["' + "a\t" * 900 + "b" * size + '"]'),
        (mend_text, lambda size: "\x00" * size + "[1]"),
        (read_refused, lambda size: json.dumps({"unknownKey": [1] * size})),
        (read_refused, lambda size: json.dumps({"unknownKey": ["a"] * size + [{}] * 2000})),
        (read_refused, lambda size: json.dumps({f"x{number}": 1 for number in range(size)})),
        (read_refused, lambda size: json.dumps({"configurationKey": [{"KEY": "a", "READONLY": 1}] * (size // 10)})),
        (read_refused, lambda size: "{" + '"unknownKey":{"a":' * 5 + "[" + "1," * size + "1]" + "}" * 5 + "}"),
    ],
    ids=range(13),
)  # fmt: skip
def test_time_grows_with_the_size_and_no_faster(work, text):
    """F-115."""
    assert_linear(work, text, up_to=2 * SIZE, doublings=1, factor=3.0)


# -- the session --


def central_system(version: str = "1.6", tolerance: Any = FIELD, **options: Any) -> CentralSystemSession:
    return CentralSystemSession(version, message_ids=numbered_ids("m"), tolerance=tolerance, **options)


def receive(session: CentralSystemSession, *texts: str | bytes) -> list[Any]:
    for text in texts:
        session.receive_data(text, now=0.0)
    return list(iter(session.next_event, None))


@pytest.mark.parametrize(
    ("text", "message_id", "repairs"),
    [
        ('[2,17,"Heartbeat",{}]', "17", ["number-as-id"]),
        ('[2,"' + "x" * 64 + '","Heartbeat",{}]', "x" * 64, ["long-id"]),
        ('[2,"1","Heartbeat"]', "1", ["missing-payload"]),
        ('[2,"1","HEARTBEAT",{},]\x00', "1", ["trailing-comma", "control-characters", "action-case"]),
        ('[2,"1","heartbeat",{"a":1}]', "1", ["action-case", "unknown-field"]),
        ('[2,"1","Heartbeat",[]]', "1", ["empty-list-as-object"]),
        (b'[2,"1","Heartbeat",{,}]', "1", ["leading-comma"]),
        ('[2,"1","Heartbeat",{"a":"' + "b" * LARGE + '",}]', "1", ["trailing-comma", "unknown-field"]),
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_call_that_is_put_up_with_is_answered_as_if_it_had_been_right(text, message_id, repairs):
    session = central_system()
    [call] = receive(session, text)
    assert isinstance(call, CallReceived)
    assert (call.message_id, call.action, call.request) == (message_id, "Heartbeat", v16.HeartbeatRequest())
    assert [each.repair.value for each in call.deviations] == repairs
    session.respond(call, codec_of(v16.HeartbeatResponse).decode('{"currentTime":"2026-11-22T18:04:59Z"}'), now=0.0)
    assert session.data_to_send() == [f'[3,"{message_id}",{{"currentTime":"2026-11-22T18:04:59Z"}}]']
    [refused] = receive(central_system(tolerance=STRICT), text)
    assert isinstance(refused, PeerMisbehaved)


def test_a_null_payload_is_a_deviation_only_where_the_version_refuses_it_f_106():
    [call] = receive(central_system("1.6"), '[2,"1","Heartbeat",null]')
    assert call.deviations == ()
    [call] = receive(central_system("2.1"), '[2,"1","Heartbeat",null]')
    assert call.request == v21.HeartbeatRequest()
    assert call.deviations == (Deviation("$", Repair.NULL_AS_ABSENT, None),)


def test_a_request_that_breaks_off_is_refused_under_field_and_a_response_is_not():
    text = '[2,"1","Heartbeat",{"a":"b"'
    [refused] = receive(central_system(), text)
    assert refused.reason is Misbehaviour.NOT_JSON
    [call] = receive(central_system(tolerance=WARN_ONLY), text)
    assert [each.repair.value for each in call.deviations] == ["unclosed-json", "unknown-field"]
    session = central_system()
    pending = session.call(v16.GetConfigurationRequest(), now=0.0)
    assert receive(session, '[3,"m1",{"configurationKey":[]') == [
        CallSucceeded(
            pending,
            v16.GetConfigurationResponse(configuration_key=[]),
            (Deviation("@30", Repair.UNCLOSED_JSON, None),),
        )
    ]


def test_the_repairs_of_a_message_and_of_its_payload_are_told_together():
    session = central_system()
    pending = session.call(v16.ResetRequest(type=v16.ResetType.SOFT), now=0.0)
    [event] = receive(session, '[3,"m1",{"status":"accepted",}]')
    assert event.call is pending
    assert [each.repair.value for each in event.deviations] == ["trailing-comma", "enum-alias"]
    pending = session.call(v16.ResetRequest(type=v16.ResetType.SOFT), now=0.0)
    [event] = receive(session, '[3,"m2",{"status":"Accepted",}]')
    assert event.response == v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)
    assert [each.repair.value for each in event.deviations] == ["trailing-comma"]


def test_a_callerror_that_is_put_up_with_is_the_outcome_f_105():
    session = central_system()
    pending = session.call(v16.ResetRequest(type=v16.ResetType.SOFT), now=0.0)
    told = (Deviation("[4]", Repair.SHORT_CALLERROR, None),)
    assert receive(session, '[4,"m1","GenericError",""]') == [CallFailed(pending, CallRefused("GenericError"), told)]
    pending = session.call(v16.ResetRequest(type=v16.ResetType.SOFT), now=0.0, timeout=1.0)
    session.handle_timeout(now=1.0)
    session.next_event()
    assert receive(session, '[4,"m2","GenericError",""]') == [LateResponse(pending, CallRefused("GenericError"), told)]


def test_what_is_allowed_in_the_answers_of_one_action_is_not_in_those_of_others():
    tolerance = STRICT.allowing("trailing-comma", action="Reset", half="response")
    session = central_system(tolerance=tolerance)
    session.call(v16.ResetRequest(type=v16.ResetType.SOFT), now=0.0)
    session.call(v16.ClearCacheRequest(), now=0.0)
    [event] = receive(session, '[3,"of no call",{"status":"Accepted",}]')
    assert event.reason is Misbehaviour.NOT_JSON
    [event] = receive(session, '[3,"m1",{"status":"Accepted",}]')
    assert isinstance(event, CallSucceeded)
    [event] = receive(session, '[3,"m2",{"status":"Accepted",}]')
    assert isinstance(event, CallFailed)
    session.call(v16.ResetRequest(type=v16.ResetType.SOFT), now=0.0, timeout=1.0)
    session.handle_timeout(now=1.0)
    session.next_event()
    [event] = receive(session, '[3,"m3",{"status":"Accepted",}]')
    assert event.answer == v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)


def test_what_a_peer_refuses_and_what_it_sends_without_waiting_are_put_up_with():
    session = central_system("2.1")
    [call] = receive(session, '[2,"1","Heartbeat",{}]')
    session.respond(call, codec_of(v21.HeartbeatResponse).decode('{"currentTime":"2026-11-22T18:04:59Z"}'), now=0.0)
    assert receive(session, '[5,"1","FormatViolation"]') == [
        ResultRefused(
            call,
            CallRefused("FormatViolation"),
            (Deviation("[3]", Repair.SHORT_CALLERROR, None), Deviation("[4]", Repair.SHORT_CALLERROR, None)),
        )
    ]
    payload = {"basetime": "2026-11-22T18:04:59", "data": [], "id": 1, "pending": 0}
    text = json.dumps([6, 1, "NotifyPeriodicEventStream", payload])
    [event] = receive(session, text)
    assert isinstance(event, SendReceived)
    assert [each.repair.value for each in event.deviations] == ["number-as-id", "item-count", "naive-time-is-utc"]


def test_what_is_allowed_in_one_send_is_not_in_others():
    payload = {"basetime": "2026-11-22T18:04:59", "data": [{"t": 1, "v": "1"}], "id": 1, "pending": 0}
    text = json.dumps([6, "1", "NotifyPeriodicEventStream", payload])
    for action, expected in (("NotifyPeriodicEventStream", SendReceived), ("Heartbeat", PeerMisbehaved)):
        tolerance = STRICT.allowing("naive-time-is-utc", action=action)
        [event] = receive(central_system("2.1", tolerance=tolerance), text)
        assert isinstance(event, expected)


def test_the_action_of_a_send_is_known_in_any_case_of_letters():
    payload = {"basetime": "2026-11-22T18:04:59Z", "data": [{"t": 1, "v": "1"}], "id": 1, "pending": 0}
    [event] = receive(central_system("2.1"), json.dumps([6, "1", "notifyPeriodicEventStream", payload]))
    assert isinstance(event, SendReceived)
    assert event.deviations == (Deviation("[2]", Repair.ACTION_CASE, "notifyPeriodicEventStream"),)
    [event] = receive(central_system("2.1"), json.dumps([6, "1", "heartbeat", {}]))
    assert event.reason is Misbehaviour.WRONG_DIRECTION
    [event] = receive(central_system("2.1"), json.dumps([6, "1", "beat", {}]))
    assert event.reason is Misbehaviour.UNKNOWN_ACTION


def test_what_was_put_up_with_counts_as_good_and_a_repetition_of_it_as_one():
    session = central_system(limits=Limits(max_bad_messages=2))
    for number in range(10):
        [call] = receive(session, f'[2,{number},"heartbeat",{{"x":1}}]')
        session.ignore(call, now=0.0)
    assert session.must_close is None
    [call] = receive(session, '[2,"r","heartbeat",{}]')
    [again] = receive(session, '[2,"r","heartbeat",{}]')
    assert not again.replayed
    session.respond(call, codec_of(v16.HeartbeatResponse).decode('{"currentTime":"2026-11-22T18:04:59Z"}'), now=0.0)
    [again] = receive(session, '[2,"r","heartbeat",{}]')
    assert again.replayed
    first, second = session.data_to_send()
    assert first == second


def test_a_call_that_had_to_wait_has_not_lost_its_deviations():
    session = central_system(limits=Limits(max_inbound_calls=1))
    [call] = receive(session, '[2,1,"Heartbeat",{}]', '[2,2,"Heartbeat",{}]')
    session.ignore(call, now=0.0)
    [held] = iter(session.next_event, None)
    assert held.deviations == (Deviation("[1]", Repair.NUMBER_AS_ID, 2),)


def test_meter_values_that_make_no_sense_are_delivered_and_told_f_112():
    payload = {"connectorId": -1, "meterStart": -(2**40), "idTag": "T", "timestamp": "2026-11-22T18:04:59Z"}
    [call] = receive(central_system(), json.dumps([2, "1", "StartTransaction", payload]))
    assert call.request.meter_start == -(2**40)
    assert call.deviations == (Deviation("$.meterStart", Repair.OUT_OF_RANGE, -(2**40)),)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T18:04:60Z",
        "10000-11-22T18:04:59Z",
        "2026-11-22T24:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-11-22T18:04:59+25:00",
    ],
)
def test_times_that_are_none_are_refused_under_field_and_delivered_as_text_under_warn_only_f_111(text):
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": text}
    message = json.dumps([2, "1", "StatusNotification", status])
    [refused] = receive(central_system(), message)
    assert refused.reason is Misbehaviour.INVALID_PAYLOAD
    [call] = receive(central_system(tolerance=WARN_ONLY), message)
    assert call.request.timestamp == text
    assert call.deviations == (Deviation("$.timestamp", Repair.WRONG_TYPE, text),)


@settings(max_examples=100)
@given(st.text(max_size=40) | st.text('[]{},:"\\ 123456A', max_size=40), st.sampled_from([STRICT, FIELD, WARN_ONLY]))
def test_a_session_never_raises_for_what_the_peer_did(text, tolerance):
    session = central_system("2.1", tolerance)
    session.call(v21.ClearCacheRequest(), now=0.0)
    receive(session, text)

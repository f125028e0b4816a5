"""Messages are found in whatever they were written down in, however it is cut into pieces."""

from __future__ import annotations

import itertools
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import Direction, Role, Version
from ocpp_sansio.trace import MAX_LENGTH, MAX_LINES, Message, Reader, TooLong

IN, OUT = Direction
CP, CS = Role
CALL = '[2,"1","Heartbeat",{}]'
RESULT = '[3,"1",{}]'


def read(file: str | bytes, size: int = 0, max_length: int = MAX_LENGTH) -> tuple[list[Message | TooLong], Reader]:
    data = file.encode() if isinstance(file, str) else file
    reader = Reader(max_length)
    found = [
        message
        for start in range(0, len(data), size or len(data) or 1)
        for message in reader.receive_data(data[start : start + size if size else None])
    ]
    return [*found, *reader.receive_eof()], reader


def only(file: str | bytes) -> Message:
    (message,), _ = read(file)
    assert isinstance(message, Message)
    return message


def texts(file: str | bytes) -> list[str]:
    return [text_of(message) for message in read(file)[0]]


def text_of(message: Message | TooLong) -> str:
    assert isinstance(message, Message)
    return message.text if isinstance(message.text, str) else message.text.decode()


# -- what a line looks like --

HOME_ASSISTANT = f"2024-12-10 12:19:59.054 INFO (MainThread) [ocpp] CP_1: receive message {CALL}"
AT = "2026-07-23 10:21:46"
LOGGED = {
    "the library's own way": (f"CP_1: send {RESULT}", ("CP_1", OUT, None)),
    "basicConfig": (f"INFO:ocpp:CP_1: receive message {CALL}", ("CP_1", IN, None)),
    "Home Assistant": (HOME_ASSISTANT, ("CP_1", IN, "2024-12-10 12:19:59.054")),
    "Home Assistant in a container": (f"homeassistant  | {HOME_ASSISTANT}", ("CP_1", IN, "2024-12-10 12:19:59.054")),
    "a comma before the milliseconds": (f"{AT},054 CP_1: send {RESULT}", ("CP_1", OUT, f"{AT},054")),
    "the other way round": (f"[ocpp  ] TRACE 2026/07/23 10:21:46 recv CP_1: {CALL}", ("CP_1", IN, AT)),
    "and sent": (f"[ocpp  ] TRACE 2026/07/23 10:21:46 send CP_1: {RESULT}", ("CP_1", OUT, AT)),
    "no JSON, but received": ("CP_1: receive message hello", ("CP_1", IN, None)),
    "an identity of other letters": (f"Säule-7: send {RESULT}", ("Säule-7", OUT, None)),
    "nobody at all": (f": send {RESULT}", (None, OUT, None)),
    "SteVe": (f"{AT},123 a.B (q) - [chargeBoxId=CP_1, sessionId=a-1] Received: {CALL}", ("CP_1", IN, f"{AT},123")),
    "and SteVe's answer": (f"{AT} [chargeBoxId=a, b, sessionId=a] Sending: {RESULT}", ("a, b", OUT, AT)),
    "the journal": (f"Mar 17 20:23:03 host hass[12]: INFO:ocpp:CP_1: receive message {CALL}", ("CP_1", IN, None)),
    "in colours": (f"\x1b[1;32m{HOME_ASSISTANT}\x1b[0m", ("CP_1", IN, "2024-12-10 12:19:59.054")),
    "with a comment": (f"{HOME_ASSISTANT} (22 bytes)", ("CP_1", IN, "2024-12-10 12:19:59.054")),
    "with one in brackets": (f"CP_1: send {RESULT}\t[10 bytes]", ("CP_1", OUT, None)),
    "with quotes before": (f'"GET /CP_1" CP_1: send {RESULT}', ("CP_1", OUT, None)),
    "an identity with a colon": (f"INFO:ocpp:CP:1: send {RESULT}", ("CP:1", OUT, None)),
    "and the other way round": (f"{AT} recv CP:1: {CALL}", ("CP:1", IN, AT)),
    "an identity with a blank": (f"{AT} INFO (MainThread) [ocpp] my station: send {RESULT}", ("my station", OUT, AT)),
    "and nothing before": (f"my station: send {RESULT}", ("my station", OUT, None)),
    "and the other way round, too": (f"{AT} recv my station: {CALL}", ("my station", IN, AT)),
    "of a logger by its name": (f"{AT} - ocpp - INFO - CP - 1: send {RESULT}", ("CP - 1", OUT, AT)),
    "of another": (f"{AT} | INFO     | ocpp:send:123 - CP_1: send {RESULT}", ("CP_1", OUT, AT)),
    "of one in brackets": (f"[INFO] {AT} CP_1: send {RESULT}", ("CP_1", OUT, AT)),
    "a log in a message": ('CP_1: send [3,"1",{"a":"x: send [recv b: ["}]', ("CP_1", OUT, None)),
}  # fmt: skip


@pytest.mark.parametrize(("line", "told"), LOGGED.values(), ids=LOGGED)
def test_a_line_of_a_log_tells_who_and_which_way_and_when(line: str, told: tuple[object, ...]) -> None:
    message = only(line + "\n")
    assert (message.identity, message.way, message.time) == told
    assert text_of(message) in (CALL, RESULT, "hello", '[3,"1",{"a":"x: send [recv b: ["}]')
    assert message.line == 1


def test_what_a_message_has_in_it_tells_nothing() -> None:
    call = '[2,"1","DataTransfer",{"data":"CP_2: send [x"}]'
    for line in (f"recv CP_1: {call}", f"[chargeBoxId=CP_1, sessionId=a] Received: {call}"):
        message = only(line)
        assert (text_of(message), message.identity, message.way) == (call, "CP_1", IN)
    assert only(f"got {call}").identity is None
    assert only('got [2,"1","DataTransfer",{"data":"send x: [x"}]').identity is None


@pytest.mark.parametrize(
    "line",
    [
        f"10/1/2023, 4:25:10 PM  node: Server  data: {CALL}",
        f"2024-12-10 12:19:59 got {CALL} from somewhere",
    ],
)
def test_a_line_of_any_other_log_has_a_message_and_nothing_else(line: str) -> None:
    message = only(line)
    assert (text_of(message), message.identity, message.way) == (CALL, None, None)
    assert (message.time is None) == line.startswith("10/")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (f"a,b,'{CALL}',c", CALL),
        (f'{AT} "{CALL}"', CALL),
        (f"{AT} text='{RESULT}' bytes=10", RESULT),
        (f"{AT} '{RESULT[:-1]}", RESULT[:-1]),
        ('"[2,""1"",""Heartbeat"",{""a"":""""}]",', '[2,"1","Heartbeat",{"a":""}]'),
        ('msg="CP_1: send [3,\\"1\\",{}]" level=info', RESULT),
        ('"[2, \\"1\\",\\"Heartbeat\\",{\\"a\\":\\"\\\\\\"\\"}] it is"', '[2, "1","Heartbeat",{"a":"\\""}]'),
        ('\'[2,"","Heartbeat",{}]\'', '[2,"","Heartbeat",{}]'),
    ],
)
def test_a_message_may_be_quoted(line: str, text: str) -> None:
    message = only(line)
    assert (text_of(message), message.identity, message.way) == (text, None, None)
    assert message.time == (AT if line.startswith(AT) else None)


def test_what_is_quoted_in_a_log_that_tells_more_is_said_a_second_time() -> None:
    found, reader = read(f"{HOME_ASSISTANT}\nFailed to parse '{CALL}'\n")
    assert ([text_of(each) for each in found], reader.passed_over) == ([CALL], 1)


def test_what_follows_a_message_on_its_line_is_left_out_unless_it_may_belong_to_it() -> None:
    assert texts(f"{CALL} (22 bytes)") == [CALL]
    assert texts(f"got ({CALL}), which is 22 bytes") == [CALL]
    assert texts(f"CP_1: send {RESULT[:-2]}\n}}] (10 bytes)") == [f"{RESULT[:-2]}\n}}]"]
    assert texts(f'{{"frame": {CALL}}} hello') == [CALL]
    for odd in (
        f"{CALL}]",
        f"{CALL}x",
        f"{CALL} {CALL}",
        f"{CALL} {CALL} (44 bytes)",
        '[2,"1","Heartbeat",null',
        '[2,"1",{"a":"[["},"]"]',
    ):
        assert texts(f"{odd}\n") == [odd]


@pytest.mark.parametrize("size", [0, 1, 3])
def test_colours_are_left_out_wherever_a_chunk_ends(size: int) -> None:
    line = f"\x1b[1;32m{HOME_ASSISTANT[:20]}\x1b[K{HOME_ASSISTANT[20:]}\x1b[0m\n"
    found, _ = read(line * 2 + "\x1b[3", size)
    assert [text_of(message) for message in found] == [CALL, CALL]
    (message,), _ = read(json.dumps({"log": line}), size)
    assert text_of(message) == CALL


@pytest.mark.parametrize(
    "line",
    [
        "2024-12-10 12:19:59 INFO (MainThread) [homeassistant.loader] hello",
        'a "[2,\\"\\ud800\\"]"',
        f"DEBUG (MainThread) [websockets.server] < TEXT '{CALL}' [22 bytes]",  # said a second time
        "[2024-12-10 12:19:59] started",
        "[ocpp]",
        "we send [a letter",
        '{"level": "info", "message": "connected"}',
        '{"level": "info", "message": null}',
        '{"level": "info", "message": {"a": 1}}',
        '{"level": "info", "text": "connected"}',
        '{"level": "info", "msg": "{}"}',
        '{"direction": "in", "identity": "CP_1"}',
        '{"direction": "in", "transport": "soap", "raw": "<xml/>"}',
        '{"messageType": "PING"}',
        '{"messageType": 2}',
        '{"raw": "\\ud800"}',
        '{"torn": "',
        "{",
        "[[true], [{}]]",
        "[package]\n[[package.files]]",
        "",
        "\0\0\0\0",
    ],
)
def test_what_has_no_message_is_counted_and_passed_over(line: str) -> None:
    found, reader = read(line + "\n\n")
    assert found == []
    assert (reader.passed_over > 0) == bool(line.strip("\0"))


# -- objects --

RECORDED = {"time": "2026-01-01T12:00:00.000Z", "identity": "CP_1", "version": "2.0.1", "direction": "in"}
TRACE = {
    "schemaVersion": "1.1",
    "timestamp": "2026-01-01T12:00:00.000Z",
    "ocppVersion": "2.0.1",
    "transport": "json",
    "chargePointId": "CP_1",
    "direction": "cp-to-csms",
    "messageType": "CALL",
    "messageId": "1",
    "action": "Heartbeat",
    "payload": {},
    "meta": {"raw": 1},
}


@pytest.mark.parametrize(
    ("members", "way"),
    [
        ({**RECORDED, "text": CALL}, IN),
        ({**TRACE, "raw": CALL}, CP),
        (TRACE, CP),
        ({**RECORDED, "direction": "Sent", "frame": json.loads(CALL)}, OUT),
        ({**RECORDED, "direction": "CSMS-to-CP", "message": CALL}, CS),
        ({**RECORDED, "direction": "sideways", "ocppMessage": CALL}, None),
        ({**RECORDED, "msg": f"CP_2: send {CALL}"}, IN),
        ({"@timestamp": RECORDED["time"], "log": f"CP_1: send {CALL}\n", "protocol": "ocpp2.0.1"}, OUT),
        ({"ts": RECORDED["time"], "stationId": "CP_1", "protocol": "OCPP 2.0.1", "line": CALL}, None),
    ],
)
def test_an_object_has_a_message_and_what_is_known_of_it(members: dict[str, object], way: object) -> None:
    message = only(json.dumps(members))
    assert json.loads(text_of(message)) == json.loads(CALL)
    told = message.identity, message.way, message.version, message.time
    assert told == ("CP_1", way, Version.V201, RECORDED["time"])


def test_what_an_object_says_itself_counts_more_than_what_its_text_says() -> None:
    message = only(json.dumps({"time": 1.5, "cpId": 7, "version": None, "msg": f"{HOME_ASSISTANT}"}))
    assert (message.identity, message.way, message.version, message.time) == ("7", IN, None, "1.5")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("1.6", Version.V16),
        ("1.6J", Version.V16),
        ("ocpp2.1", Version.V21),
        ("OCPP-2.0.1", Version.V201),
        ("2.0", None),
    ],
)
def test_a_version_has_several_names(name: str, version: Version | None) -> None:
    assert only(json.dumps({"frame": CALL, "version": name})).version is version


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"messageType": "CALL", "messageId": "1", "action": "A", "payload": {"a": 1.50}}, '[2,"1","A",{"a": 1.5}]'),
        ({"messageType": "CALLRESULT", "messageId": "1"}, '[3,"1",{}]'),
        ({"messageType": "CALLERROR", "messageId": "1", "error": {"code": "X"}}, '[4,"1","X","",{}]'),
        ({"messageType": "CALLERROR"}, '[4,"","","",{}]'),
        ({"messageType": "SEND", "messageId": 1, "action": "A", "payload": []}, '[6,1,"A",[]]'),
    ],
)
def test_a_record_may_have_its_message_in_parts(members: dict[str, object], text: str) -> None:
    """Version 1.0 of the Open OCPP Trace Format has no ``raw``, and 1.1 need not have it."""
    assert texts(json.dumps(members)) == [text]


def test_a_text_on_record_is_a_message_whatever_it_is() -> None:
    assert texts(json.dumps({**RECORDED, "text": "nonsense"})) == ["nonsense"]
    assert texts(json.dumps({"frame": "nonsense"})) == ["nonsense"]


# -- arrays, and messages of several lines --


@pytest.mark.parametrize("blank", [None, 2])
def test_an_array_is_looked_into(blank: int | None) -> None:
    frames = [json.loads(CALL), json.loads(RESULT), {"frame": CALL}, [[1]], {"none": 1}]
    found, reader = read(f"{json.dumps(frames, indent=blank)}\n{CALL}\n")
    assert [json.loads(text_of(message)) for message in found] == [
        json.loads(each) for each in (CALL, RESULT, CALL, CALL)
    ]
    assert reader.passed_over == 2


def test_each_item_of_an_array_has_its_line() -> None:
    found, reader = read(f"[\n{CALL},\n\n{RESULT}]\n\n{CALL}")
    assert [message.line for message in found] == [2, 4, 6]
    assert reader.lines == 6


def test_an_array_may_break_off_or_turn_into_something_else() -> None:
    assert texts(f"[{CALL},") == [CALL]
    assert texts(f'[{CALL},[2,"2","Hea') == [CALL, '[2,"2","Hea']
    assert texts(f"[{CALL}, hello\n{RESULT},\n") == [CALL, RESULT]


def test_a_message_goes_on_until_its_brackets_are_closed() -> None:
    broken = '[2,"1","DataTransfer",\n{\n"data": "{[",\n"vendorId": "\\"}"\n}]'
    assert texts(f"CP_1: receive message {broken}\nhello\n{CALL}") == [broken, CALL]
    assert texts(f"{broken}\n") == [broken]
    assert texts('[\n2,\n"1",\n"Heartbeat",\n{}\n]\n') == ['[\n2,\n"1",\n"Heartbeat",\n{}\n]']


@pytest.mark.parametrize("torn", ['[2,"1","Heartbeat",{}', '[2,"1","Heart', 'CP_1: send [2,"1",\n{'])
@pytest.mark.parametrize(
    "next_line",
    [
        CALL,
        *(line for line, _ in LOGGED.values() if line.endswith(CALL)),
        f"{HOME_ASSISTANT}\x1b[0m",
        f"12:23:03.000 <- {CALL}",
        f"1700000000.5 <- {CALL}",
        f"[{AT}] <- {CALL}",
        f"{AT} started\n{CALL}",
        f"[ocpp  ] started\n{CALL}",
        json.dumps({"level": "info", "msg": f"CP_1: send {CALL}"}),
        json.dumps({"identity": "CP_1", "frame": CALL}),
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_a_message_that_breaks_off_does_not_take_the_next_one_with_it(torn: str, next_line: str, size: int) -> None:
    found, _ = read(f"{torn}\n{next_line}\n", size)
    assert [text_of(each) for each in found] == [torn.removeprefix("CP_1: send "), CALL]


def test_nor_does_it_take_one_of_several_lines_with_it() -> None:
    spread = json.dumps(json.loads(CALL), indent=2)
    for size in (0, 1, 100):
        found, _ = read(f"{spread[:-1]}\n{spread}\n{spread[:-6]}\n{spread}\n{CALL}\n", size)
        assert [json.loads(text_of(each)) for each in found[1::2]] == [json.loads(CALL)] * 2
        assert len(found) == 5


def test_a_message_that_has_lost_its_end_takes_no_more_than_some_lines_with_it() -> None:
    found, _ = read('[2,"1",\n' + "1,\n" * (MAX_LINES - 1) + "2,\n" + f"3,\n{CALL}")
    assert [text_of(each)[-3:] for each in found] == ["\n2,", "{}]"]
    whole = f"[{CALL[:-2]}" + '\n"a":1,' * (2 * MAX_LINES) + f'\n"b":1}}],\n{RESULT}]'
    assert [text_of(each)[-3:] for each in read(whole)[0]] == ["1}]", "{}]"], "in an array it is sure to end"


def test_a_record_that_breaks_off_does_not_take_the_next_one_with_it() -> None:
    line = json.dumps({**RECORDED, "text": CALL})
    found, reader = read(f"{line[:40]}\n{line}\n{line[:50]}")
    assert [text_of(message) for message in found] == [CALL]
    assert reader.passed_over == 2


def test_brackets_in_strings_do_not_count() -> None:
    strange = '[2,"1","DataTransfer",{"vendorId":"[[{"}]'
    assert texts(f"{strange}\n{CALL}") == [strange, CALL]


def test_a_file_may_begin_with_a_mark_and_have_lines_as_windows_has_them() -> None:
    assert texts(b"\xef\xbb\xbf" + f"{CALL}\r\n{RESULT}\r\n".encode()) == [CALL, RESULT]
    assert texts(b"\xef\xbb\xbf" + f"[{CALL},\r\n{RESULT}]\r\n".encode()) == [CALL, RESULT]


def test_bytes_that_are_no_text_are_left_to_whoever_judges() -> None:
    assert only(b'[2,"\xff","Heartbeat",{}]').text == b'[2,"\xff","Heartbeat",{}]'
    assert only(b"\xff: send [2]").identity == "\ufffd"


# -- pieces, and how many bytes are kept --

MIXED = "\n".join(
    [
        f"[{CALL},",
        f"{RESULT}]",
        HOME_ASSISTANT,
        "hello",
        json.dumps({**RECORDED, "text": CALL}, indent=1),
        '[2,"torn',
        json.dumps({**TRACE, "raw": CALL}),
        "[",
        json.dumps(json.loads(CALL), indent=2),
        "]",
        "[",
        "",
        RESULT + ",",
    ]
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 200])
def test_it_does_not_matter_how_a_file_is_cut(size: int) -> None:
    whole, at_once = read(MIXED)
    pieces, bit_by_bit = read(MIXED, size)
    assert len(whole) == 8
    assert pieces == whole
    assert (bit_by_bit.lines, bit_by_bit.passed_over) == (at_once.lines, at_once.passed_over)


@given(st.lists(st.sampled_from([*MIXED.split("\n"), '"', "{", "}", "[", "]", ",", "\\"])), st.integers(1, 9))
def test_nothing_is_too_strange_to_be_read(lines: list[str], size: int) -> None:
    file = "\n".join(lines)
    assert read(file, size)[0] == read(file)[0]


@pytest.mark.parametrize("size", [1, 10, 1000])
@pytest.mark.parametrize(
    "long",
    [
        f'[2,"1","{"x" * 200}"]',
        f'[2,"1",\n"{"x" * 200}"]',
        f'[[2,"{"x" * 200}"],\n{RESULT},',
        f'CP_1: send [2,"{"x" * 200}"]',
        f'{{"time":1,"text":"[2,\\"1\\",{"x" * 200}"}}',
        f'{{"time":1,"messageType":"CALL","a":{"1" * 200}}}',
    ],
)
def test_a_message_that_is_too_long_is_reported_and_passed_over(long: str, size: int) -> None:
    found, _ = read(f"{CALL}\n{long}\n{RESULT}\n", size, 100)
    first, second, *others = found
    assert (text_of(first), second) == (CALL, TooLong(2))
    assert {text_of(each) for each in others} == {RESULT}


@pytest.mark.parametrize("size", [1, 10, 1000])
@pytest.mark.parametrize("long", ["x" * 200, "{" * 200, f'[["{"x" * 200}"]]', f'{{"text":"{"x" * 200}"}}'])
def test_what_is_too_long_and_no_message_is_passed_over(long: str, size: int) -> None:
    found, reader = read(f"{CALL}\n{long}\n{RESULT}\n", size, 100)
    assert [text_of(each) for each in found] == [CALL, RESULT]
    assert reader.passed_over == 1


def test_what_is_too_long_may_have_no_end() -> None:
    assert read(CALL[:-1] + "x" * 1000, 10, 100)[0] == [TooLong(1)]
    assert read("x" * 1000, 10, 100)[0] == []


def test_lines_may_go_on_from_one_file_to_the_next() -> None:
    reader = Reader(lines=10)
    (message,) = reader.receive_data(f"hello\n{CALL}\n".encode())
    assert (message.line, reader.lines) == (12, 12)


def test_it_takes_no_more_memory_for_more_messages() -> None:
    def peak(messages: int) -> int:
        reader = Reader()
        chunk = (json.dumps({**RECORDED, "text": CALL}) + "\n").encode() * 10
        tracemalloc.start()
        for _ in itertools.repeat(None, messages // 10):
            reader.receive_data(chunk)
        return tracemalloc.get_traced_memory()[1]

    try:
        few, many = peak(200), peak(4000)
    finally:
        tracemalloc.stop()
    assert many < 2 * few

"""Messages out of whatever they were written down in: recordings, traces, logs, bare frames.

Bytes in, messages out, in memory that does not grow with the file. Each piece of it, a line as a rule, is taken for
what it looks like, so that a file may be a mixture:

* A JSON object with a message under one of the names in :data:`TEXTS`: a line of ``ocpp_transports.recording``, a
  record of the Open OCPP Trace Format (v1.1, and v1.0, which has no ``raw``), a line of a structured log.
* A bare OCPP message: ``[2, "id", "Action", {…}]``.
* A line of a log with ``identity: send [2,…`` or ``identity: receive message [2,…`` in it, as the library ``ocpp`` and
  with it Home Assistant have them; with ``send identity: [2,…`` and ``recv identity: [2,…``; or with
  ``[chargeBoxId=identity, sessionId=…] Received: [2,…`` and ``Sending: [3,…``, as SteVe has them.
* A line of any other log that has an OCPP message in it, of which nothing more is known then. It may be quoted, as in
  CSV or in a string, unless the file tells who and which way: there, what is quoted is said a second time.

An array around objects or messages is looked into, and a message may go on over several lines, as long as each can be
JSON and none has another message. Colours of a terminal are left out, and so is what a log has behind a message.
Everything else is counted and passed over. What a message says, or whether it is one, is none of its business:
:mod:`ocpp_sansio.audit` judges that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import inf
from typing import Final, NamedTuple

import attrs
import msgspec

from .codec import UNREADABLE
from .messages import Role
from .session import Direction
from .version import MessageType, Version

__all__ = ["MAX_LENGTH", "Message", "Reader", "TooLong"]

MAX_LENGTH: Final = 2 * 2**20
"""Bytes of one piece. A message may have half as many (``Limits.max_message_size``), and grows when it is quoted."""
MAX_LINES: Final = 1000
"""Lines of one that is not in an array: if it has lost its end, it does not take more than that with it."""

TEXTS: Final = ("raw", "text", "frame", "ocppMessage", "message", "msg", "log", "line")
"""What the member of an object that has a message may be called, the likeliest first."""
IDENTITIES: Final = (
    "identity",
    "chargePointId",
    "chargingStationId",
    "stationId",
    "chargeBoxId",
    "chargerId",
    "cpId",
    "charge_point_id",
    "station_id",
)
"""And the one that has the charge point's identity."""
VERSIONS: Final = ("version", "ocppVersion", "protocol", "subprotocol", "ocpp_version")
"""And its version."""
TIMES: Final = ("time", "timestamp", "@timestamp", "ts")
"""And when it was written down."""
WAYS: Final[Mapping[str, Direction | Role]] = {
    **dict.fromkeys(("in", "inbound", "incoming", "receive", "received", "receive message", "recv"), Direction.IN),
    **dict.fromkeys(("out", "outbound", "outgoing", "send", "sending", "sent"), Direction.OUT),
    "cp-to-csms": Role.CHARGE_POINT,
    "csms-to-cp": Role.CENTRAL_SYSTEM,
}
"""What its ``direction`` may say, in any case: the way it went, seen from who wrote it down, or who has sent it."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message on record, and what the record tells of it."""

    # It is made for every message, so it is of the cheapest kind to make.

    line: int
    """Where it begins in the file, counted from 1."""
    text: str | bytes
    """As it was sent, as far as the record has that."""
    identity: str | None = None
    way: Direction | Role | None = None
    """The way it went, seen from the end that wrote it down; or who has sent it, where the record is clear about it."""
    version: Version | None = None
    time: str | None = None
    """When that was, as it is written there."""


@attrs.frozen
class TooLong:
    """A piece that begins as a message, is too long to be one, and was passed over."""

    line: int
    """Where it begins in the file, counted from 1."""


class Reader:
    """Finds the messages of a file that is handed to it in chunks of any size.

    What it keeps is the last piece, as long as that has no end.

    Args:
        max_length: bytes of one piece. A longer one is passed over, up to the end of a line, and reported if it begins
            as a message.
        lines: those of the files before this one, if it goes on with them: its own are counted from there.
    """

    def __init__(self, max_length: int = MAX_LENGTH, *, lines: int = 0) -> None:
        self._max_length: Final = max_length
        self.lines = lines
        """Those that were read to their end."""
        self.passed_over = 0
        """Lines, and items of arrays, that have no message."""
        self._rest = b""
        self._half = b""
        """Of a colour, at the end of a chunk."""
        self._open: _Open | None = None
        """What begins there, if it goes beyond the end of its line."""
        self._is_in_array = False
        self._is_skipping = False
        """Whether the rest of the line is to be passed over."""
        self._is_known = False
        """Whether it is a log that tells of a message who and which way: nothing is looked for in quotes."""

    def receive_data(self, data: bytes) -> list[Message | TooLong]:
        """Take in what comes next. Returns what is complete with it."""
        if self._half or b"\x1b" in data:
            data = self._half + data
            half = _half_a_colour(data)
            self._half = b"" if half is None else half[0]
            data = _without_colours(data[: len(data) - len(self._half)])
        return self._read(self._rest + data)

    def receive_eof(self) -> list[Message | TooLong]:
        """The file ends here. Returns what has no end of its own."""
        return self._read(self._rest + b"\n", is_last=True) if self._rest else []

    def _read(self, data: bytes, *, is_last: bool = False) -> list[Message | TooLong]:
        found: list[Message | TooLong] = []
        start = 0
        while start < len(data):
            read = self._skip if self._is_skipping else self._read_item if self._is_in_array else self._read_line
            end = read(data, start, is_last, found)
            if end is None and not self._is_skipping and len(data) - start > self._max_length:
                self._pass_over(data, start, found)
                self._is_skipping, self._is_in_array, self._open = True, False, None
                end = start + self._max_length
            if end is None:
                break
            self.lines += data.count(b"\n", start, end)
            start = end
        self._rest = b"" if self._is_skipping else data[start:]
        return found

    # Each of these reads what begins at `start` and returns where that ends; `None`: it has not come to its end yet.

    def _skip(self, data: bytes, start: int, _: bool, __: object) -> int | None:
        end = _end_of_line(data, start)
        self._is_skipping = end is None
        return end

    def _read_line(self, data: bytes, start: int, is_last: bool, found: list[Message | TooLong]) -> int | None:
        if self._open is None:
            bracket = _opening(data, start)
            if bracket is not None:
                self._is_in_array = True
                return bracket.end()
            end: int | None = data.find(b"\n", start) + 1
            if not end:
                return None
            if end - start - 1 > self._max_length:
                self._pass_over(data, start, found)
                return end
            line = data[start:end].strip(_BLANK)
            said = _find(line)
            if said is None:
                quoted = None if self._is_known else _find_quoted(line)
                piece, said = quoted or (line, None)
                self._take(piece, said, found)
                return end
            if said is not _BARE and said.way is not None:
                self._is_known = True
            piece = line[said.start : said.stop]
            length = _length(piece)
            if length is not None:
                self._take(piece[:length], said, found)
                return end
            if piece == b"[" and not (is_last or data[end:].strip(_BLANK)):  # around what, is not to be seen yet
                return None
            begin = data.index(piece, start) - start
            self._open = _Open(said, begin, begin, MAX_LINES)
        closed = self._open.close(data, start, is_last)
        end = None if closed is None else _end_of_line(data, closed)
        if closed is None or end is None:
            return None
        if end - start - 1 > self._max_length:
            self._pass_over(data, start, found)
        else:
            begin = start + self._open.begin
            piece = data[begin:end].strip(_BLANK)
            self._take(piece[: _less_a_comment(piece, closed - begin)], self._open.said, found)
        self._open = None
        return end

    def _read_item(self, data: bytes, start: int, is_last: bool, found: list[Message | TooLong]) -> int | None:
        if self._open is None:
            blank = _between(data, start)
            if blank is not None:
                return blank.end()
            if data[start] not in b"[{":
                self._is_in_array = False
                return start + (data[start] in b"]")
            self._open = _Open(_BARE, 0, 0)
        end = self._open.close(data, start, is_last)
        if end is None:
            return None
        if end - start > self._max_length:
            self._pass_over(data, start, found)
        else:
            piece = data[start:end].strip(_BLANK)
            self._take(piece, None if piece[:1] == b"[" and _frame(piece) is None else _BARE, found)
        self._open = None
        return end

    def _take(self, piece: bytes, said: _Said | None, found: list[Message | TooLong]) -> None:
        line = self.lines + 1
        message = None if said is None else _recorded(piece, line) if piece[:1] == b"{" else said.of(piece, line)
        if message is not None:
            found.append(message)
        elif piece:
            self.passed_over += 1

    def _pass_over(self, data: bytes, start: int, found: list[Message | TooLong]) -> None:
        """What begins there is too long."""
        begin = start if self._open is None else start + self._open.begin
        head = data[begin : min(begin + _MAX_HEAD, start + self._max_length)]
        if _begins_as_message(head.lstrip(_BLANK)):
            found.append(TooLong(self.lines + 1))
        else:
            self.passed_over += 1


# -- where a piece ends --

_BLANK: Final = b" \t\r\n\0\xef\xbb\xbf"
"""Around a line: a file may begin with a mark, and a power cut may leave zeros."""
_opening: Final = re.compile(rb"[ \t\r\xef\xbb\xbf]*+\[\s*+(?=[\[{])").match
_between: Final = re.compile(rb"[\s,]++").match

_colour: Final = re.compile(rb"\x1b\[[\d;?]{0,32}[@-~]")
_half_a_colour: Final = re.compile(rb"\x1b(?:\[[\d;?]{0,32})?\Z").search
_tokens: Final = re.compile(rb'"(?:[^"\\\n]++|\\(?:[^\n]|\Z))*+"?|[\[\]{}\n]').finditer
"""Strings, which do not go on on the next line, brackets, and ends of lines."""
_can_be_json: Final = re.compile(
    rb'[\s\0]*+(?:["{}\],:]|-?\d|\[[ \t]*+(?:["{}\[\],]|-?\d|\s|\Z)|true|false|null|\Z)'
).match
# None of this is in JSON before a quote, unless it is within the array that the line begins with.
_is_of_a_log: Final = re.compile(
    rb'[^"\n]{0,200}?\d\d:\d\d|(?!\s*+[\[,])[^"\n]{0,200}?\[\s{0,16}[2-6]\s{0,16},\s{0,16}"'
).match
_another: Final = {
    b"[": re.compile(
        rb'[ \t]{0,16}\[\s{0,16}\d\s{0,16},\s{0,16}"|\{"(?:schemaVersion|%b)": ?["\[\d]'
        % "|".join((*TEXTS, *IDENTITIES, "time")).encode()
    ).match,
    b"{": re.compile(rb'\{[ \t]{0,16}"').match,
}
"""Where another piece begins, by what the open one begins with."""
_LOOK_AHEAD: Final = 80
"""Bytes in which that is to be seen: a message may begin with a bracket on a line of its own."""


@attrs.define
class _Open:
    """A piece that is open at the end of its line. Places are counted from where the line, or the item, begins."""

    said: _Said
    begin: int
    scanned: int
    """How far it is known already: nothing is looked at twice, however many chunks it comes in."""
    room: float = inf
    """Lines that it may still go on over."""
    depth: int = 0
    """Brackets that are open there."""

    def close(self, data: bytes, start: int, is_last: bool) -> int | None:
        """Where it ends, or breaks off; ``None``: that is not to be seen yet."""
        begin = start + self.begin
        for token in _tokens(data, start + self.scanned):
            at = token.start()
            self.scanned = at - start
            kind = data[at]
            if kind in b"[{":
                self.depth += 1
            elif kind in b"]}":
                self.depth -= 1
                if self.depth == 0:
                    return token.end()
            elif kind in b"\n":
                end = data.find(b"\n", at + 1)
                if not is_last and (end < 0 or len(data) - at <= _LOOK_AHEAD):  # the next line is not to be seen yet
                    return None
                self.room -= 1
                if self.room < 0 or _breaks_off(data, at + 1, end, data[begin : begin + 1]):
                    return at
            elif token.end() == len(data) and not is_last:  # nor is the rest of the string
                return None
        self.scanned = len(data) - start
        return len(data) - 1 if is_last else None


def _breaks_off(data: bytes, start: int, end: int, opening: bytes) -> bool:
    """Whether what is open ends before the line that begins there: it has another piece, or cannot be JSON."""
    if _another[opening](data, start) is not None:
        return True
    line = data[start:end]
    if _can_be_json(line) is None or _is_of_a_log(line) is not None:
        return True
    return line[:1] == b"{" and _recorded(line.strip(_BLANK), 0) is not None


def _end_of_line(data: bytes, start: int) -> int | None:
    end = data.find(b"\n", start)
    return None if end < 0 else end + 1


def _length(piece: bytes) -> int | None:
    """How much of the rest of a line is the message; ``None``: it goes on on the next line."""
    if piece[:1] == b"{" and piece[-1:] == b"}":  # the usual case
        return len(piece)
    has_more = piece.count(b"[") + piece.count(b"{") > piece.count(b"]") + piece.count(b"}")
    if not has_more and (piece[-2:] == b"}]" or piece[:1] not in _BRACKETS):
        return len(piece)
    end = _Open(_BARE, 0, 0).close(piece, 0, is_last=False)
    if end is None:
        return None if has_more else len(piece)
    return _less_a_comment(piece, end)


def _less_a_comment(piece: bytes, end: int) -> int:
    """Where a message ends that is complete there: what comes after a blank is the log's, if it is no other message."""
    rest = piece[end:]
    return end if rest[:1] in _AFTER and _anywhere(rest) is None else len(piece)


_BRACKETS: Final = frozenset({b"[", b"{"})
_AFTER: Final = frozenset({b" ", b"\t", b"'", b'"'})


def _without_colours(data: bytes) -> bytes:
    return _colour.sub(b"", data)


def _begins_as_message(head: bytes) -> bool:
    begins = _record if head[:1] == b"{" else _message if head[:1] == b"[" else _find_logged
    return begins(head) is not None


# -- logs --


class _Said(NamedTuple):
    """Where in a line its message is, and what the line tells of it."""

    start: int = 0
    stop: int | None = None
    identity: str | None = None
    way: Direction | Role | None = None
    time: str | None = None

    def of(self, text: str | bytes, line: int) -> Message:
        return Message(line, text, self.identity, self.way, None, self.time)


_BARE: Final = _Said()
_BARE_BEFORE_COMMA: Final = _Said(stop=-1)
_MAX_HEAD: Final = 256
"""Characters of a line in which the identity and the time are looked for."""
_MESSAGE: Final = rb'\[\s{0,16}[2-6]\s{0,16},\s{0,16}"'
"""How one begins."""

_frame: Final = re.compile(rb'\[(?:\s{0,16}-?\d{1,9}\s{0,16},|\s{0,16}"|\Z)').match
_message: Final = re.compile(_MESSAGE).match
_record: Final = re.compile(
    rb'.*?"(?:messageType"|(?:%b)":\s?"?[^"\\]{0,%d}%b)' % ("|".join(TEXTS).encode(), _MAX_HEAD, _MESSAGE[:-1]),
    re.DOTALL,
).match
_by_ocpp: Final = re.compile(rb": (receive message(?= \S)|send(?= [\[{])) ").search
_by_evcc: Final = re.compile(rb'(send|recv)(?<!\w.{4}) (\S{1,128}(?=: [\[{])|[^"\[\]{}]{1,128}(?=: \[[2-6],)): ').search
_by_steve: Final = re.compile(
    rb"\[chargeBoxId=(.{1,255}?), sessionId=[^\]]{0,64}\] (Received|Sending): (?=[\[{])"
).search
# Not in quotes. Those are looked into if nothing else is found.
_anywhere: Final = re.compile(rb"""(?<!["'])""" + _MESSAGE).search
# A library that shows its bytes as TEXT '…' shows them a second time.
_quoted: Final = re.compile(
    rb"""(?=%b""(?!,))(?P<doubled>(?:[^"]++|"")++)|(?=%b\\")(?P<escaped>(?:[^"\\]++|\\.)++)"""
    rb"""|(?<=["'])(?<!TEXT ["'])(?P<plain>%b".*)""" % ((_MESSAGE[:-1],) * 3)
).search
_time: Final = re.compile(rb"\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?").search


def _find(line: bytes) -> _Said | None:
    """What a line says that is not of the wire, if it has a message."""
    if line[:1] == b"{":
        return _BARE
    if _frame(line) is not None:
        return _BARE_BEFORE_COMMA if line[-2:] in (b"],", b"},") else _BARE
    return _find_logged(line)


def _find_logged(line: bytes) -> _Said | None:
    logged = _by_ocpp(line)
    if logged is not None and _is_before_message(line, logged.start()):
        head = line[: logged.start()]
        who, way = _identity_behind(head[-_MAX_HEAD:]), logged[1]
        return _Said(logged.end(), None, _text(who) or None, WAYS[way.decode()], _time_of(head))
    logged = _by_evcc(line)
    if logged is not None and _is_before_message(line, logged.start()):
        way, who = logged.groups()
    else:
        logged = _by_steve(line)
        if logged is None:
            return _find_anywhere(line)
        who, way = logged.groups()
    return _Said(logged.end(), None, _text(who), WAYS[way.decode().lower()], _time_of(line[: logged.start()]))


def _is_before_message(line: bytes, at: int) -> bool:
    """Whether it is not a part of it."""
    if line.find(b'"', 0, at) < 0:
        return True
    message = _anywhere(line)
    return message is not None and message.start() > at


def _find_anywhere(line: bytes) -> _Said | None:
    found = _anywhere(line)
    if found is None:
        return None
    stop = line.rfind(b"]") + 1 or None  # whatever the log has behind it
    return _Said(found.start(), stop, time=_time_of(line[: found.start()]))


_read_string: Final = msgspec.json.Decoder(str).decode
_UNQUOTE: Final[Mapping[str | None, Callable[[bytes], bytes]]] = {
    "plain": bytes,
    "doubled": lambda text: text.replace(b'""', b'"'),
    "escaped": lambda text: _read_string(b'"%b"' % text).encode(),
}


def _find_quoted(line: bytes) -> tuple[bytes, _Said] | None:
    """A message in quotes: as it is, as in CSV, or as in a string of JSON."""
    found = _quoted(line)
    if found is None:
        return None
    try:
        text = _UNQUOTE[found.lastgroup](found[0])
    except UNREADABLE:
        return None
    return text[: _length(text)], _Said(time=_time_of(line[: found.start()]))


# -- who --

_LEVEL: Final = rb"(?:TRACE|DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL)"
_by_a_logger: Final = re.compile(rb"\b%b:[\w.]+:" % _LEVEL).search
_prefix: Final = re.compile(
    # Up to the last that is a time, a level or a line, that ends in a bracket or a quote, or has a colon.
    rb'(?:.*(?<!\S)(?:\d+[-/:.][\d/:.,TZ+-]*|%b|[AP]M|\||\S*[\])"]|\S*[:=]\S*)[:,]?\s+)?'
    rb"(?:(?:-|\||ocpp[\w.]*)\s+)*+" % _LEVEL
).match


def _identity_behind(head: bytes) -> bytes:
    """Who is named at the end of a line's head: an identity may have blanks and colons.

    It is what stands behind the name of the logger, as Home Assistant and ``basicConfig`` write it, or else behind
    whatever looks like what other loggers begin with.
    """
    _, logger, identity = head.partition(b"[ocpp] ")  # the usual case
    if logger:
        return identity
    found = _by_a_logger(head) or _prefix(head)
    return head if found is None else head[found.end() :]


def _time_of(head: bytes) -> str | None:
    time = _time(head[:_MAX_HEAD])
    return None if time is None else time[0].decode().replace("/", "-")


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


# -- objects --

_SURE: Final = frozenset({"raw", "frame", "ocppMessage"})
"""Names of what is a message whatever it looks like; ``text`` is one if it has a direction."""

_read_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Layout(NamedTuple):
    """Under which names an object has what there is to know."""

    text: str | None
    identity: str | None
    version: str | None
    time: str | None
    direction: str | None


@lru_cache(maxsize=256)
def _layout(names: tuple[str, ...]) -> _Layout:
    known = (TEXTS, IDENTITIES, VERSIONS, TIMES, ("direction",))
    return _Layout(*(next((name for name in each if name in names), None) for each in known))


class _Usual(msgspec.Struct, gc=False, rename="camel"):
    """What our own recordings and those of the Open OCPP Trace Format have, to be read in one go."""

    time: str | None = None
    timestamp: str | None = None
    identity: str | None = None
    charge_point_id: str | None = None
    version: str | None = None
    ocpp_version: str | None = None
    direction: str = ""
    raw: str | None = None
    text: str | None = None
    transport: str | None = None


_read_usual: Final = msgspec.json.Decoder(_Usual).decode


def _recorded(piece: bytes, line: int) -> Message | None:
    """The message that an object has; ``None`` if it has none, or is torn."""
    try:
        usual = _read_usual(piece)
    except UNREADABLE:
        return _recorded_otherwise(piece, line)
    text = usual.text if usual.raw is None else usual.raw
    way = WAYS.get(usual.direction)
    if text is None or way is None or usual.transport == "soap":
        return _recorded_otherwise(piece, line)
    identity = usual.charge_point_id if usual.identity is None else usual.identity
    version = usual.ocpp_version if usual.version is None else usual.version
    time = usual.timestamp if usual.time is None else usual.time
    return Message(line, text, identity, way, None if version is None else _version(version), time)


def _recorded_otherwise(piece: bytes, line: int) -> Message | None:
    try:
        record = _read_object(piece)
        layout = _layout(tuple(record))
        identity, number, time, direction = (None if name is None else _scalar(record[name]) for name in layout[1:])
        text = _from_parts(record) if layout.text is None else _whole(record[layout.text])
    except UNREADABLE:
        return None
    way = None if direction is None else WAYS.get(direction.lower())
    version = None if number is None else _version(number)
    if text is None or ("transport" in record and _scalar(record["transport"]) == "soap"):
        return None
    if layout.text is not None and layout.text not in _SURE and (way is None or layout.text != "text"):
        # Whatever somebody had to say: a message, or a line of a log.
        prose = _without_colours(text.encode() if isinstance(text, str) else text).strip(_BLANK)
        said = None if prose[:1] == b"{" else _find(prose)
        if said is None:
            return None
        prose = prose[said.start : said.stop]
        text, way = prose[: _length(prose)], way or said.way
        identity, time = identity or said.identity, time or said.time
    return Message(line, text, identity, way, version, time)


def _scalar(raw: msgspec.Raw) -> str | None:
    text = bytes(raw)
    return _read_string(text) if text[:1] == b'"' else None if text == b"null" else _text(text)


def _whole(raw: msgspec.Raw) -> str | bytes | None:
    text = bytes(raw)
    return _read_string(text) if text[:1] == b'"' else text if text[:1] == b"[" else None


_PARTS: Final = {
    MessageType.CALL: ("action", "payload"),
    MessageType.SEND: ("action", "payload"),
    MessageType.CALLRESULT: ("payload",),
    MessageType.CALLERROR: ("code", "description", "details"),
    MessageType.CALLRESULTERROR: ("code", "description", "details"),
}
_ABSENT: Final = dict.fromkeys(("payload", "details"), msgspec.Raw(b"{}"))
_EMPTY: Final = msgspec.Raw(b'""')


def _from_parts(record: Mapping[str, msgspec.Raw]) -> bytes | None:
    """The message of a record that has it in parts only."""
    message_type = MessageType.__members__.get(_scalar(record.get("messageType", _EMPTY)) or "")
    if message_type is None:
        return None
    parts = {**_ABSENT, **record, **_read_object(record.get("error", _ABSENT["details"]))}
    elements = (bytes(parts.get(part, _EMPTY)) for part in ("messageId", *_PARTS[message_type]))
    return b"[%d,%b]" % (message_type, b",".join(elements))


@lru_cache(maxsize=64)
def _version(name: str) -> Version | None:
    """The version that is meant, as far as it is one of ours."""
    number = name.lower().removeprefix("ocpp").strip(" -_").removesuffix("j")
    return Version(number) if number in {version.value for version in Version} else None

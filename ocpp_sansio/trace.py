"""Messages out of whatever they were written down in: recordings, traces, logs, bare frames.

Bytes in, messages out, in memory that does not grow with the file. Each piece of it, a line as a rule, is taken for
what it looks like, so that a file may be a mixture:

* A JSON object with a message under one of the names in :data:`TEXTS`: a line of ``ocpp_transports.recording``, a
  record of the Open OCPP Trace Format (v1.1, and v1.0, which has no ``raw``), a line of a structured log.
* A bare OCPP message: ``[2, "id", "Action", {…}]``.
* A line of a log with ``identity: send [2,…`` or ``identity: receive message [2,…`` in it, as the library ``ocpp`` and
  with it Home Assistant have them, or with ``send identity: [2,…`` and ``recv identity: [2,…``.
* A line of any other log that has an OCPP message in it, of which nothing more is known then.

An array around objects or messages is looked into, and a message may go on over several lines. Everything else is
counted and passed over. What a message says, or whether it is one, is none of its business:
:mod:`ocpp_sansio.audit` judges that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
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
    **dict.fromkeys(("out", "outbound", "outgoing", "send", "sent"), Direction.OUT),
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
    """A piece that is too long to be a message, and was passed over."""

    line: int
    """Where it begins in the file, counted from 1."""


class Reader:
    """Finds the messages of a file that is handed to it in chunks of any size.

    What it keeps is the last piece, as long as that has no end.

    Args:
        max_length: bytes of one piece. A longer one is reported and passed over, up to the end of a line.
    """

    def __init__(self, max_length: int = MAX_LENGTH) -> None:
        self._max_length: Final = max_length
        self.lines = 0
        """Those that were read to their end."""
        self.passed_over = 0
        """Lines, and items of arrays, that have no message."""
        self._rest = b""
        self._open: _Open | None = None
        """What begins there, if it goes beyond the end of its line."""
        self._is_in_array = False
        self._is_skipping = False
        """Whether the rest of the line is to be passed over."""

    def receive_data(self, data: bytes) -> list[Message | TooLong]:
        """Take in what comes next. Returns what is complete with it."""
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
                found.append(TooLong(self.lines + 1))
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
            end = _end_of_line(data, start)
            if end is None:
                return None
            line = data[start:end].strip(_BLANK)
            said = _find(line)
            piece = line if said is None else line[said.start : said.stop]
            if said is None or not _is_open(piece):
                if piece:
                    self._take(piece, said, end - start - 1, found)
                return end
            if piece == b"[" and not (is_last or data[end:].strip(_BLANK)):  # around what, is not to be seen yet
                return None
            begin = data.index(piece, start) - start
            self._open = _Open(said, begin, begin)
        closed = self._close(self._open, data, start, is_last)
        end = None if closed is None else _end_of_line(data, closed)
        if end is None:
            return None
        self._take(data[start + self._open.begin : end].strip(_BLANK), self._open.said, end - start - 1, found)
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
        end = self._close(self._open, data, start, is_last)
        if end is None:
            return None
        piece = data[start:end].strip(_BLANK)
        said = None if piece[:1] == b"[" and _frame(piece) is None else self._open.said
        self._take(piece, said, end - start, found)
        self._open = None
        return end

    def _close(self, piece: _Open, data: bytes, start: int, is_last: bool) -> int | None:
        """Where a piece ends, or breaks off."""
        end, scanned, depth = _scan(data, start + piece.begin, start + piece.scanned, piece.depth, is_last)
        piece.scanned, piece.depth = scanned - start, depth
        return end

    def _take(self, piece: bytes, said: _Said | None, length: int, found: list[Message | TooLong]) -> None:
        line = self.lines + 1
        if length > self._max_length:
            found.append(TooLong(line))
            return
        message = None if said is None else _recorded(piece, line) if piece[:1] == b"{" else said.of(piece, line)
        if message is None:
            self.passed_over += 1
        else:
            found.append(message)


# -- where a piece ends --

_BLANK: Final = b" \t\r\n\0\xef\xbb\xbf"
"""Around a line: a file may begin with a mark, and a power cut may leave zeros."""
_opening: Final = re.compile(rb"[ \t\r\xef\xbb\xbf]*+\[\s*+(?=[\[{])").match
_between: Final = re.compile(rb"[\s,]++").match

_A_LOG: Final = rb'[^"{\[\n]{0,200}?(?:\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:|: (?:receive message|send) [\[{])'
_tokens: Final = {
    opening: re.compile(rb'"(?:[^"\\\n]++|\\(?:[^\n]|\Z))*+"?|[\[\]{}]|\n(?=(%b|%b)?)' % (again, _A_LOG)).finditer
    for opening, again in {
        b"[": rb'\[[ \t]{0,16}\d[ \t]{0,16},[ \t]{0,16}"|\{"(?:schemaVersion|%b)":'
        % "|".join((*TEXTS, *IDENTITIES, "time")).encode(),
        b"{": rb'\{[ \t]{0,16}"',
    }.items()
}
"""By what a piece begins with: strings, which do not go on on the next line, brackets, and ends of lines, with the next
line's start if that is where another piece begins."""


@attrs.define
class _Open:
    """A piece that is open at the end of its line. Places are counted from where the line, or the item, begins."""

    said: _Said
    begin: int
    scanned: int
    """How far it is known already: nothing is looked at twice, however many chunks it comes in."""
    depth: int = 0
    """Brackets that are open there."""


def _end_of_line(data: bytes, start: int) -> int | None:
    end = data.find(b"\n", start)
    return None if end < 0 else end + 1


def _is_open(piece: bytes) -> bool:
    """Whether more brackets are opened than closed."""
    if piece[:1] == b"{" and piece[-1:] == b"}":  # the usual case
        return False
    if piece.count(b"[") + piece.count(b"{") <= piece.count(b"]") + piece.count(b"}"):
        return False
    return _scan(piece, 0, 0, 0, is_last=False)[0] is None


def _scan(data: bytes, begin: int, start: int, depth: int, is_last: bool) -> tuple[int | None, int, int]:
    """Go on looking for the end of the piece that begins there. Returns it, or where to go on, and at which depth."""
    for token in _tokens[data[begin : begin + 1]](data, start):
        at = token.start()
        kind = data[at]
        if kind in b"[{":
            depth += 1
        elif kind in b"]}":
            depth -= 1
            if depth == 0:
                return token.end(), at, depth
        elif kind in b"\n":
            if token[1] is not None:
                return at, at, depth
            if not is_last and data.find(b"\n", at + 1) < 0:  # what the next line is, is not to be seen yet
                return None, at, depth
        elif token.end() == len(data) and not is_last:  # nor what the rest of the string is
            return None, at, depth
    return (len(data) - 1 if is_last else None), len(data), depth


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

_frame: Final = re.compile(rb'\[(?:\s{0,16}-?\d{1,9}\s{0,16},|\s{0,16}"|\Z)').match
_said: Final = re.compile(
    rb": (?:(receive message) (?=\S)|(send) (?=[\[{]))|\b(send|recv) ([^\s:]{1,128}): (?=[\[{])"
).search
# Not one that is quoted: a library that shows its bytes shows them a second time.
_anywhere: Final = re.compile(rb"""(?<!["'])\[\s{0,16}[2-6]\s{0,16},\s{0,16}\"""").search
_time: Final = re.compile(rb"\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?").search


def _find(line: bytes) -> _Said | None:
    """What a line says that is not of the wire, if it has a message."""
    if line[:1] == b"{":
        return _BARE
    if _frame(line) is not None:
        return _BARE_BEFORE_COMMA if line[-2:] in (b"],", b"},") else _BARE
    return _find_logged(line)


def _find_logged(line: bytes) -> _Said | None:
    logged = _said(line)
    if logged is None:
        found = _anywhere(line)
        if found is None:
            return None
        stop = line.rfind(b"]") + 1 or None  # whatever the log has behind it
        return _Said(found.start(), stop, time=_time_of(line[: found.start()]))
    receive, send, other, identity = logged.groups()
    head = line[: logged.start()]
    if identity is None:
        identity = head[-_MAX_HEAD:].replace(b":", b" ").rpartition(b" ")[2]
    way = WAYS[(receive or send or other).decode()]
    return _Said(logged.end(), None, _text(identity) or None, way, _time_of(head))


def _time_of(head: bytes) -> str | None:
    time = _time(head[:_MAX_HEAD])
    return None if time is None else time[0].decode().replace("/", "-")


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


# -- objects --

_SURE: Final = frozenset({"raw", "frame", "ocppMessage"})
"""Names of what is a message whatever it looks like; ``text`` is one if it has a direction."""

_read_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_string: Final = msgspec.json.Decoder(str).decode


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
        prose = text.encode() if isinstance(text, str) else text
        said = None if prose[:1] == b"{" else _find(prose)
        if said is None:
            return None
        text, way = prose[said.start : said.stop].strip(_BLANK), way or said.way
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

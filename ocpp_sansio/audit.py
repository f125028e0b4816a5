"""What is wrong with messages on record: each read as a strict end would read it, and matched with what it answers.

Messages in, findings out, in memory that does not grow with their number. There is no second judge here: the codec says
yes or no, the diagnosis says how, the tolerance says what may be put up with. What is added is what only a witness of
both ends can tell: which CALL an answer belongs to, who of the two speaks out of turn, and, where nobody says so, which
version they speak.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Final

import attrs
import msgspec

from . import frames
from .codec import UNREADABLE, Codec, PayloadError, codec_of
from .diagnosis import CODES, diagnose
from .errors import ErrorCode, Violation
from .events import Deviation, Misbehaviour, Repair
from .findings import RULES, Finding, Severity
from .frames import Call, CallError, CallResult, CallResultError, Frame, Malformed, Send
from .limits import Limits
from .messages import MAX_DEPTH, Action, Actions, Role
from .session import Direction, VersionedActions
from .tolerance import STRICT, Tolerance, Tolerated, mend_action, mend_payload, read_frame
from .trace import Message, TooLong
from .version import MessageType, Version

__all__ = ["Audit", "Spoken"]

MAX_STATIONS: Final = 4096
"""Stations that are followed at the same time. For one more, the first one is let go."""
MAX_UNANSWERED: Final = 16
"""CALLs of one end that may wait for an answer. With one more, the first counts as unanswered."""
MAX_REMEMBERED: Final = 32
"""Message ids of one end that are known again."""
MAX_NAME: Final = 50
"""Characters of an unknown action that a finding repeats."""
ANSWER_TIME: Final = Limits().call_timeout
"""Seconds that an answer may take without being noted (RPC-055)."""


@attrs.frozen
class Spoken:
    """Which version a station was taken to speak."""

    version: Version
    is_guess: bool
    """Whether nobody has said so: it is the first one that understands what was sent."""


class Audit:
    """Judges the messages of one file in their order, station by station.

    Args:
        version: what all of them speak; ``None``: what the file says of each, or else what fits.
        tolerance: what is a warning only.
        answer_time: seconds that an answer may take without being noted.
        actions: by version, those of it with a vendor's own, see :meth:`ocpp_sansio.Actions.extended`.

    Raises:
        ValueError: it is not the number of a version, or there is no repair of a name.
        TypeError: a payload is declared with types that JSON Schema cannot tell.
    """

    def __init__(
        self,
        *,
        version: Version | str | None = None,
        tolerance: Tolerated = STRICT,
        answer_time: float = ANSWER_TIME,
        actions: VersionedActions | None = None,
    ) -> None:
        self._version: Final = None if version is None else Version(version)
        self._tolerance: Final = Tolerance.of(tolerance)
        self._answer_time: Final = answer_time
        self._known: Final = _Known((Version(each), extended) for each, extended in (actions or {}).items())
        for extended in self._known.values():
            _operations(extended)  # better now than before a message
        self._stations: dict[str | None, _Station] = {}
        self._frames: Counter[type[Frame]] = Counter()
        self.tally: Counter[tuple[str, str, Severity]] = Counter()
        """How many findings there were, by action, rule and severity; with no action where that is unknown."""

    def receive(self, message: Message | TooLong) -> Sequence[Finding]:
        """Judge what comes next. Returns what is to be said about it, and that is nothing nearly always."""
        if isinstance(message, TooLong):
            return self._told([_too_long(message)])
        station = self._stations.get(message.identity)
        if station is None:
            return self._told([*self._make_room(), *self._begin(message).receive(message)])
        findings = station.receive(message)
        return self._told(findings) if findings else findings

    def receive_eof(self) -> Iterator[Finding]:
        """The file ends here. Yields what shows only then."""
        for station in self._stations.values():
            yield from self._told(station.finish())

    @property
    def messages(self) -> Mapping[MessageType, int]:
        """How many there were of each type, as far as they could be read."""
        return {message_type: self._frames[cls] for cls, message_type in _TYPES.items() if self._frames[cls]}

    @property
    def spoken(self) -> Mapping[str | None, Spoken]:
        """Which version each station was taken to speak. Those that were let go are left out."""
        return {identity: station.spoken for identity, station in self._stations.items()}

    def _begin(self, message: Message) -> _Station:
        station = _Station(
            message.identity, self._version, self._tolerance, self._answer_time, self._known, self._frames
        )
        self._stations[message.identity] = station
        return station

    def _make_room(self) -> Iterable[Finding]:
        if len(self._stations) < MAX_STATIONS:
            return ()
        return self._stations.pop(next(iter(self._stations))).finish()

    def _told(self, findings: list[Finding]) -> list[Finding]:
        for each in findings:
            # An unknown action may have any name, and any number of them.
            action = each.action if self._known.having(each.action) else None
            self.tally[action or "", each.rule, each.severity] += 1
        return findings


# -- what the versions have --


class _Operation:
    """One action of one version, with what reads its payloads."""

    __slots__ = ("action", "codecs", "frame", "read", "read_answer", "senders")

    def __init__(self, action: Action) -> None:
        self.action = action.name
        self.frame = Send if action.response is None else Call
        """What it is asked for in."""
        self.senders: tuple[Role | None, ...] = (*filter(action.sent_by, Role), None)
        """Who may ask for it, or nobody knows who."""
        self.codecs: tuple[Codec[Any], ...] = tuple(map(codec_of, filter(None, (action.request, action.response))))
        """Of the request and the response."""
        self.read, self.read_answer = self.codecs[0].read, self.codecs[-1].read


@lru_cache
def _operations(actions: Actions) -> dict[str, _Operation]:
    return {name: _Operation(action) for name, action in actions.items()}


class _Known(dict[Version, Actions]):
    """The actions of each version, a vendor's own among them if there are any."""

    def __missing__(self, version: Version) -> Actions:
        actions = self[version] = version.actions
        return actions

    def having(self, action: str | None) -> list[Version]:
        """The versions that have an action of this name."""
        return [version for version in Version if action in self[version]]


@lru_cache
def _error_codes(version: Version) -> frozenset[str]:
    return frozenset(code.spelling(version) for code in ErrorCode)


ONE_OR_UNKNOWN: Final = 2
"""How many senders an action has that only one of the two may ask for."""
BOOT: Final = "BootNotification"
"""What a station begins with, and begins with in another version perhaps."""

_TYPES: Final[Mapping[type[Frame], MessageType]] = {
    Call: MessageType.CALL,
    CallResult: MessageType.CALLRESULT,
    CallError: MessageType.CALLERROR,
    CallResultError: MessageType.CALLRESULTERROR,
    Send: MessageType.SEND,
}
_BY_NUMBER: Final[Mapping[int | None, MessageType]] = {each.value: each for each in MessageType}
_RULE_OF_REASON: Final = {
    Misbehaviour.NOT_JSON: "json",
    Misbehaviour.BAD_MESSAGE_ID: "message-id",
    Misbehaviour.UNKNOWN_MESSAGE_TYPE: "message-type",
}
"""Any other is about the shape of a message of its type."""


# -- one station --


class _Waiting(msgspec.Struct, gc=False):
    """A CALL that has no answer yet."""

    line: int
    action: str | None
    operation: _Operation | None
    """``None``: what it asks could not be read."""
    time: str | None
    is_told: bool = False
    """Whether the next CALL did not wait for its answer, and that was said."""
    is_sure: bool = True
    """Whether an answer with this id is to this CALL: no other with the same id, of another station perhaps, waited."""
    others: tuple[_Waiting, ...] = ()
    """Those, the first first."""

    def takes(self, answer: CallResult | CallError) -> bool:
        """Whether this may be the answer."""
        if self.operation is None or isinstance(answer, CallError):
            return True
        return _takes(self.operation.codecs[-1], answer.payload)


class _Calls:
    """Those of one end. Every table is bounded."""

    __slots__ = ("answers", "remembered", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[str, _Waiting] = {}
        """By message id, the latest last."""
        self.remembered: dict[str, int] = {}
        """The hashes of the latest, by message id."""
        self.answers = 0
        """How many were answered: none, where only one end was recorded."""

    def begin(self, message_id: str, waiting: _Waiting, *, is_alone: bool = True) -> tuple[str, _Waiting] | None:
        """Have one wait, in the place of one with the same id, or beside it. Returns the one that has to go."""
        before = None if is_alone else self.waiting.get(message_id)
        self.waiting[message_id] = waiting
        if before is not None:
            waiting.others = (*before.others, before)[-MAX_UNANSWERED:]
            before.others = ()
            before.is_sure = waiting.is_sure = False
        if len(self.waiting) <= MAX_UNANSWERED:
            return None
        first = next(iter(self.waiting))
        return first, self.waiting.pop(first)

    def choose(self, last: _Waiting, answer: CallResult | CallError) -> _Waiting:
        """Of several with the same id, the first that this may be the answer to. The others go on waiting."""
        several = [*last.others, last]
        chosen = next((each for each in several if each.takes(answer)), last)
        several.remove(chosen)
        last = self.waiting[answer.message_id] = several.pop()
        last.others = tuple(several)
        return chosen

    def remember(self, message_id: str, text: str | bytes) -> None:
        self.remembered[message_id] = hash(text)
        if len(self.remembered) > MAX_REMEMBERED:
            del self.remembered[next(iter(self.remembered))]


class _Station:
    """What is known of one station, and of its central system."""

    def __init__(
        self,
        identity: str | None,
        version: Version | None,
        tolerance: Tolerance,
        answer_time: float,
        known: _Known,
        count: Counter[type[Frame]],
    ) -> None:
        self._identity: Final = identity
        self._is_given: Final = version is not None
        self._tolerance: Final = tolerance
        self._answer_time: Final = answer_time
        self._known: Final = known
        self._count: Final = count
        self._said: Version | None = version
        self._clear_ways: frozenset[Direction | Role | None] = frozenset({*Role, None})
        """Those that are known to say who has sent a message. Until then, a central system has written them down."""
        self._calls: Final = {role: _Calls() for role in Role}
        self._senders: dict[Direction | Role | None, Role | None] = {None: None, **{role: role for role in Role}}
        self._take_end(Role.CENTRAL_SYSTEM)
        self._take_versions(tuple(Version) if version is None else (version,))

    @property
    def spoken(self) -> Spoken:
        return Spoken(self._version, self._said is None)

    def _take_end(self, end: Role) -> None:
        self._senders |= {Direction.OUT: end, Direction.IN: end.peer}

    def _take_versions(self, versions: tuple[Version, ...]) -> None:
        """What it may be that is spoken: the first of these, unless another is found to fit better."""
        self._versions = versions
        self._version = versions[0]
        self._operations = _operations(self._known[self._version])
        types = self._version.dialect.message_types if len(versions) == 1 else frozenset(MessageType)
        self._message_types: frozenset[int] = types
        self._decode = frames.decoder(types)
        # 2.1 understands nearly all that 2.0.1 does: only 1.6 takes a look at every CALL to be told from the others.
        self._is_any = Version.V16 in versions and len(versions) > 1

    def receive(self, message: Message) -> list[Finding]:
        """Judge the next message."""
        if message.version is not self._said and message.version is not None and not self._is_given:
            self._said = message.version
            self._take_versions((message.version,))
        try:
            frame = self._decode(message.text)
        except (ValueError, RecursionError):
            return self._on_odd_text(message)
        self._count[type(frame)] += 1
        return self._RECEIVE[type(frame)](self, frame, message)

    def finish(self) -> list[Finding]:
        """Nothing comes any more."""
        return [
            finding
            for calls in self._calls.values()
            for message_id, waiting in calls.waiting.items()
            for finding in self._unanswered(calls, message_id, waiting)
        ]

    # -- CALLs and SENDs --

    def _on_request(self, frame: Call, message: Message) -> list[Finding]:
        if self._is_any:
            self._fit(frame.action, frame.payload)
        operation = self._operations.get(frame.action)
        sender = self._senders[message.way]
        findings: list[Finding] = []
        if (
            operation is None
            or operation.frame is not type(frame)
            or sender not in operation.senders
            or message.way not in self._clear_ways
        ):
            operation, sender = self._on_odd_action(frame, message, findings)
        if operation is not None:
            sender = sender or operation.senders[0]
            try:
                operation.read(frame.payload)
            except UNREADABLE:
                findings += self._on_odd_payload(operation, frame, message)
        calls = self._calls[sender or Role.CHARGE_POINT]
        message_id = frame.message_id
        if calls.waiting or message_id in calls.remembered:
            findings += self._on_early_call(calls, frame, message)
        calls.remember(message_id, message.text)
        if type(frame) is Call:
            waiting = _Waiting(message.line, frame.action, operation, message.time)
            gone = calls.begin(message_id, waiting, is_alone=self._identity is not None)
            findings += [] if gone is None else self._unanswered(calls, *gone)
        return findings

    def _on_odd_action(
        self, frame: Call, message: Message, findings: list[Finding]
    ) -> tuple[_Operation | None, Role | None]:
        """There may be something wrong with it, or who sends it has yet to be found out."""
        operation = self._operations.get(frame.action)
        if operation is None and self._fit(frame.action, frame.payload):
            operation = self._operations[frame.action]
        if operation is None:
            knowing = self._known.having(frame.action)
            has = "has" if len(knowing) == 1 else "have"
            hint = f": {' and '.join(map(str, knowing))} {has} it" if knowing else ""
            text = f"OCPP {self._version} has no such action{hint}"
            mended = mend_action(frame, self._operations, self._tolerance)
            if mended is None:
                findings.append(self._finding("action", text, message, frame))
                return None, self._senders[message.way]
            like, deviation = mended
            repair = deviation.repair.value
            findings.append(self._finding("action", text, message, frame, severity=Severity.WARNING, repair=repair))
            operation = self._operations[like.action]
        if message.way not in self._clear_ways and len(operation.senders) == ONE_OR_UNKNOWN:
            self._clear_ways = frozenset({*Direction, *Role, None})
            if self._senders[message.way] not in operation.senders:  # the charge point has written it down
                self._take_end(Role.CHARGE_POINT)
                here, there = self._calls.values()
                self._calls.update(zip(Role, (there, here), strict=True))
        sender = self._senders[message.way]
        if sender not in operation.senders:
            findings.append(self._finding("direction", f"a {sender} does not send this", message, frame))
        if operation.frame is not type(frame):
            text = f"this is sent in a {_TYPES[operation.frame].name}"
            findings.append(self._finding("direction", text, message, frame))
        return operation, sender

    def _on_early_call(self, calls: _Calls, frame: Call, message: Message) -> list[Finding]:
        """One has this id already, or waits for its answer."""
        findings: list[Finding] = []
        known = calls.remembered.get(frame.message_id)
        if known == hash(message.text):
            findings.append(self._finding("repetition", "it is a repetition", message, frame))
        elif known is not None:
            findings.append(self._finding("reused-id", "another CALL has had this message id", message, frame))
        last_id, last = next(reversed(calls.waiting.items()), ("", None))
        if last is None or last.is_told or not calls.answers or frame.message_id in calls.waiting:
            return findings
        last.is_told = True
        took = _seconds(last.time, message.time)
        if type(frame) is Call and not (took is not None and took > self._answer_time):
            text = f"the {last.action} with the id {last_id} is still waiting for its answer"
            severity = Severity.NOTE if took is None else None  # it may have waited for long enough
            findings.append(self._finding("outstanding", text, message, frame, severity=severity))
        return findings

    # -- answers --

    def _on_result(self, frame: CallResult, message: Message) -> list[Finding]:
        findings: list[Finding] = []
        waiting = self._answered(frame, message, findings)
        if waiting is not None and waiting.operation is not None:
            try:
                waiting.operation.read_answer(frame.payload)
            except UNREADABLE:
                findings += self._on_odd_payload(waiting.operation, frame, message, is_sure=waiting.is_sure)
        return findings

    def _on_error(self, frame: CallError, message: Message) -> list[Finding]:
        findings: list[Finding] = []
        waiting = self._answered(frame, message, findings)
        return findings + self._odd_error(frame, message, None if waiting is None else waiting.action)

    def _on_result_error(self, frame: CallResultError, message: Message) -> list[Finding]:
        sender = self._senders[message.way]
        asked = {
            message_id
            for role, calls in self._calls.items()
            if sender in (role, None)
            for message_id in calls.remembered
        }
        findings: list[Finding] = []
        if frame.message_id not in asked:
            findings.append(self._astray("it is about no answer that was given", message, frame, is_first=not asked))
        return findings + self._odd_error(frame, message, None)

    def _answered(self, frame: CallResult | CallError, message: Message, findings: list[Finding]) -> _Waiting | None:
        """The CALL that an answer belongs to: the latest one of the other end with its id that has none (RPC-043)."""
        calls = self._asking(frame.message_id, message)
        waiting = calls.waiting.pop(frame.message_id, None)
        if waiting is None:
            findings.append(self._unsolicited(calls, frame, message))
            return None
        if waiting.others:
            waiting = calls.choose(waiting, frame)
        calls.answers += 1
        took = _seconds(waiting.time, message.time)
        if took is not None and took > self._answer_time:
            text = f"it took {took:.0f} seconds"
            findings.append(self._finding("late", text, message, frame, action=waiting.action))
        return waiting

    def _asking(self, message_id: str, answer: Message) -> _Calls:
        """The CALLs of the end that an answer goes to."""
        sender = self._senders[answer.way]
        if sender is not None:
            return self._calls[_PEERS[sender]]
        return next(
            (each for each in self._calls.values() if message_id in each.waiting), self._calls[Role.CHARGE_POINT]
        )

    def _unsolicited(self, calls: _Calls, frame: CallResult | CallError, message: Message) -> Finding:
        if frame.message_id in calls.remembered:
            return self._finding("unsolicited", "the CALL has been answered or given up already", message, frame)
        return self._astray("it belongs to no CALL", message, frame, is_first=not calls.remembered)

    def _astray(self, text: str, message: Message, frame: Frame, *, is_first: bool) -> Finding:
        """It is about something that is not there, perhaps because nothing was written down yet."""
        if is_first:
            text = f"{text}; perhaps the file begins in the middle"
        severity = Severity.NOTE if is_first else None
        return self._finding("unsolicited", text, message, frame, severity=severity)

    def _odd_error(self, frame: CallError, message: Message, action: str | None) -> list[Finding]:
        odd: dict[str, str] = {}
        if frame.code not in _error_codes(self._version):
            odd["error-code"] = f"OCPP {self._version} has no such error code"
        if len(frame.description) > frames.MAX_DESCRIPTION:
            odd["error-description"] = f"it has {len(frame.description)} characters"
        if frames.read_details(frame.details, MAX_DEPTH) is None:
            odd["error-details"] = "they are no object, or nested too deeply"
        return [self._finding(rule, text, message, frame, action=action) for rule, text in odd.items()]

    def _unanswered(self, calls: _Calls, message_id: str, waiting: _Waiting) -> list[Finding]:
        if not calls.answers:  # only one end was recorded
            return []
        sender = next(role for role, each in self._calls.items() if each is calls)
        message = Message(waiting.line, b"", way=sender)
        return [
            self._finding(
                "unanswered", "there is no answer to it", message, action=waiting.action, message_id=message_id
            )
        ]

    # -- what is not plainly right --

    def _on_odd_text(self, message: Message) -> list[Finding]:
        """It is no message, or one only once it is mended."""
        what = frames.examine(message.text, self._message_types)
        message_type = _BY_NUMBER.get(what.message_type)
        shape = "array" if message_type is None else message_type.name.lower()
        rule = _RULE_OF_REASON.get(what.reason, shape)

        def asked(message_id: str) -> str | None:
            waiting = self._asking(message_id, message).waiting.get(message_id)
            return None if waiting is None else waiting.action

        try:
            frame, deviations = read_frame(message.text, self._tolerance, self._message_types, asked=asked)
        except ValueError:
            self._follow(what, message)
            known: dict[str, Any] = {"message_id": what.message_id, "message_type": message_type}
            return [self._finding(rule, what.description, message, **known)]
        repair = ", ".join(dict.fromkeys(each.repair.value for each in deviations))
        self._count[type(frame)] += 1
        mended = self._finding(rule, what.description, message, frame, severity=Severity.WARNING, repair=repair)
        return [mended, *self._RECEIVE[type(frame)](self, frame, message)]

    def _follow(self, what: Malformed, message: Message) -> None:
        """Have it ask or answer all the same, so that what belongs to it is not taken for astray."""
        sender = self._senders[message.way]
        if what.message_id is None or sender is None:
            return
        if what.message_type == MessageType.CALL:
            self._calls[sender].begin(what.message_id, _Waiting(message.line, None, None, message.time))
        else:
            self._calls[_PEERS[sender]].waiting.pop(what.message_id, None)

    def _on_odd_payload(
        self, operation: _Operation, frame: Call | CallResult, message: Message, *, is_sure: bool = True
    ) -> list[Finding]:
        half = -1 if type(frame) is CallResult else 0
        payload, findings = frame.payload, list[Finding]()
        if payload == _NULL and self._version.dialect.null_payload_is_empty:
            payload = _EMPTY
            findings.append(
                self._finding("null-payload", "the payload is null", message, frame, action=operation.action)
            )
        codec = operation.codecs[half]
        if _takes(codec, payload):
            return findings
        if is_sure and self._fit(operation.action, payload, half):
            codec = self._operations[operation.action].codecs[half]
            if _takes(codec, payload):
                return findings
        severity, deviations = Severity.ERROR, tuple[Deviation, ...]()
        try:
            _, deviations = mend_payload(codec, payload, self._tolerance, action=operation.action)
            severity = Severity.WARNING
        except PayloadError:
            pass
        violations = diagnose(codec.cls, payload)
        paths = {each.path for each in violations}
        odd = [(each, _repairs(each, deviations)) for each in violations]
        odd += [(_hidden(each), each.repair.value) for each in deviations if each.path not in paths]
        return findings + [
            self._finding(
                each.rule,
                each.message,
                message,
                frame,
                severity=severity if is_sure else Severity.NOTE,
                action=operation.action,
                path=each.path,
                code=each.code,
                repair=repair or None,
            )
            for each, repair in odd
        ]

    # -- which version it is --

    def _fit(self, action: str, payload: msgspec.Raw, half: int = 0) -> bool:
        """Leave those versions that understand this, or at least know the action; whether there are any."""
        versions = self._versions
        if self._said is None and action == BOOT and half == 0:
            versions = tuple(Version)
        if len(versions) == 1:
            return False
        knowing = [each for each in versions if action in self._known[each]]
        codecs = {each: _operations(self._known[each])[action].codecs[half] for each in knowing}
        fitting = [version for version, codec in codecs.items() if _takes(codec, payload)]
        if not fitting and versions is self._versions:
            fitting = sorted(codecs, key=lambda version: len(diagnose(codecs[version].cls, payload)))
        if fitting and tuple(fitting) != self._versions:
            self._take_versions(tuple(fitting))
        return bool(fitting)

    def _finding(
        self,
        rule: str,
        text: str,
        message: Message,
        frame: Frame | None = None,
        *,
        severity: Severity | None = None,
        code: ErrorCode | None = None,
        **others: Any,
    ) -> Finding:
        is_2x = self._version is not Version.V16
        about = RULES[rule]
        code = code or about.code
        if self._identity is None and rule in _OF_SEQUENCES:
            severity = Severity.NOTE  # it may be one of several
        if frame is not None:
            others |= {"message_type": _TYPES[type(frame)], "message_id": frame.message_id}
            if isinstance(frame, Call):
                others["action"] = frame.action[:MAX_NAME]
        return Finding(
            line=message.line,
            severity=severity or about.severity[is_2x],
            rule=rule,
            rule_id=about.ids[is_2x],
            message=text,
            identity=self._identity,
            sender=self._senders[message.way] if message.way in self._clear_ways else None,
            version=self._version,
            code=None if code is None else code.spelling(self._version),
            **others,
        )

    _RECEIVE: ClassVar[Mapping[type[Frame], Callable[..., list[Finding]]]] = {
        Call: _on_request,
        Send: _on_request,
        CallResult: _on_result,
        CallError: _on_error,
        CallResultError: _on_result_error,
    }


def _takes(codec: Codec[Any], payload: msgspec.Raw) -> bool:
    try:
        codec.decode(payload)
    except PayloadError:
        return False
    return True


_OF_SEQUENCES: Final = frozenset({"unsolicited", "outstanding", "reused-id"})
_PEERS: Final = {role: role.peer for role in Role}
_NULL: Final = msgspec.Raw(b"null")
_EMPTY: Final = msgspec.Raw(b"{}")


_RULE_OF_REPAIR: Final = {
    Repair.MISSING_LIST: "required",
    Repair.MISSING_PROPERTY: "required",
    Repair.NAIVE_TIME_IS_UTC: "format",
    Repair.HOUR_ONLY_OFFSET: "format",
    Repair.TIME_WITHOUT_SECONDS: "format",
    Repair.ENUM_ALIAS: "enum",
    Repair.UNKNOWN_ENUM: "enum",
    Repair.OVERLONG_STRING: "maxLength",
    Repair.OUT_OF_RANGE: "maximum",
    Repair.EXCESS_DECIMALS: "multipleOf",
    Repair.ITEM_COUNT: "maxItems",
    Repair.PROPERTY_CASE: "additionalProperties",
    Repair.UNKNOWN_FIELD: "additionalProperties",
}
"""Any other is about a type."""


def _repairs(violation: Violation, deviations: Iterable[Deviation]) -> str:
    """What makes it bearable: a property is missing, too, where its name is written in other letters."""
    return ", ".join(
        each.repair.value
        for each in deviations
        if each.path == violation.path
        or (
            each.repair is Repair.PROPERTY_CASE
            and violation.rule == "required"
            and each.path.casefold() == violation.path.casefold()
        )
    )


def _hidden(deviation: Deviation) -> Violation:
    """What a deviation is about that shows only once what is around it is mended."""
    rule = _RULE_OF_REPAIR.get(deviation.repair, "type")
    return Violation(deviation.path, rule, CODES[rule], f"once the rest is mended: {RULES[rule].text}")


def _too_long(piece: TooLong) -> Finding:
    rule = RULES["size"]
    text = "it is passed over: no message is as long"
    return Finding(line=piece.line, severity=rule.severity[0], rule="size", rule_id=rule.ids[0], message=text)


def _seconds(start: str | None, end: str | None) -> float | None:
    """How long it took, if that can be told."""
    if start is None or end is None:
        return None
    try:
        return (_moment(end) - _moment(start)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no time at all, or one has a zone and the other has none
        return None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(float(text), UTC)

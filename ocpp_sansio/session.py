"""The RPC state machine of OCPP-J: which message answers which, one CALL at a time, nothing lost and nothing run twice.

A session lives as long as its connection and works on text: put the texts of any WebSocket library in, send the
texts it gives you. It knows frames, time-outs and whose turn it is; it knows nothing of sockets, handshakes, or
what a charge point is supposed to do.

The driver's part, in this order, after every step (one mutation → drain completely → wait):

1. Mutate once: ``receive_data``, ``handle_timeout``, ``connection_lost``, or a command such as ``call``.
2. Act on ``next_event()`` until it returns ``None``.
3. Send each of ``data_to_send()`` as one WebSocket text message. If ``must_close`` has a code, close with it, and
   report ``connection_lost`` as soon as the connection has ended, whatever ended it.
4. Wait for the next text, unless ``reading_paused``, for ``next_timeout()``, or for the user.

``now`` is seconds of any monotonic clock. A ``now`` that goes backwards is taken for the latest one seen.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, unique
from functools import lru_cache
from typing import Any, ClassVar, Final, TypeVar

import attrs
import msgspec

from . import frames
from .codec import UNREADABLE, Codec, PayloadError, codec_of, codecs_of
from .diagnosis import diagnose, encode, worst
from .errors import (
    CallRefused,
    ConnectionLost,
    ErrorCode,
    InvalidResponse,
    LocalProtocolError,
    QueueFull,
    SessionClosed,
    Violation,
)
from .events import (
    CallOverdue,
    CallReceived,
    Deviation,
    DuplicateCall,
    Event,
    Misbehaviour,
    PeerMisbehaved,
    PendingCall,
    ResultRefused,
    SendReceived,
)
from .frames import Call, CallError, CallResult, CallResultError, Malformed
from .frames import Send as SendFrame
from .inbound import AnsweredCall, InboundCall, InboundCalls
from .limits import Limits, limits_or_default
from .messages import (
    Action,
    Actions,
    Datatype,
    FromCentralSystem,
    FromChargePoint,
    Request,
    Response,
    Role,
    Send,
    SendFromChargePoint,
)
from .outbound import OutboundCall, OutboundCalls
from .tolerance import STRICT, Tolerance, Tolerated, mend_action, mend_frame, mend_payload, read_payload
from .version import MessageType, Version

__all__ = [
    "CentralSystemSession",
    "ChargePointSession",
    "Direction",
    "Session",
    "Tap",
    "VersionedActions",
    "actions_by_version",
    "numbered_ids",
]

M = TypeVar("M", bound=Datatype)
R = TypeVar("R", bound=Response)

BAD_MESSAGE_WINDOW: Final = 60.0
"""Seconds within which ``Limits.max_bad_messages`` are counted."""
MAX_TOLD_APART: Final = 100
"""Events that wait to be taken before more misbehaviour of one kind is told in a single one."""
MAX_ERROR_HEAD: Final = 4096
"""Bytes that the longest id, code and description of a CALLERROR take."""
POLICY_VIOLATION: Final = 1008
"""The WebSocket close code for a peer that exceeds a limit (RPC-017)."""


Deviations = tuple[Deviation, ...]

VersionedActions = Mapping[Version, Actions] | Mapping[str, Actions]
"""The actions of each version that is not to be spoken as it is, see :meth:`Actions.extended`."""


@unique
class Direction(Enum):
    """Which way a text went."""

    IN = "in"
    OUT = "out"


Tap = Callable[[Direction, str, float], None]
"""Called with the direction, the text and ``now`` of every message that comes or goes. It must not raise."""


def numbered_ids(prefix: str) -> Callable[[], str]:
    """Message ids made of a prefix and a counter.

    The prefix has to be new for every connection of a charge point (RPC-041): a driver draws it at random. At most
    24 characters, so that no id exceeds 36 (RPC-040).
    """
    if len(prefix) > 24:
        raise ValueError(f"a prefix of message ids has at most 24 characters, not {len(prefix)}")
    counter = itertools.count(1)
    return lambda: f"{prefix}{next(counter)}"


class Session:
    """Both roles through one code path; use :class:`ChargePointSession` or :class:`CentralSystemSession`.

    Args:
        version: the one that is spoken.
        message_ids: makes the ids of our CALLs, see :func:`numbered_ids`.
        limits: bounds on what the peer can make us hold or do.
        tap: is shown every message that comes or goes.
        actions: those of the version with a vendor's own, see :meth:`Actions.extended`.
        tolerance: what to put up with in the messages of the peer. Each event says where that had to be done.

    Raises:
        ValueError: there is no repair of a name, or no action of one that the tolerance names, in any version.
    """

    role: ClassVar[Role]

    def __init__(
        self,
        version: Version | str,
        *,
        message_ids: Callable[[], str],
        limits: Limits | None = None,
        tap: Tap | None = None,
        actions: Actions | None = None,
        tolerance: Tolerated = STRICT,
    ) -> None:
        self.version: Final = Version(version)
        self.limits: Final = limits_or_default(limits)
        self._dialect = self.version.dialect
        self._actions = self.version.actions if actions is None else actions
        self._large = min(frames.LARGE, 2 * self.limits.max_values + 1)  # a value has a character, and one between
        self._decode = frames.decoder(self._dialect.message_types)
        self._answerable = _answerable(self._actions, self.role)
        self._results_are_refused = MessageType.CALLRESULTERROR in self._dialect.message_types
        self._message_ids = message_ids
        self._tap = tap
        self._tolerance: Final = Tolerance.of(tolerance).checked([self._actions])
        self._now = -math.inf
        self._events: deque[Event] = deque()  # a list would take quadratic time for many small messages at once
        self.outbox: list[bytes] = []
        """The texts to send, as UTF-8, until they are taken, by ``bytes_to_send`` or by hand."""
        self._closed = False
        self.must_close: int | None = None
        """The WebSocket close code to end the connection with, once the peer has gone too far."""
        self._ours = OutboundCalls(self.limits, self._send, self._events.append)
        self._theirs = InboundCalls(self.limits)
        self._bad_messages = 0
        self._bad_since = 0.0

    # -- what the driver asks --

    def next_event(self) -> Event | None:
        """The next thing to act on; ``None`` when there is nothing left."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[str]:
        """The texts to send now, each as one WebSocket text message. Given out once."""
        return [text.decode() for text in self.bytes_to_send()]

    def bytes_to_send(self) -> list[bytes]:
        """The same as UTF-8, for a driver that frames text messages itself."""
        outbox, self.outbox = self.outbox, []
        return outbox

    def next_timeout(self) -> float | None:
        """When ``handle_timeout`` wants to be called; ``None``: not before something else happens."""
        deadline = self.deadline
        return None if deadline == math.inf else deadline

    @property
    def deadline(self) -> float:
        """The same, with ``math.inf`` for never."""
        if self._ours.on_wire is None and not self._theirs.in_progress:
            return math.inf
        return min(self._ours.deadline, self._theirs.deadline)

    @property
    def actions(self) -> Actions:
        """The actions there are, a vendor's own among them."""
        return self._actions

    @property
    def on_wire(self) -> PendingCall[Any] | None:
        """Our CALL that is on the wire, unanswered; the others wait for their turn behind it."""
        on_wire = self._ours.on_wire
        return None if on_wire is None else on_wire.call

    @property
    def is_idle(self) -> bool:
        """Whether no CALL is under way, neither one of ours nor one of the peer's."""
        return self._ours.on_wire is None and not self._theirs.in_progress

    @property
    def reading_paused(self) -> bool:
        """Whether the peer has more CALLs in progress than allowed: stop reading until this is false again (F-98).

        Not while a CALL of ours is unanswered: those in progress may be waiting for just that answer (F-100).
        """
        return bool(self._theirs.held) and self._ours.on_wire is None

    def add_tap(self, tap: Tap) -> None:
        """Show every message that comes or goes from now on to this one as well."""
        first = self._tap
        self._tap = tap if first is None else _both(first, tap)

    # -- what happens --

    def receive_data(self, text: str | bytes, *, now: float) -> None:
        """Take in the text of one WebSocket message. Never raises for what the peer did."""
        if self._closed or self.must_close is not None:
            return
        if now > self._now:  # noqa: PLR1730 - see _advance, which would be one call more for every message
            self._now = now
        if self._tap is not None:
            self._tap(Direction.IN, text if isinstance(text, str) else text.decode(errors="replace"), self._now)
        if len(text) >= self._large and self._receive_large(text):
            return
        try:
            frame = self._decode(text)
        except (ValueError, RecursionError):
            self._on_odd_text(text)
        else:
            self._RECEIVE[type(frame)](self, frame, text)

    def _on_odd_text(self, text: str | bytes) -> None:
        """The text is not plainly a message."""
        message_types = self._dialect.message_types
        mended = mend_frame(text, self._tolerance, message_types, asked=self._ours.asked)
        if mended is None:
            self._malformed(frames.examine(text, message_types), text)
        else:
            frame, deviations = mended
            self._RECEIVE[type(frame)](self, frame, text, deviations)

    def _receive_large(self, text: str | bytes) -> bool:
        """Read a CALL in one pass, if everything about it is in order. If not, nothing has happened yet.

        Refuse what holds too much to be read as often as it takes to say what else may be wrong with it.
        """
        most = self.limits.max_values
        if len(text) > 2 * most and (what := frames.overfull(text, most)) is not None:
            self._malformed(what, text)
            return True
        frame = frames.decode_large(text)
        if frame is None or frame.action not in self._answerable or not self._theirs.has_room_for(frame.message_id):
            return False
        try:
            request = self._answerable[frame.action].read(frame.payload)
        except UNREADABLE:
            return False
        self._begin(frame, request, text)
        return True

    def handle_timeout(self, *, now: float) -> None:
        """Let time pass: time out what is due. An extra call does nothing."""
        self._advance(now)
        self._ours.handle_timeout(self._now)
        while (inbound := self._theirs.pop_overdue(self._now)) is not None:
            # The peer is not kept waiting for an application that does not answer (F-99).
            self._events.append(CallOverdue(inbound.call))
            self._answer(inbound, self._error(inbound.call.message_id, ErrorCode.INTERNAL_ERROR, "no answer in time"))

    def connection_lost(self, failure: type[ConnectionLost] = ConnectionLost, *, now: float) -> None:
        """The connection has ended: every CALL of ours that has no outcome yet fails (RPC-131). Nothing can follow."""
        self._advance(now)
        self._closed = True
        self._ours.lose(failure)
        self._theirs.lose()
        self.outbox.clear()
        self._tap = None  # it may know the session: that would keep it from being freed (F-132)

    # -- our CALLs --

    def cancel(self, call: PendingCall[Any], *, now: float) -> None:
        """Give up on a call: its outcome is :class:`CallCancelled`. Nothing happens to one that has had its outcome.

        A CALL that is on the wire stays there until it is answered or timed out: the next one has to wait (RPC-050).
        """
        self._advance(now)
        self._ours.cancel(call, self._now)

    def _call(self, request: Request[R], now: float, timeout: float | None, expires_in: float | None) -> PendingCall[R]:
        """Send a CALL, or queue it behind the one on the wire. ``call`` of the two roles, without its direction."""
        action = self._action_of(request)
        if action.response is None:
            raise LocalProtocolError(f"{action.name} is not sent in a CALL")
        timeout = self.limits.call_timeout if timeout is None else timeout
        if not timeout > 0:
            raise ValueError(f"a time-out is a positive number of seconds, not {timeout}")
        expires_in = math.inf if expires_in is None else expires_in
        if not expires_in > 0:
            raise ValueError(f"a call expires in a positive number of seconds, not {expires_in}")
        if self._ours.is_full:
            raise QueueFull(f"{self.limits.max_queued_calls} calls are waiting already")
        message_id = self._new_id()
        text = encode(codec_of(type(request)), (MessageType.CALL, message_id, action.name, request))
        self._advance(now)
        call = PendingCall(message_id, action.name, request, timeout)
        self._ours.add(OutboundCall(call, codec_of(action.response), text, self._now + expires_in), self._now)
        return call

    def _action_of(self, message: Request[Any] | Send) -> Action:
        """The action of a message that we may send now."""
        if self._closed:
            raise SessionClosed("the connection has ended")
        action = self._actions.of(type(message))
        if action is None:
            raise LocalProtocolError(f"{type(message).__name__} is not a request of OCPP {self.version}")
        if not action.sent_by(self.role):
            raise LocalProtocolError(f"a {self.role} does not send {action.name}")
        return action

    def _new_id(self) -> str:
        message_id = self._message_ids()
        if not 0 < len(message_id) <= frames.MAX_MESSAGE_ID:
            raise LocalProtocolError(f"a message id has 1 to {frames.MAX_MESSAGE_ID} characters (RPC-040)")
        if self._ours.knows(message_id):
            raise LocalProtocolError("the message id has been used before (RPC-041)")
        return message_id

    def _on_call_result(self, frame: CallResult, text: str | bytes, deviations: Deviations = ()) -> None:
        outbound = self._answered_call(frame.message_id, text)
        if outbound is not None:
            try:
                response = outbound.codec.read(frame.payload)
            except UNREADABLE:
                self._on_odd_result(outbound, frame.payload, text, deviations)
            else:
                self._ours.conclude(outbound, response, self._now, deviations)

    def _on_call_error(self, frame: CallError, text: str | bytes, deviations: Deviations = ()) -> None:
        error = self._read_error(frame, MessageType.CALLERROR, text)
        if error is None:
            return
        outbound = self._answered_call(frame.message_id, text)
        if outbound is not None:
            self._ours.conclude(outbound, error, self._now, deviations)

    def _read_error(self, frame: CallError, message_type: MessageType, text: str | bytes) -> CallRefused | None:
        """What the peer says went wrong; ``None`` when that is no proper message."""
        details = frames.read_details(frame.details, self.limits.max_depth)
        if details is None:
            description = f"the error details of a {message_type.name} are a JSON object, not too deep"
            self._malformed(Malformed(Misbehaviour.NOT_A_FRAME, description, message_type, frame.message_id), text)
            return None
        return CallRefused(frame.code, frame.description, details)

    def _answered_call(self, message_id: str, text: str | bytes) -> OutboundCall | None:
        """The CALL that an answer belongs to. An answer that belongs to none changes nothing (RPC-066, F-95)."""
        outbound = self._ours.take(message_id)
        if outbound is None:
            self._misbehaved(Misbehaviour.UNSOLICITED_ANSWER, "the answer belongs to no CALL of ours", text, message_id)
        else:
            self._bad_messages = 0
        return outbound

    def _on_odd_result(
        self, outbound: OutboundCall, payload: msgspec.Raw, text: str | bytes, deviations: Deviations
    ) -> None:
        """The payload is not plainly right."""
        payload = self._or_empty(payload)
        try:
            response, more = mend_payload(outbound.codec, payload, self._tolerance, action=outbound.call.action)
        except PayloadError:
            self._refuse_result(outbound, diagnose(outbound.codec.cls, payload), text)
        else:
            self._ours.conclude(outbound, response, self._now, deviations + more)

    def _refuse_result(self, outbound: OutboundCall, violations: Sequence[Violation], text: str | bytes) -> None:
        """A CALLRESULT is of no use: the caller is told, and the peer where it can be (RPC-072)."""
        if self._results_are_refused:
            code, description = _verdict(violations)
            report = _report(violations, self.version, self.limits)
            self._send(self._error(outbound.call.message_id, code, description, report, CallResultError))
        self._ours.conclude(outbound, InvalidResponse(violations, self._quote(text)), self._now)

    def _or_empty(self, payload: msgspec.Raw) -> msgspec.Raw:
        """RPC-037, RPC-038."""
        return _EMPTY if payload == _NULL and self._dialect.null_payload_is_empty else payload

    # -- the peer's CALLs --

    def respond(self, call: CallReceived[R], response: R, *, now: float) -> bool:
        """Answer a CALL. Returns whether the answer is on its way.

        It is not when nobody waits for it any more: the connection is gone, or the answer time-out has passed.

        Raises:
            InvalidMessage: the response breaks its schema; the CALL is still open.
            LocalProtocolError: the CALL has been answered, or the response is not of its action.
        """
        if now > self._now:  # noqa: PLR1730 - as above
            self._now = now
        inbound = None if self._closed else self._theirs.find(call)
        if inbound is None:
            return False
        if type(response) is not inbound.response.cls:
            expected, given = inbound.response.cls.__name__, type(response).__name__
            raise LocalProtocolError(f"{call.action} is answered with {expected}, not with {given}")
        text = encode(inbound.response, (MessageType.CALLRESULT, call.message_id, response))
        self._answer(inbound, text, may_be_refused=self._results_are_refused)
        return True

    def reject(
        self,
        call: CallReceived[Any],
        code: ErrorCode,
        description: str = "",
        details: Mapping[str, Any] | None = None,
        *,
        now: float,
    ) -> bool:
        """Answer a CALL with a CALLERROR (RPC-062). Returns whether it is on its way, see :meth:`respond`.

        Details that cannot be written as JSON are left out (F-101).

        Raises:
            LocalProtocolError: the CALL has been answered.
        """
        self._advance(now)
        inbound = None if self._closed else self._theirs.find(call)
        if inbound is None:
            return False
        self._answer(inbound, self._error(call.message_id, code, description, details))
        return True

    def ignore(self, call: CallReceived[Any], *, now: float) -> None:
        """Leave a CALL without an answer, as a charge point that was rejected has to (CP16-013).

        Raises:
            LocalProtocolError: the CALL has been answered.
        """
        self._advance(now)
        inbound = None if self._closed else self._theirs.find(call)
        if inbound is not None:
            self._theirs.forget(inbound)
            self._release_held()

    def _answer(self, inbound: InboundCall, text: bytes, *, may_be_refused: bool = False) -> None:
        self._theirs.finish(inbound, text, may_be_refused=may_be_refused)
        self._send(text)
        self._release_held()

    def _release_held(self) -> None:
        while self._theirs.held and (held := self._theirs.release()) is not None:
            self._on_call(*held)

    def _on_call(self, frame: Call, text: str | bytes, deviations: Deviations = ()) -> None:
        if frame.action in self._answerable and self._theirs.has_room_for(frame.message_id):
            try:
                request = self._answerable[frame.action].read(frame.payload)
            except UNREADABLE:
                self._on_odd_call(frame, text, deviations)
            else:
                self._begin(frame, request, text, deviations)
        elif frame.message_id in self._theirs.in_progress:
            # The first run answers both (RPC-067, F-94): the peer could not tell whose answer another one is.
            self._events.append(DuplicateCall(frame.message_id, frame.action, replayed=False))
            self._count_bad_message()
        elif (answered := self._theirs.answered(frame.message_id)) is not None:
            self._repeat(frame, text, answered)
        elif frame.action not in self._answerable:
            self._on_odd_action(frame, text, deviations)
        else:
            self._hold(frame, text, deviations)

    def _on_odd_call(self, frame: Call, text: str | bytes, deviations: Deviations) -> None:
        """The payload is not plainly right."""
        codec = self._answerable[frame.action].codec
        payload = self._or_empty(frame.payload)
        try:
            request, more = mend_payload(codec, payload, self._tolerance, action=frame.action)
        except PayloadError:
            self._refuse_payload(frame, codec.cls, payload, text)
        else:
            self._begin(frame, request, text, deviations + more)

    def _begin(self, frame: Call, request: Request[Any], text: str | bytes, deviations: Deviations = ()) -> None:
        call = CallReceived(frame.message_id, frame.action, request, deviations)
        self._theirs.begin(call, self._answerable[frame.action].response, text, self._now)
        self._bad_messages = 0
        self._events.append(call)

    def _repeat(self, frame: Call, text: str | bytes, answered: AnsweredCall) -> None:
        """The id of an answered CALL: a retry gets the same answer, anything else is a mistake (F-93, F-94)."""
        if answered.content == hash(text):
            self._send(answered.answer)
            self._events.append(DuplicateCall(frame.message_id, frame.action, replayed=True))
            self._count_bad_message()  # a small question for a large answer, asked for ever
        else:
            description = "the message id has been used for another CALL"
            self._misbehaved(
                Misbehaviour.MESSAGE_ID_REUSED, description, text, frame.message_id, ErrorCode.RPC_FRAMEWORK_ERROR
            )

    def _hold(self, frame: Call, text: str | bytes, deviations: Deviations) -> None:
        """The application has enough to do. What does not fit in what we hold ends the connection (F-98)."""
        if not self._theirs.hold(frame, text, deviations):
            self.must_close = POLICY_VIOLATION
            self._misbehaved(Misbehaviour.TOO_MANY_CALLS, "too many CALLs are waiting", text, frame.message_id)

    def _on_odd_action(self, frame: Call, text: str | bytes, deviations: Deviations) -> None:
        """The action is not one that the peer may call."""
        mended = mend_action(frame, self._answerable, self._tolerance)
        if mended is None:
            self._refuse_action(frame, text)
        else:
            self._on_call(mended[0], text, (*deviations, mended[1]))

    def _refuse_action(self, frame: Call, text: str | bytes) -> None:
        """An action of the version that the peer may not call is not supported; any other is not known (RPC-070)."""
        if frame.action in self._actions:
            reason, code = Misbehaviour.WRONG_DIRECTION, ErrorCode.NOT_SUPPORTED
            description = f"a {self.role.peer} does not send this in a CALL"
        else:
            reason, code = Misbehaviour.UNKNOWN_ACTION, ErrorCode.NOT_IMPLEMENTED
            description = f"OCPP {self.version} has no such action"
        self._misbehaved(reason, description, text, frame.message_id, code)

    def _refuse_payload(self, frame: Call, request: type[Datatype], payload: msgspec.Raw, text: str | bytes) -> None:
        violations = diagnose(request, payload)
        code, description = _verdict(violations)
        self._misbehaved(Misbehaviour.INVALID_PAYLOAD, description, text, frame.message_id, code, violations)

    # -- what is not answered --

    def _on_call_result_error(self, frame: CallResultError, text: str | bytes, deviations: Deviations = ()) -> None:
        error = self._read_error(frame, MessageType.CALLRESULTERROR, text)
        if error is None:
            return
        answered = self._theirs.answered(frame.message_id)
        if answered is None or answered.call is None:
            # RPC-073
            description = "the refused response is none of ours"
            self._misbehaved(Misbehaviour.UNSOLICITED_ANSWER, description, text, frame.message_id)
        else:
            self._events.append(ResultRefused(answered.call, error, deviations))
            answered.call = None  # told once

    def _on_send(self, frame: SendFrame, text: str | bytes, deviations: Deviations = ()) -> None:
        if frame.action not in self._actions:
            mended = mend_action(frame, self._actions, self._tolerance)
            if mended is not None:
                frame, deviations = mended[0], (*deviations, mended[1])
        action = self._actions.get(frame.action)
        if action is None or action.response is not None or not action.sent_by(self.role.peer):
            reason = Misbehaviour.UNKNOWN_ACTION if action is None else Misbehaviour.WRONG_DIRECTION
            self._misbehaved(reason, f"a {self.role.peer} does not send this in a SEND", text, frame.message_id)
            return
        payload = self._or_empty(frame.payload)
        try:
            message, more = read_payload(codec_of(action.request), payload, self._tolerance, action=frame.action)
        except PayloadError:
            violations = diagnose(action.request, payload)
            _, description = _verdict(violations)
            reason = Misbehaviour.INVALID_PAYLOAD
            self._misbehaved(reason, description, text, frame.message_id, violations=violations)
        else:
            assert isinstance(message, Send)
            self._bad_messages = 0
            self._events.append(SendReceived(frame.message_id, frame.action, message, deviations + more))

    # -- what is wrong with a text --

    def _malformed(self, what: Malformed, text: str | bytes) -> None:
        """A text that is not a message. Only a CALL, or what may have been one, is answered (RPC-063)."""
        message_id, code = what.message_id, None
        if what.message_type in (MessageType.CALLRESULT, MessageType.CALLERROR):
            outbound = self._ours.take(message_id) if message_id is not None else None
            if outbound is not None:
                violations = [Violation("$", "type", ErrorCode.RPC_FRAMEWORK_ERROR, what.description)]  # RPC-071
                if what.message_type == MessageType.CALLRESULT:
                    self._refuse_result(outbound, violations, text)
                else:  # a CALLERROR, which is never answered (RPC-063)
                    self._ours.conclude(outbound, InvalidResponse(violations, self._quote(text)), self._now)
                return
        elif what.reason is Misbehaviour.UNKNOWN_MESSAGE_TYPE:
            # RPC-068, RPC-069
            code = ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED if self._dialect.answers_unknown_message_type else None
        elif what.message_type in (MessageType.CALL, None):
            # RPC-064, RPC-065, RPC-071
            message_id = message_id or self._dialect.unreadable_id
            code = ErrorCode.RPC_FRAMEWORK_ERROR
        self._misbehaved(what.reason, what.description, text, message_id, code)
        self._count_bad_message()

    def _count_bad_message(self) -> None:
        if self._bad_messages == 0 or self._now - self._bad_since > BAD_MESSAGE_WINDOW:
            self._bad_messages, self._bad_since = 0, self._now
        self._bad_messages += 1
        if self._bad_messages > self.limits.max_bad_messages and self.must_close is None:
            self.must_close = POLICY_VIOLATION
            description = f"more than {self.limits.max_bad_messages} in a row"
            self._misbehaved(Misbehaviour.TOO_MANY_BAD_MESSAGES, description, b"")

    def _misbehaved(
        self,
        reason: Misbehaviour,
        description: str,
        text: str | bytes,
        message_id: str | None = None,
        code: ErrorCode | None = None,
        violations: tuple[Violation, ...] = (),
    ) -> None:
        """Report what the peer did wrong and, given a code and an id to answer to, answer it."""
        if message_id is None:
            code = None
        last = self._events[-1] if len(self._events) >= MAX_TOLD_APART else None
        if isinstance(last, PeerMisbehaved) and (last.reason, last.answered) == (reason, code):
            # However much of it comes at once, it takes no memory (F-95).
            self._events[-1] = attrs.evolve(last, times=last.times + 1)
        else:
            self._events.append(PeerMisbehaved(reason, description, self._quote(text), message_id, code, violations))
        if message_id is not None and code is not None:
            self._send(self._error(message_id, code, description, _report(violations, self.version, self.limits)))

    _RECEIVE: ClassVar[Mapping[type[Any], Callable[..., None]]] = {
        Call: _on_call,
        CallResult: _on_call_result,
        CallError: _on_call_error,
        CallResultError: _on_call_result_error,
        SendFrame: _on_send,
    }

    # -- text --

    def _error(
        self,
        message_id: str,
        code: ErrorCode,
        description: str,
        details: Mapping[str, Any] | None = None,
        frame: type[CallError] = CallError,
    ) -> bytes:
        """A CALLERROR or CALLRESULTERROR, whatever the application put into it (F-101)."""
        try:
            raw = msgspec.json.encode(dict(details or {}))
        except Exception:  # noqa: BLE001 - whatever an application's object raises, the peer gets its answer
            raw = b"{}"
        # A message that is too long for us is too long for the peer.
        if len(raw) > self.limits.max_message_size - MAX_ERROR_HEAD:
            raw = b"{}"
        try:
            # RPC-091: at most 255 characters. A lone surrogate cannot be written.
            text = str(description)[: frames.MAX_DESCRIPTION].encode(errors="replace").decode()
        except Exception:  # noqa: BLE001 - as above
            text = ""
        return frames.encode(frame(message_id, code.spelling(self.version), text, msgspec.Raw(raw)))

    def _send(self, text: bytes) -> None:
        if self._tap is not None:
            self._tap(Direction.OUT, text.decode(), self._now)
        self.outbox.append(text)

    def _quote(self, text: str | bytes) -> str:
        """The start of a text, for an event (F-60, F-69)."""
        limit = self.limits.max_reported_text
        # Four bytes are the most that a character takes.
        head = text if isinstance(text, str) else text[: 4 * limit].decode(errors="replace")
        return head[:limit]

    def _advance(self, now: float) -> None:
        if now > self._now:  # noqa: PLR1730 - `max` takes several times as long, and this is done for every message
            self._now = now


class ChargePointSession(Session):
    """The session of a charge point."""

    role = Role.CHARGE_POINT

    def call(
        self,
        request: FromChargePoint[R],
        *,
        now: float,
        timeout: float | None = None,
        expires_in: float | None = None,
    ) -> PendingCall[R]:
        """Ask the central system. See :func:`CentralSystemSession.call`."""
        return self._call(request, now, timeout, expires_in)

    def send(self, message: SendFromChargePoint, *, now: float) -> None:
        """Tell the central system something at once, also while a CALL is unanswered; it never answers (RPC-056).

        Raises:
            InvalidMessage: the message breaks its schema.
            SessionClosed: the connection has ended.
            LocalProtocolError: the message is not of this version, or not for a SEND.
        """
        action = self._action_of(message)
        if action.response is not None:
            raise LocalProtocolError(f"{action.name} is sent in a CALL")
        text = encode(codec_of(type(message)), (MessageType.SEND, self._new_id(), action.name, message))
        self._advance(now)
        self._send(text)


class CentralSystemSession(Session):
    """The session of a central system with one charge point."""

    role = Role.CENTRAL_SYSTEM

    def call(
        self,
        request: FromCentralSystem[R],
        *,
        now: float,
        timeout: float | None = None,
        expires_in: float | None = None,
    ) -> PendingCall[R]:
        """Ask the charge point, at once or as soon as the calls before it have been answered (RPC-050).

        ``timeout`` is in seconds from when the CALL is sent (RPC-054); ``None`` stands for ``Limits.call_timeout``,
        ``math.inf`` for no limit. With ``expires_in`` it is not sent when so many seconds have passed, but fails with
        CallExpired. The one outcome of the call is a :class:`CallSucceeded` or a :class:`CallFailed`.

        Raises:
            InvalidMessage: the request breaks its schema.
            QueueFull: ``Limits.max_queued_calls`` are waiting.
            SessionClosed: the connection has ended.
            LocalProtocolError: the request is not of this version or not for this side to send.
            ValueError: a number of seconds is not positive.
        """
        return self._call(request, now, timeout, expires_in)


def _both(first: Tap, second: Tap) -> Tap:
    def tap(direction: Direction, text: str, at: float) -> None:
        first(direction, text, at)
        second(direction, text, at)

    return tap


_NULL: Final = msgspec.Raw(b"null")
_EMPTY: Final = msgspec.Raw(b"{}")


@attrs.frozen
class _Answerable:
    """What a peer may ask: how to read the request, and how to write what answers it."""

    codec: Codec[Any]
    read: Callable[[msgspec.Raw], Any]
    response: Codec[Response]

    @classmethod
    def of(cls, request: type[Datatype], response: type[Response]) -> _Answerable:
        codec = codec_of(request)
        return cls(codec, codec.read, codec_of(response))


@lru_cache
def _answerable(actions: Actions, role: Role) -> dict[str, _Answerable]:
    """The actions that the peer of this role may send in a CALL, with the codecs of all actions at hand from now on."""
    codecs_of(actions)
    return {
        action.name: _Answerable.of(action.request, action.response)
        for action in actions.values()
        if action.sent_by(role.peer) and action.response is not None
    }


def actions_by_version(actions: VersionedActions | None, role: Role) -> dict[Version, Actions]:
    """What an application gives an end as its ``actions``, with the codecs at hand: better now than before a peer.

    Raises:
        ValueError: a number is not an OCPP version.
        TypeError: a payload is declared with types that JSON Schema cannot tell.
    """
    by_version = {Version(version): extended for version, extended in (actions or {}).items()}
    for extended in by_version.values():
        _answerable(extended, role)
    return by_version


def _verdict(violations: Sequence[Violation]) -> tuple[ErrorCode, str]:
    """The code that goes for all of them, and the sentence that goes with it: that of the first that has it."""
    code = worst(violations)
    return code, str(next(violation for violation in violations if violation.code is code))


def _report(violations: Sequence[Violation], version: Version, limits: Limits) -> dict[str, Any]:
    """The details of a CALLERROR about a payload: every violation, as far as the limit allows."""
    if not violations:
        return {}
    listed = violations[: limits.max_reported_violations]
    report: dict[str, Any] = {
        "violations": [
            {"path": each.path, "rule": each.rule, "code": each.code.spelling(version), "message": each.message}
            for each in listed
        ]
    }
    if len(listed) < len(violations):
        report["more"] = len(violations) - len(listed)
    return report

"""Follows what is said on one connection to an end that is under test, and objects to what breaks the rules.

Whoever wrote that end, in whatever language: all that is looked at are texts. What was said to it may be as bad as one
likes; what it says may not.

* Every CALL with a readable id is answered, once, and at most once more for each time that it was repeated (F-94).
* A valid CALL is answered with a valid response, or an error that is not InternalError; an invalid one with an error.
* Nothing else is answered, but for a CALLERROR to what may have been a CALL (RPC-063…065) and, in 2.1, a
  CALLRESULTERROR to a response that is invalid (RPC-072).
* It has one CALL unanswered at a time (RPC-050), uses no id twice (RPC-041), and sends only what its role may, valid.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import msgspec

from ocpp_sansio.codec import PayloadError, codec_of
from ocpp_sansio.diagnosis import diagnose
from ocpp_sansio.errors import ErrorCode
from ocpp_sansio.frames import Call, CallError, CallResult, CallResultError, Frame, Malformed, Send, decoder, examine
from ocpp_sansio.messages import Action, Actions, Datatype, Request, Response, Role
from ocpp_sansio.tolerance import STRICT, Tolerance, mend_action, mend_frame, read_payload
from ocpp_sansio.version import MessageType, Version

__all__ = ["Asked", "Foul", "Question", "Referee"]


class Foul(AssertionError):
    """The end under test has broken a rule."""


@attrs.define(eq=False)
class Asked:
    """A CALL that it was sent."""

    text: str
    action: str
    request: Request[Any] | None
    """``None``: it is invalid."""
    since: float
    is_acceptable: bool
    """Whether it need not be refused."""
    times: int = 1
    """How often it was sent."""
    is_reused: bool = False
    """Whether its id was used for another CALL as well: then either is answered as it may be."""
    answers: int = 0
    response: Response | None = None
    """What it was answered with last, if that was no error."""
    error: str = ""
    """The code of that, if it was."""


@attrs.define(eq=False)
class Question:
    """A CALL that it has sent."""

    message_id: str
    action: Action
    request: Any
    since: float
    timeout: float
    """Seconds after which it may be given up."""
    is_answered: bool = False
    """Whether it has been sent something that may be the answer."""


class Referee:
    """Judges one connection.

    Args:
        version: the one that is spoken.
        role: that of the end under test.
        actions: those there are; the version's own if not given.
        call_timeout: seconds after which it may give up on a CALL that is not answered, and send the next one. Of a
            :class:`Question` they can be changed.
        patience: seconds within which it has to answer.
        is_strict: whether it may not accept what breaks the schema.
        tolerance: what it may accept all the same.
        used_ids: the message ids that it has used before, on other connections (RPC-041); more are put in.
    """

    def __init__(
        self,
        version: Version | str,
        role: Role,
        *,
        actions: Actions | None = None,
        call_timeout: float = 30.0,
        patience: float = 120.0,
        is_strict: bool = True,
        tolerance: Tolerance = STRICT,
        used_ids: set[str] | None = None,
    ) -> None:
        self.version: Final = Version(version)
        self.role: Final = role
        self.actions: Final = actions or self.version.actions
        self.asked: Final[dict[str, Asked]] = {}
        """What it was asked, by message id."""
        self.question: Question | None = None
        """What it has asked last."""
        self.questions: Final[list[Question]] = []
        """All of it."""
        self._call_timeout: Final = call_timeout
        self.patience: Final = patience
        self._is_strict: Final = is_strict
        self._tolerance: Final = tolerance
        self._answerable: Final = {
            action.name: action for action in self.actions.values() if action.sent_by(role.peer) and action.response
        }
        self._used_ids: Final = set[str]() if used_ids is None else used_ids
        self._decode: Final = decoder(self.version.dialect.message_types)
        self._unreadable = 0
        """Texts that may be answered with a CALLERROR to nobody knows whom."""
        self._invalid_responses: Final = set[str]()
        self._codes: Final = {code.spelling(self.version) for code in ErrorCode}

    # -- what it is sent --

    def tell(self, text: str, *, now: float) -> None:
        """It is sent a text, of any kind."""
        is_odd = False
        try:
            frame = self._decode(text)
        except (ValueError, RecursionError):
            mended = mend_frame(text, self._tolerance, self.version.dialect.message_types, asked=self._asks)
            if mended is None:
                self._unreadable += 1
                self._may_be_answer(self._examine(text).message_id, is_valid=False)
                return
            frame, is_odd = mended[0], True
        if type(frame) is Call:  # and no SEND, which is one as well
            self._tell_call(frame, text, now, is_odd)
        elif type(frame) is CallResult:
            question = self._question_of(frame.message_id)
            response = None if question is None else question.action.response
            is_valid = response is not None and self._read(response, frame.payload) is not None
            self._may_be_answer(frame.message_id, is_valid=is_valid)
        elif type(frame) is CallError:
            self._may_be_answer(frame.message_id, is_valid=True)

    def _question_of(self, message_id: str) -> Question | None:
        return next((each for each in self.questions if each.message_id == message_id), None)

    def _asks(self, message_id: str) -> str | None:
        question = self._question_of(message_id)
        return None if question is None else question.action.name

    def _tell_call(self, frame: Call, text: str, now: float, is_odd: bool) -> None:
        asked = self.asked.get(frame.message_id)
        if asked is not None:
            asked.times += 1
            asked.is_reused |= asked.text != text
            return
        action = self._answerable.get(frame.action)
        if action is None and (mended := mend_action(frame, self._answerable, self._tolerance)) is not None:
            frame, is_odd = mended[0], True
            action = self._answerable[frame.action]
        request = None if action is None else self._read(action.request, frame.payload)
        is_acceptable = not self._is_strict or request is not None or self._puts_up_with(action, frame.payload)
        self.asked[frame.message_id] = Asked(text, frame.action, None if is_odd else request, now, is_acceptable)

    def _puts_up_with(self, action: Action | None, payload: msgspec.Raw) -> bool:
        if action is None or not self._tolerance:
            return False
        try:
            read_payload(codec_of(action.request), payload, self._tolerance, action=action.name)
        except PayloadError:
            return False
        return True

    def _may_be_answer(self, message_id: str | None, *, is_valid: bool) -> None:
        if self.question is not None and self.question.message_id == message_id:
            self.question.is_answered = True
        if message_id is not None and not is_valid:
            self._invalid_responses.add(message_id)

    def _examine(self, text: str) -> Malformed:
        return examine(text, self.version.dialect.message_types)

    def _read(self, cls: type[Datatype], payload: msgspec.Raw) -> Any:
        """The message of a payload; ``None``: it is invalid."""
        if bytes(payload) == b"null" and self.version.dialect.null_payload_is_empty:
            payload = msgspec.Raw(b"{}")
        try:
            return codec_of(cls).decode(payload)
        except PayloadError:
            return None

    # -- what it sends --

    def hear(self, text: str, *, now: float) -> Asked | Question | None:
        """It sends a text. Returns what that answers, or asks.

        Raises:
            Foul: it may not.
        """
        try:
            frame = self._decode(text)
        except (ValueError, RecursionError):
            what = self._examine(text)
            if self._unreadable and what.message_type == MessageType.CALLERROR and what.message_id:
                # It repeats the beginning of an id that was too long (F-92).
                self._unreadable -= 1
                return None
            raise Foul(f"not a message of OCPP {self.version}: {what.description}: {text}") from None
        return self._hear(frame, text, now)

    def _hear(self, frame: Frame, text: str, now: float) -> Asked | Question | None:
        match frame:
            case CallResultError():
                if frame.message_id not in self._invalid_responses:
                    raise Foul(f"refuses a response that is valid, or that there never was: {text}")
                self._invalid_responses.discard(frame.message_id)
                self._require_code(frame, text)
                return None
            case CallError():
                return self._hear_error(frame, text)
            case CallResult():
                return self._hear_result(frame, text)
            case Send():
                self._require_request(frame, text, MessageType.SEND)
                return None
            case _:
                return self._hear_call(frame, text, now)

    def _hear_call(self, frame: Call, text: str, now: float) -> Question:
        action, request = self._require_request(frame, text, MessageType.CALL)
        before = self.question
        if before is not None and not before.is_answered and now < before.since + before.timeout:
            raise Foul(f"asks while {before.action.name} {before.message_id!r} is unanswered (RPC-050): {text}")
        self.question = Question(frame.message_id, action, request, now, self._call_timeout)
        self.questions.append(self.question)
        return self.question

    def _require_request(self, frame: Call, text: str, kind: MessageType) -> tuple[Action, Any]:
        action = self.actions.get(frame.action)
        if action is None or not action.sent_by(self.role) or (action.response is None) != (kind is MessageType.SEND):
            raise Foul(f"a {self.role} does not send this in a {kind.name}: {text}")
        request = self._require_valid(action.request, frame.payload, text)
        if frame.message_id in self._used_ids:
            raise Foul(f"uses a message id twice (RPC-041): {text}")
        self._used_ids.add(frame.message_id)
        return action, request

    def _hear_result(self, frame: CallResult, text: str) -> Asked:
        asked = self._require_asked(frame.message_id, text)
        response = self.actions[asked.action].response if asked.action in self.actions else None
        if asked.is_reused:
            return asked
        if response is None or not asked.is_acceptable:
            raise Foul(f"accepts what is invalid: {asked.text} is answered with {text}")
        asked.response, asked.error = self._require_valid(response, frame.payload, text), ""
        return asked

    def _hear_error(self, frame: CallError, text: str) -> Asked | None:
        self._require_code(frame, text)
        if frame.message_id not in self.asked and self._unreadable:
            self._unreadable -= 1
            return None
        asked = self._require_asked(frame.message_id, text)
        is_internal = ErrorCode.parse(frame.code) is ErrorCode.INTERNAL_ERROR
        if asked.request is not None and is_internal and not asked.is_reused:
            raise Foul(f"cannot answer what is valid: {asked.text} is answered with {text}")
        asked.response, asked.error = None, frame.code
        return asked

    def _require_asked(self, message_id: str, text: str) -> Asked:
        asked = self.asked.get(message_id)
        if asked is None:
            raise Foul(f"answers what nobody has asked (RPC-063): {text}")
        asked.answers += 1
        if asked.answers > asked.times:
            raise Foul(f"answers more than once: {asked.text} is answered with {text}")
        return asked

    def _require_code(self, frame: CallError, text: str) -> None:
        if frame.code not in self._codes:
            raise Foul(f"OCPP {self.version} has no such error code: {text}")

    def _require_valid(self, cls: type[Datatype], payload: msgspec.Raw, text: str) -> Any:
        message = self._read(cls, payload)
        if message is None:
            reasons = "; ".join(map(str, diagnose(cls, payload)))
            raise Foul(f"is not valid: {reasons}: {text}")
        return message

    # -- what it does not send --

    def require_answers(self, *, now: float) -> None:
        """Object to what should have been answered by now."""
        for asked in self.asked.values():
            if not asked.answers and now >= asked.since + self.patience:
                raise Foul(f"does not answer within {self.patience:g} s: {asked.text}")

"""hypothesis plays the other end: bases for state machines that put *your* central system or charge point to the test.

Subclass :class:`CentralSystemMachine` or :class:`ChargePointMachine`, say what is to be tested, and have pytest collect
its ``TestCase``::

    class Mine(CentralSystemMachine):
        def system(self):
            return csms

    TestMine = Mine.TestCase

What is tested is an application object of this package, or anything that takes texts and gives texts: a :class:`Port`,
behind which there may be a socket and a program in another language. It is sent valid messages of all kinds, messages
with one thing wrong, hostile texts; messages are repeated, answered late, wrongly or not at all; connections end and
begin. A :class:`~ocpp_sansio.testing.referee.Referee` judges what it says to that. Rules and invariants of your own
stand beside ours: :meth:`PeerMachine.send`, :meth:`PeerMachine.on_response`. A rule of ours that is not wanted is left
out: ``attack = None``.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import cache, cached_property, wraps
from typing import Any, ClassVar, Final, TypeVar

import attrs
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    INITIALIZE_RULE_MARKER,
    RULE_MARKER,
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from ocpp_sansio.errors import ConnectionLost, ErrorCode, SessionClosed
from ocpp_sansio.handlers import CentralSystemHandlers, ChargePointHandlers, Handlers
from ocpp_sansio.limits import Limits
from ocpp_sansio.messages import Action, Actions, Datatype, Request, Role
from ocpp_sansio.session import Session, numbered_ids
from ocpp_sansio.version import MessageType, Version

from .chance import Chance
from .clock import VirtualClock
from .link import Link
from .peer import SessionPeer
from .referee import Asked, Foul, Question, Referee
from .side import CentralSystemSide, ChargePointSide, Side, Terms
from .strategies import JsonObject, hostile_texts, near_misses, payloads
from .trace import Trace

__all__ = ["IDENTITIES", "CentralSystemMachine", "ChargePointMachine", "Foul", "PeerMachine", "Port", "chances"]

T = TypeVar("T")

HOSTILE_SIZE: Final = 200
"""Characters that a hostile text has more than a good one, about."""
STEPS: Final = 20
"""Steps of a run, unless the ``settings`` of a ``TestCase`` say otherwise: long runs take long to shrink."""
ENOUGH: Final = 50
"""Valid CALLs that a ``TestCase`` has had refused when it objects that all of them were: it has tested nothing."""
PATIENCE: Final = 120.0
"""Seconds within which has to answer what does not say how many."""
_NOTHING: Final = "override `system`, or `open`"


class Port(ABC):
    """One connection to what is tested: texts in, texts out. Implement :meth:`receive`; the rest if there is need."""

    is_closed: bool = False
    """Whether the end under test has closed it. Set it when that is seen, at the latest in :meth:`receive`."""

    @abstractmethod
    def receive(self, text: str | None, *, now: float) -> Iterable[str]:
        """Hand over a text and return those that have been sent since the last time, or yield them.

        ``None`` hands over nothing: time has passed. ``now`` is in virtual seconds, for what can be told the time.
        """

    def close(self) -> None:  # noqa: B027 - not every port has something to close
        """The other end closes it, or lets go of what is closed."""


class _SidePort(Port):
    """A session with the handlers of a side."""

    def __init__(self, side: Side[Any], session: Session) -> None:
        link = Link[str](side.clock, trace=Trace(side.clock, size=1))
        near, self._far = link.ends
        self._said: list[str] = []
        self._far.on_data = self._said.append
        self._side = side
        self._peer = SessionPeer(side, session, near)
        side.take(self._peer)
        side.opened(self._peer)

    def receive(self, text: str | None, *, now: float) -> Iterable[str]:
        if text is not None:
            self._far.send(text)
        self._side.clock.advance_to(now)
        self.is_closed = self._peer.closed is not None
        said = self._said.copy()
        self._said.clear()
        return said

    def close(self) -> None:
        self._far.close()
        self._side.clock.advance(0)


class _Chances:
    """Chance that hypothesis decides, and takes back where it was not to blame."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw

    def between(self, least: float, most: float) -> float:
        seconds: float = self._draw(st.floats(least, most))
        return round(seconds, 3)

    def whole(self, least: int, most: int) -> int:
        number: int = self._draw(st.integers(least, most))
        return number

    def choice(self, choices: Sequence[T]) -> T:
        chosen: T = self._draw(st.sampled_from(choices))
        return chosen

    def happens(self, probability: float) -> bool:
        # What shrinks becomes what does not happen.
        happens: bool = self._draw(st.integers(0, 999)) >= 1000 * (1 - probability)
        return happens


def chances() -> st.SearchStrategy[Chance]:
    """Chance that hypothesis decides: the ``seed`` of a :class:`~ocpp_sansio.testing.Pair`. What goes wrong shrinks."""
    return st.builds(_Chances, st.data())


# -- what hypothesis says --


@cache
def _payloads(cls: type[Datatype]) -> st.SearchStrategy[JsonObject]:
    return payloads(cls)


@cache
def _spoilt(cls: type[Datatype]) -> st.SearchStrategy[JsonObject]:
    return near_misses(cls, valid=_payloads(cls)).map(lambda miss: miss.payload)


@cache
def _hostile(version: Version) -> st.SearchStrategy[str]:
    # What cannot be written in UTF-8 cannot be sent in a WebSocket's text either.
    texts = hostile_texts(version, size=HOSTILE_SIZE)
    return texts.map(lambda text: text.encode(errors="replace").decode())


def _for_machine(made: Callable[[PeerMachine], st.SearchStrategy[T]]) -> st.SearchStrategy[T]:
    return st.runner().flatmap(made)


def _calls(of: Callable[[type[Datatype]], st.SearchStrategy[JsonObject]]) -> st.SearchStrategy[tuple[str, JsonObject]]:
    def named(action: Action) -> st.SearchStrategy[tuple[str, JsonObject]]:
        return st.tuples(st.just(action.name), of(action.request))

    def calls(machine: PeerMachine) -> st.SearchStrategy[tuple[str, JsonObject]]:
        # What nobody handles is soon tried.
        likely = st.sampled_from(machine.handled or machine.askable)
        return (likely | st.sampled_from(machine.askable)).flatmap(named)

    return _for_machine(calls)


def _sends(of: Callable[[type[Datatype]], st.SearchStrategy[JsonObject]]) -> st.SearchStrategy[tuple[str, JsonObject]]:
    def named(action: Action) -> st.SearchStrategy[tuple[str, JsonObject]]:
        return st.tuples(st.just(action.name), of(action.request))

    return _for_machine(lambda machine: st.sampled_from(machine.tellable).flatmap(named))


IDENTITIES = _for_machine(lambda machine: st.sampled_from(machine.identities))
"""For rules of your own: one of the charge points."""


@attrs.define
class _Talk:
    """One connection, and who judges it."""

    port: Port
    referee: Referee
    is_provoked: bool = False
    """Whether it has been sent what is a reason to close."""
    last_call: str | None = None
    """What it was asked last."""


@attrs.define
class _Tally:
    """What has come of the valid CALLs of all runs."""

    errors: Counter[str] = attrs.field(factory=Counter[str])
    """How often each code."""
    is_tested: bool = False
    """Whether anything has been done but refuse."""

    def require_test(self) -> None:
        if not self.is_tested and self.errors.total() >= ENOUGH:
            errors = ", ".join(f"{code} {times} times" for code, times in self.errors.most_common())
            raise Foul(f"nothing has been tested: each valid CALL was refused ({errors})")


def _is_rule(value: object) -> bool:
    return hasattr(value, RULE_MARKER) or hasattr(value, INITIALIZE_RULE_MARKER)


class PeerMachine(RuleBasedStateMachine):
    """What both machines have in common. The attributes are for subclasses to set.

    What the application that is tested has been told of ``limits``, ``tolerance`` and ``actions``, it need not be told
    here: it may accept what it is to put up with, is asked a vendor's actions as well, and has as long to answer, and
    waits as long for an answer, as it says.

    Raises:
        TypeError: a rule is hidden by something that is none; or, when the machine is made, there is no role.
        ValueError: ``actions`` has a name that is no action of the other end's.
    """

    version: ClassVar[Version | str] = Version.V16
    """The one that is spoken."""
    actions: ClassVar[Collection[str] | None] = None
    """The names of the actions that it is asked, at least one of a CALL; ``None``: all there are."""
    vocabulary: ClassVar[Actions | None] = None
    """The actions there are, a vendor's own among them, see :meth:`ocpp_sansio.Actions.extended`; ``None``: those of
    the application or, if it does not say, of the version."""
    identities: ClassVar[Sequence[str]] = ("CP1", "CP2")
    """The charge points there are."""
    call_timeout: ClassVar[float | None] = None
    """Seconds after which the end under test may give up on a CALL of its, and send the next one; ``None``: as it says
    of each, or 30 where it is not made with this package."""
    patience: ClassVar[float | None] = None
    """Seconds within which it has to answer; ``None``: twice ``Limits.answer_timeout``, for it may have to wait its
    turn, or 120."""
    is_strict: ClassVar[bool] = True
    """Whether it may not accept what breaks the schema, beyond its tolerance."""
    role: ClassVar[Role]
    """That of the end under test."""
    _tally: ClassVar[_Tally]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in {name for each in cls.__mro__ for name, value in vars(each).items() if _is_rule(value)}:
            hidden_by = getattr(cls, name)
            if hidden_by is not None and not _is_rule(hidden_by):
                raise TypeError(
                    f"{name} is a rule: give what is none another name, or leave the rule out, {name} = None"
                )
        cls._tally = _Tally()
        case: Any = cls.TestCase
        play = case.runTest

        @wraps(play)
        def play_and_judge(self: object) -> None:
            cls._tally = _Tally()
            play(self)
            cls._tally.require_test()

        case.runTest = play_and_judge
        usual = cls.TestCase.settings
        # What could be said otherwise with the same result is of no interest here, and takes ten times as long to find.
        phases = [phase for phase in usual.phases if phase is not Phase.explain]
        cls.TestCase.settings = settings(usual, stateful_step_count=STEPS, phases=phases)

    # -- for subclasses --

    def system(self) -> Handlers:
        """What is tested: an application object, or a table of handlers. It is asked once for each run."""
        raise NotImplementedError(_NOTHING)

    def open(self, identity: str) -> Port:
        """A new connection to what is tested. Override it for what was not made with this package."""
        side = self._side(identity)
        ids = numbered_ids(f"{identity[:12]}-{self._opened}-")
        terms = side.terms(Version(self.version), actions=self.vocabulary)
        return _SidePort(side, side.session(terms, message_ids=ids))

    def on_response(self, identity: str, request: Any, response: Any) -> None:
        """Look at what a valid request was answered with. Called before anything else happens."""

    def send(self, identity: str, text: str) -> None:
        """Send a text, and have what comes of it judged. If there is no connection, there is one then."""
        talk = self._talk(identity)
        self.trace.note(identity, f"in   {text}")
        talk.referee.tell(text, now=self.clock.now)
        self._hear(identity, text)

    def say(self, identity: str, request: Request[Any]) -> None:
        """Have the end under test ask something of its own accord, if it is made with this package and connected."""
        if identity in self._talks:
            self._tally.is_tested = True
            self.sides[identity].peer.ask(request)
            self._hear(identity, None)

    def ask(self, identity: str, action: str, payload: JsonObject) -> None:
        """Send a CALL."""
        self._asked += 1
        text = json.dumps([2, f"h{self._asked}", action, payload], ensure_ascii=False)
        self._talk(identity).last_call = text
        self.send(identity, text)

    # -- the machine --

    def __init__(self) -> None:
        if not hasattr(self, "role"):
            raise TypeError("make it a CentralSystemMachine or a ChargePointMachine, or say which `role` is tested")
        super().__init__()
        self.clock = VirtualClock()
        self.trace = Trace(self.clock)
        """What went in and came out, as the end under test sees it."""
        self.sides: dict[str, Side[Any]] = {}
        """The ends under test by identity, where they are made with this package."""
        self._talks: dict[str, _Talk] = {}
        self._left: list[Port] = []
        """What the other end has left without a word."""
        self._tested: Handlers | None = None
        self._asked = self._opened = 0
        self._used_ids: dict[str, set[str]] = {}
        self._has_failed = False

    @cached_property
    def _played(self) -> list[Action]:
        """The actions of the other end that are played."""
        known = self._terms(next(iter(self.sides), "")).actions
        its = [action for action in known.values() if action.sent_by(self.role.peer)]
        if self.actions is None:
            return its
        if unknown := set(self.actions).difference(action.name for action in its):
            version = Version(self.version)
            raise ValueError(f"a {self.role.peer} asks no {', '.join(sorted(unknown))} in OCPP {version}")
        return [action for action in its if action.name in self.actions]

    @property
    def askable(self) -> list[Action]:
        """What it may be asked in a CALL."""
        return [action for action in self._played if action.response]

    @property
    def tellable(self) -> list[Action]:
        """What it may be told in a SEND."""
        return [action for action in self._played if not action.response]

    @initialize()
    def begin(self) -> None:
        """There is a connection of each charge point."""
        for identity in self.identities:
            self._talk(identity)
        if not self.askable:
            raise ValueError("`actions` has to name one at least that is sent in a CALL")

    # -- connections --

    @property
    def connected(self) -> list[str]:
        """The charge points that have a connection."""
        return sorted(self._talks)

    def connect(self, identity: str) -> None:
        """A charge point connects. If it has a connection, it has lost that, and a central system does not know yet."""
        if identity in self._talks:
            self._leave(identity)
        self._opened += 1
        self.trace.note(identity, "connects")
        with self._judging(identity):
            port = self.open(identity)
        terms = self._terms(identity)
        referee = Referee(
            terms.version,
            self.role,
            actions=terms.actions,
            call_timeout=terms.limits.call_timeout if self.call_timeout is None else self.call_timeout,
            patience=_patience(terms.limits) if self.patience is None else self.patience,
            is_strict=self.is_strict,
            tolerance=terms.tolerance,
            used_ids=self._used_ids.setdefault(identity, set()),
        )
        self._talks[identity] = _Talk(port, referee)
        self._hear(identity, None)

    def _leave(self, identity: str) -> None:
        port = self._talks.pop(identity).port
        if self.role is Role.CENTRAL_SYSTEM:
            self._left.append(port)
        else:
            port.close()

    @precondition(lambda self: self._talks)
    @rule(identity=_for_machine(lambda machine: st.sampled_from(machine.connected)))
    def disconnect(self, identity: str) -> None:
        """A connection ends, whatever is unanswered. There is another one as soon as there is something to send."""
        self._disconnect(identity)

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 31.0, 300.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        until = self.clock.now + seconds
        self._hear_all()
        while self.clock.now < until:
            # Whatever is said is judged when it is said.
            self.clock.advance_to(min(self.clock.next_due, until))
            self._hear_all()

    def _hear_all(self) -> None:
        for identity in self.connected:
            self._hear(identity, None)

    # -- what it is asked --

    @rule(identity=IDENTITIES, call=_calls(_payloads))
    def call(self, identity: str, call: tuple[str, JsonObject]) -> None:
        """It is asked something valid."""
        self.ask(identity, *call)

    @rule(identity=IDENTITIES, call=_calls(_spoilt))
    def call_wrongly(self, identity: str, call: tuple[str, JsonObject]) -> None:
        """It is asked something with one thing wrong."""
        self.ask(identity, *call)

    @rule(identity=IDENTITIES)
    def repeat(self, identity: str) -> None:
        """It is asked the same once more, as by a peer that had no answer (RPC-042)."""
        text = self._talk(identity).last_call
        if text is not None:
            self.send(identity, text)

    @rule(identity=IDENTITIES, text=_for_machine(lambda machine: _hostile(Version(machine.version))))
    def attack(self, identity: str, text: str) -> None:
        """It is sent what no peer in its right mind sends. That is a reason to close the connection."""
        self._talk(identity).is_provoked = True
        self.send(identity, text)

    @precondition(lambda self: self.tellable)
    @rule(identity=IDENTITIES, send=_sends(_payloads))
    def tell(self, identity: str, send: tuple[str, JsonObject]) -> None:
        """It is told something valid, in a SEND: there is no answer to that, whatever it is (2.1: RPC-034, RPC-063)."""
        self._tell(identity, *send)

    @precondition(lambda self: self.tellable)
    @rule(identity=IDENTITIES, send=_sends(_spoilt))
    def tell_wrongly(self, identity: str, send: tuple[str, JsonObject]) -> None:
        """It is told something with one thing wrong."""
        self._tell(identity, *send)

    def _tell(self, identity: str, action: str, payload: JsonObject) -> None:
        self._asked += 1
        self.send(identity, json.dumps([MessageType.SEND, f"h{self._asked}", action, payload], ensure_ascii=False))

    @property
    def handled(self) -> list[Action]:
        """What it may be asked and has a handler for, as far as that is known: half of what it is asked."""
        if self._tested is None:
            return []
        return [action for action in self.askable if action.request in self._tested.requests]

    # -- what it asks --

    @property
    def questions(self) -> list[tuple[str, Question]]:
        """What it has asked and may still be answered, with who was asked; the last of it first."""
        return [
            (identity, question)
            for identity, talk in self._talks.items()
            for question in reversed(talk.referee.questions[-3:])
            if not question.is_answered
        ]

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """It is answered, in time or late (RPC-057)."""
        self._answer(data, _payloads)

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def answer_wrongly(self, data: st.DataObject) -> None:
        """It is answered with one thing wrong."""
        self._answer(data, _spoilt)

    @precondition(lambda self: self.questions)
    @rule(data=st.data(), code=st.sampled_from(ErrorCode))
    def refuse(self, data: st.DataObject, code: ErrorCode) -> None:
        """It is answered with an error."""
        identity, question = data.draw(st.sampled_from(self.questions))
        error: list[Any] = [4, question.message_id, code.spelling(Version(self.version)), "", {}]
        self._conclude(identity, question, error)

    @rule(identity=IDENTITIES, payload=st.sampled_from([{}, {"status": "Accepted"}]))
    def answer_nobody(self, identity: str, payload: JsonObject) -> None:
        """It is answered what it has not asked (F-95)."""
        self.send(identity, json.dumps([3, "nobody-asked", payload]))

    @property
    def answers(self) -> list[tuple[str, str]]:
        """Who was answered, and the message id of what the response was to: the last of it."""
        return [
            (identity, message_id)
            for identity, talk in self._talks.items()
            for message_id, asked in list(talk.referee.asked.items())[-3:]
            if asked.response is not None
        ]

    @precondition(lambda self: MessageType.CALLRESULTERROR in Version(self.version).dialect.message_types)
    @precondition(lambda self: self.answers)
    @rule(answer=_for_machine(lambda machine: st.sampled_from(machine.answers)), code=st.sampled_from(ErrorCode))
    def refuse_response(self, answer: tuple[str, str], code: ErrorCode) -> None:
        """It is told that a response of its was of no use (2.1: RPC-072, RPC-073)."""
        identity, message_id = answer
        spelling = code.spelling(Version(self.version))
        self.send(identity, json.dumps([MessageType.CALLRESULTERROR, message_id, spelling, "", {}]))

    def _answer(self, data: st.DataObject, of: Callable[[type[Datatype]], st.SearchStrategy[JsonObject]]) -> None:
        identity, question = data.draw(st.sampled_from(self.questions))
        assert question.action.response is not None
        payload = data.draw(of(question.action.response))
        self._conclude(identity, question, [3, question.message_id, payload])

    def _conclude(self, identity: str, question: Question, frame: list[Any]) -> None:
        question.is_answered = True
        self.send(identity, json.dumps(frame, ensure_ascii=False))

    def _talk(self, identity: str) -> _Talk:
        if identity not in self._talks:
            self.connect(identity)
        return self._talks[identity]

    # -- the verdict --

    def _hear(self, identity: str, text: str | None) -> None:
        talk, now = self._talks[identity], self.clock.now
        with self._judging(identity):
            texts = self._received(talk.port, text)
            for side in self.sides.values():
                for fault in side.faults:
                    # It need not go on without its connection.
                    if not isinstance(fault, ConnectionLost | SessionClosed):
                        raise Foul(f"a handler fails: {fault!r}") from fault
            for said in texts:
                self.trace.note(identity, f"out  {said}")
                heard = talk.referee.hear(said, now=now)
                if isinstance(heard, Question):
                    self._time(identity, heard)
                elif heard is not None and heard.request is not None:
                    self._heed(identity, heard)
            talk.referee.require_answers(now=now)
            if talk.port.is_closed:
                self.trace.note(identity, "is closed on")
                self._talks.pop(identity).port.close()
                if not talk.is_provoked:
                    raise Foul("closes a connection for no reason")

    @contextmanager
    def _judging(self, identity: str) -> Generator[None]:
        """Whatever is raised within, it is told what has led to it."""
        try:
            yield
        except Exception as error:
            self._has_failed = True
            if isinstance(error, Foul) and identity in self.sides and self.sides[identity].faults:
                error.__cause__ = error.__cause__ or self.sides[identity].faults[-1]
            error.add_note(f"What went in and came out, in seconds:\n{self.trace}")
            raise

    def _received(self, port: Port, text: str | None) -> list[str]:
        try:
            return list(port.receive(text, now=self.clock.now))
        except OSError as error:
            error.add_note("A Port that finds its connection gone raises nothing, but sets its `is_closed`.")
            raise

    def _time(self, identity: str, question: Question) -> None:
        """What it has asked may be given up when it says so itself, if that is known and nobody else has said."""
        side = self.sides.get(identity)
        on_wire = None if side is None else side.machine.on_wire
        if self.call_timeout is None and on_wire is not None and on_wire.message_id == question.message_id:
            question.timeout = on_wire.timeout

    def _heed(self, identity: str, asked: Asked) -> None:
        """Something valid is answered."""
        if asked.response is not None:
            self._tally.is_tested = True
            self.on_response(identity, asked.request, asked.response)
        elif asked.error:
            self._tally.errors[asked.error] += 1

    def teardown(self) -> None:
        """In the end there is an answer to everything."""
        if not self._has_failed and self._talks:
            self._pass(max(talk.referee.patience for talk in self._talks.values()))
        for identity in self.connected:
            self._disconnect(identity)
        for port in self._left:
            port.close()

    def _disconnect(self, identity: str) -> None:
        self.trace.note(identity, "disconnects")
        self._talks.pop(identity).port.close()

    def _terms(self, identity: str) -> Terms:
        """What is known of the newest connection of the end under test."""
        version, side = Version(self.version), self.sides.get(identity)
        known = None if side is None else side.agreed
        return known or Terms(version=version, limits=Limits(), actions=self.vocabulary or version.actions)

    def _side(self, identity: str) -> Side[Any]:
        """The end under test, with the handlers that all of them have in common."""
        if self._tested is None:
            self._tested = self.system()
        if identity not in self.sides:
            trace = Trace(self.clock, size=1)  # it is seen from outside
            side: Callable[..., Side[Any]] = _SIDES[self.role]
            self.sides[identity] = side(self.clock, trace, self._tested, identity)
        return self.sides[identity]


def _patience(limits: Limits) -> float:
    # Who has to wait for the turn of a CALL waits for that of another before.
    return PATIENCE if limits.answer_timeout is None else 2 * limits.answer_timeout


_SIDES: Final[dict[Role, Callable[..., Side[Any]]]] = {
    Role.CENTRAL_SYSTEM: CentralSystemSide,
    Role.CHARGE_POINT: ChargePointSide,
}


_BOOT: Final = "BootNotification"


def _request(machine: PeerMachine, action: str) -> type[Datatype]:
    return Version(machine.version).actions[action].request


class CentralSystemMachine(PeerMachine):
    """hypothesis plays the charge points of your central system.

    Override :meth:`system` and return your :class:`ocpp_sansio.CentralSystem`, or :meth:`open` if it is another's.
    """

    role = Role.CENTRAL_SYSTEM

    def system(self) -> CentralSystemHandlers:
        """What is tested. It is asked once for each run."""
        raise NotImplementedError(_NOTHING)

    @initialize(
        booted=_for_machine(lambda machine: st.integers(0, len(machine.identities))),
        payload=_for_machine(lambda machine: _payloads(_request(machine, _BOOT))),
    )
    def begin_booted(self, booted: int, payload: JsonObject) -> None:
        """So many of the charge points have booted."""
        for identity in self.identities[:booted]:
            self.ask(identity, _BOOT, payload)

    @rule(identity=IDENTITIES, payload=_for_machine(lambda machine: _payloads(_request(machine, _BOOT))))
    def boot(self, identity: str, payload: JsonObject) -> None:
        """A charge point boots. Most of what it says is of no account before that."""
        self.ask(identity, _BOOT, payload)

    @precondition(lambda self: self._talks)
    @rule(identity=_for_machine(lambda machine: st.sampled_from(machine.connected)))
    def connect_again(self, identity: str) -> None:
        """A charge point that has lost its connection without a word makes another (RPC-019). The old one is mute."""
        self.connect(identity)


class ChargePointMachine(PeerMachine):
    """hypothesis plays the central system of your charge point.

    Override :meth:`system` and return its :class:`ocpp_sansio.ChargePointHandlers`, or :meth:`open` if it is another's.
    What it says of its own accord, say in rules of your own: ``self.say("CP1", request)``.
    """

    role = Role.CHARGE_POINT
    identities = ("CP1",)

    def system(self) -> ChargePointHandlers:
        """What is tested. It is asked once for each run."""
        raise NotImplementedError(_NOTHING)

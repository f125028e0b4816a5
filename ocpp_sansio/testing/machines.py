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
stand beside ours: :meth:`PeerMachine.send`, :meth:`PeerMachine.on_response`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from typing import Any, ClassVar, Final, TypeVar

import attrs
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ocpp_sansio.application import CentralSystem
from ocpp_sansio.errors import ErrorCode
from ocpp_sansio.handlers import CentralSystemHandlers, ChargePointHandlers, Handlers
from ocpp_sansio.messages import Action, Datatype, Request, Role
from ocpp_sansio.session import CentralSystemSession, ChargePointSession, Session, numbered_ids
from ocpp_sansio.version import Version

from .chance import Chance
from .clock import VirtualClock
from .link import Link
from .peer import SessionPeer
from .referee import Asked, Foul, Question, Referee
from .side import CentralSystemSide, ChargePointSide, Side
from .strategies import JsonObject, hostile_texts, near_misses, payloads
from .trace import Trace

__all__ = ["CentralSystemMachine", "ChargePointMachine", "PeerMachine", "Port", "chances"]

T = TypeVar("T")

HOSTILE_SIZE: Final = 200
"""Characters that a hostile text has more than a good one, about."""
STEPS: Final = 20
"""Steps of a run, unless the ``settings`` of a ``TestCase`` say otherwise: long runs take long to shrink."""


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
        session.handle_timeout(now=side.clock.now)
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


class PeerMachine(RuleBasedStateMachine):
    """What both machines have in common. The attributes are for subclasses to set."""

    version: ClassVar[Version | str] = Version.V16
    """The one that is spoken."""
    actions: ClassVar[Collection[str] | None] = None
    """The names of the actions that it is asked, at least one; ``None``: all there are."""
    identities: ClassVar[Sequence[str]] = ("CP1", "CP2")
    """The charge points there are."""
    call_timeout: ClassVar[float] = 30.0
    """Seconds after which the end under test may give up on a CALL of its, and send the next one."""
    patience: ClassVar[float] = 120.0
    """Seconds within which it has to answer."""
    is_strict: ClassVar[bool] = True
    """Whether it may not accept what breaks the schema."""
    role: ClassVar[Role]
    """That of the end under test."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        usual = cls.TestCase.settings
        # What could be said otherwise with the same result is of no interest here, and takes ten times as long to find.
        phases = [phase for phase in usual.phases if phase is not Phase.explain]
        cls.TestCase.settings = settings(usual, stateful_step_count=STEPS, phases=phases)

    # -- for subclasses --

    @abstractmethod
    def system(self) -> Handlers:
        """What is tested: an application object, or a table of handlers. It is asked once for each run."""

    def open(self, identity: str) -> Port:
        """A new connection to what is tested. Override it for what was not made with this package."""
        side = self._side(identity)
        options: dict[str, Any] = {"message_ids": numbered_ids(f"{identity[:12]}-{self._opened}-")}
        if isinstance(application := side.handlers, CentralSystem):
            actions = application.actions.get(Version(self.version))
            options |= {"limits": application.limits, "tolerance": application.tolerance, "actions": actions}
        session: type[Session] = CentralSystemSession if self.role is Role.CENTRAL_SYSTEM else ChargePointSession
        return _SidePort(side, session(self.version, **options))

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
        if identity in self.talks:
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
        super().__init__()
        self.clock = VirtualClock()
        self.trace = Trace(self.clock)
        """What went in and came out, as the end under test sees it."""
        self.talks: dict[str, _Talk] = {}
        """The connections there are, by identity."""
        self.sides: dict[str, Side[Any]] = {}
        """The ends under test by identity, where they are made with this package."""
        self.askable = self._named(
            [
                action
                for action in Version(self.version).actions.values()
                if action.sent_by(self.role.peer) and action.response
            ]
        )
        """What it may be asked."""
        self._tested: Handlers | None = None
        self._asked = self._opened = 0
        self._used_ids: dict[str, set[str]] = {}
        self._has_failed = False

    def _named(self, actions: list[Action]) -> list[Action]:
        if self.actions is None:
            return actions
        if unknown := set(self.actions).difference(action.name for action in actions):
            version = Version(self.version)
            raise ValueError(f"a {self.role.peer} asks no {', '.join(sorted(unknown))} in OCPP {version}")
        return [action for action in actions if action.name in self.actions]

    @initialize()
    def begin(self) -> None:
        """There is a connection of each charge point."""
        for identity in self.identities:
            self._talk(identity)

    # -- connections --

    def connect(self, identity: str) -> None:
        """A charge point connects."""
        self._opened += 1
        self.trace.note(identity, "connects")
        referee = Referee(
            self.version,
            self.role,
            call_timeout=self.call_timeout,
            patience=self.patience,
            is_strict=self.is_strict,
            used_ids=self._used_ids.setdefault(identity, set()),
        )
        self.talks[identity] = _Talk(self.open(identity), referee)
        self._hear(identity, None)

    @precondition(lambda self: self.talks)
    @rule(identity=_for_machine(lambda machine: st.sampled_from(sorted(machine.talks))))
    def disconnect(self, identity: str) -> None:
        """A connection ends, whatever is unanswered. There is another one as soon as there is something to send."""
        self.trace.note(identity, "disconnects")
        self.talks.pop(identity).port.close()

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 31.0, 300.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            # Whatever is said is judged when it is said.
            self.clock.advance_to(min(self.clock.next_due, until))
            for identity in list(self.talks):
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

    @property
    def handled(self) -> list[Action]:
        """What it may be asked and has a handler for, as far as that is known: half of what it is asked."""
        return [action for action in self.askable if self._tested and action.request in self._tested.requests]

    # -- what it asks --

    @property
    def questions(self) -> list[tuple[str, Question]]:
        """What it has asked and may still be answered, with who was asked; the last of it first."""
        return [
            (identity, question)
            for identity, talk in self.talks.items()
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

    def _answer(self, data: st.DataObject, of: Callable[[type[Datatype]], st.SearchStrategy[JsonObject]]) -> None:
        identity, question = data.draw(st.sampled_from(self.questions))
        assert question.action.response is not None
        payload = data.draw(of(question.action.response))
        self._conclude(identity, question, [3, question.message_id, payload])

    def _conclude(self, identity: str, question: Question, frame: list[Any]) -> None:
        question.is_answered = True
        self.send(identity, json.dumps(frame, ensure_ascii=False))

    def _talk(self, identity: str) -> _Talk:
        if identity not in self.talks:
            self.connect(identity)
        return self.talks[identity]

    # -- the verdict --

    def _hear(self, identity: str, text: str | None) -> None:
        talk, now = self.talks[identity], self.clock.now
        try:
            texts = list(talk.port.receive(text, now=now))
            for side in self.sides.values():
                if side.faults:
                    raise Foul(f"a handler fails: {side.faults[0]!r}") from side.faults[0]
            for said in texts:
                self.trace.note(identity, f"out  {said}")
                heard = talk.referee.hear(said, now=now)
                if isinstance(heard, Asked) and heard.response is not None:
                    self.on_response(identity, heard.request, heard.response)
            talk.referee.require_answers(now=now)
            if talk.port.is_closed:
                self.trace.note(identity, "is closed on")
                self.talks.pop(identity).port.close()
                if not talk.is_provoked:
                    raise Foul("closes a connection for no reason")
        except AssertionError as error:
            self._has_failed = True
            error.add_note(f"What went in and came out, in seconds:\n{self.trace}")
            raise

    def teardown(self) -> None:
        """In the end there is an answer to everything."""
        if not self._has_failed:
            self.wait(self.patience)
        for identity in list(self.talks):
            self.disconnect(identity)

    def _side(self, identity: str) -> Side[Any]:
        """The end under test, with the handlers that all of them have in common."""
        if self._tested is None:
            self._tested = self.system()
        if identity not in self.sides:
            trace = Trace(self.clock, size=1)  # it is seen from outside
            side: Callable[..., Side[Any]] = _SIDES[self.role]
            self.sides[identity] = side(self.clock, trace, self._tested, identity)
        return self.sides[identity]


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
        raise NotImplementedError("override `system`, or `open`")

    @initialize(
        booted=_for_machine(lambda machine: st.integers(0, len(machine.identities))),
        payload=_for_machine(lambda machine: _payloads(_request(machine, _BOOT))),
    )
    def begin_booted(self, booted: int, payload: JsonObject) -> None:
        """So many of the charge points have booted."""
        for identity in self.identities[:booted]:
            self.boot(identity, payload)

    @rule(identity=IDENTITIES, payload=_for_machine(lambda machine: _payloads(_request(machine, _BOOT))))
    def boot(self, identity: str, payload: JsonObject) -> None:
        """A charge point boots. Most of what it says is of no account before that."""
        self.ask(identity, _BOOT, payload)


class ChargePointMachine(PeerMachine):
    """hypothesis plays the central system of your charge point.

    Override :meth:`system` and return its :class:`ocpp_sansio.ChargePointHandlers`, or :meth:`open` if it is another's.
    What it says of its own accord, say in rules of your own: ``self.say("CP1", request)``.
    """

    role = Role.CHARGE_POINT
    identities = ("CP1",)

    def system(self) -> ChargePointHandlers:
        """What is tested. It is asked once for each run."""
        raise NotImplementedError("override `system`, or `open`")

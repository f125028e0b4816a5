"""One text for a session, in each version, by each role, in many states of it.

The first byte chooses the version, the role, the form of the text, and what is put up with; the second one chooses the
state; the others are the text.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ocpp_sansio import (
    CentralSystemSession,
    ChargePointSession,
    InvalidResponse,
    Role,
    Session,
    Version,
    numbered_ids,
    v21,
)
from ocpp_sansio.events import (
    CallReceived,
    CallSucceeded,
    Deviation,
    Event,
    LateResponse,
    Misbehaviour,
    PeerMisbehaved,
    SendReceived,
)
from ocpp_sansio.tolerance import FIELD, STRICT, WARN_ONLY, Tolerance
from tests.corpus.malformed import MALFORMED_IN

from . import corpus, oracles, samples
from .ledger import LIMITS, Ledger

SESSIONS = {Role.CENTRAL_SYSTEM: CentralSystemSession, Role.CHARGE_POINT: ChargePointSession}
SETUPS = list(itertools.product(Version, Role, (False, True), (STRICT, FIELD, WARN_ONLY)))
"""Version, role, whether the text comes as bytes, and the tolerance."""
ASKED = {Role.CENTRAL_SYSTEM: "Heartbeat", Role.CHARGE_POINT: "ClearCache"}
"""What the peer may ask in every version, without saying more."""


# -- states --


def _ask(ledger: Ledger, message_id: str) -> None:
    session = ledger.session
    assert session is not None
    ledger.step(session.receive_data, json.dumps([2, message_id, ASKED[session.role], {}]))


def _fresh(ledger: Ledger) -> None:
    """Nothing has happened."""


def _expired(ledger: Ledger) -> None:
    """Our CALL "c1" has timed out, "c2" was cancelled, "c3" waits."""
    ledger.call(0)
    ledger.call(0)
    ledger.wait(LIMITS.call_timeout)
    ledger.cancel(1)
    ledger.call(0)


def _queue_full(ledger: Ledger) -> None:
    for number in range(1 + LIMITS.max_queued_calls):
        ledger.call(number)


def _in_progress(ledger: Ledger) -> None:
    """The peer's CALL "p1" was answered, "p2" is with the application."""
    _ask(ledger, "p1")
    ledger.answer(0, "respond")
    _ask(ledger, "p2")


def _held(ledger: Ledger) -> None:
    """All that may be with the application are, and others wait."""
    for number in range(LIMITS.max_inbound_calls + LIMITS.max_held_calls):
        _ask(ledger, f"p{number}")


def _overdue(ledger: Ledger) -> None:
    """The peer's CALL "p1" was answered in the application's place."""
    _ask(ledger, "p1")
    ledger.wait(30.0)


def _last_chance(ledger: Ledger) -> None:
    """One more bad message, and the connection is closed."""
    session = ledger.session
    assert session is not None
    for _ in range(LIMITS.max_bad_messages):
        ledger.step(session.receive_data, "?")


def _sent(ledger: Ledger) -> None:
    """A SEND is out, where there are any."""
    session = ledger.session
    if isinstance(session, ChargePointSession) and session.version is Version.V21:
        data = [v21.StreamDataElement(t=0, v="1")]
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        ledger.step(session.send, v21.NotifyPeriodicEventStream(data=data, id=0, pending=0, basetime=moment))


def _over(ledger: Ledger) -> None:
    ledger.lose()


STATES = (_fresh, _in_progress, _expired, _queue_full, _held, _overdue, _last_chance, _sent, _over)


@cache
def _states(version: Version, role: Role) -> tuple[Callable[[Ledger], None], ...]:
    """These, and for each action one in which our CALL "c1" of it is unanswered."""
    asking = (lambda ledger, number=number: ledger.call(number) for number in range(len(samples.calls(version, role))))
    return (*STATES, *asking)


# -- the target --


def run(data: bytes) -> None:
    setup, state, raw = data[:1], data[1:2], data[2:]
    version, role, is_raw, tolerance = SETUPS[(setup or b"\0")[0] % len(SETUPS)]
    text = raw if is_raw else raw.decode(errors="surrogateescape")
    events = _play(version, role, state, text, tolerance)
    strict = _play(version, role, state, text, STRICT) if tolerance else []
    # Who tolerates more makes the same of what is right, and does not call right in silence what is not.
    if strict and (not any(map(_is_wrong, strict)) or _is_plain(events)):
        assert list(map(_comparable, events)) == list(map(_comparable, strict))


def _deviations(event: Event) -> tuple[Deviation, ...]:
    return getattr(event, "deviations", ())


def _is_wrong(event: Event) -> bool:
    answer = getattr(event, "error", getattr(event, "answer", None))
    return isinstance(event, PeerMisbehaved) or isinstance(answer, InvalidResponse)


def _is_plain(events: list[Event]) -> bool:
    """Whether a message was delivered, as one that is right."""
    delivered = [event for event in events if isinstance(event, CallReceived | CallSucceeded | SendReceived)]
    return bool(delivered) and not any(map(_deviations, delivered))


def _play(version: Version, role: Role, state: bytes, text: str | bytes, tolerance: Tolerance) -> list[Event]:
    """What the text becomes. Later the session serves a good CALL, or has said why it does not."""
    session = SESSIONS[role](version, message_ids=numbered_ids("c"), limits=LIMITS, tolerance=tolerance)
    ledger = Ledger(session)
    states = _states(version, role)
    states[int.from_bytes(state) % len(states)](ledger)
    events = ledger.step(session.receive_data, text)
    _check(session, text, events)
    ledger.settle()
    if session.must_close is None and not ledger.is_over:
        _ask(ledger, "afterwards")
        assert [call.message_id for call in ledger.open] == ["afterwards"], "it serves no more"
        ledger.settle()
    ledger.lose()
    return events


def _check(session: Session, text: str | bytes, events: list[Event]) -> None:
    """Compare what became of a text with what it is to the standard library."""
    value = oracles.read(text)
    for event in events:
        if _deviations(event):
            continue
        match event:
            case CallReceived(message_id=message_id, action=action):
                assert value is oracles.UNKNOWN or value[:3] == [2, message_id, action]
            case SendReceived(message_id=message_id, action=action):
                assert value is oracles.UNKNOWN or value[:3] == [6, message_id, action]
            case CallSucceeded(call=call):
                assert value is oracles.UNKNOWN or value[:2] == [3, call.message_id]
            case PeerMisbehaved(reason=Misbehaviour.NOT_JSON):
                is_text = isinstance(text, bytes) or oracles.is_writable(text)
                assert value in (oracles.ABSENT, oracles.UNKNOWN) or not (is_text and oracles.is_writable(value))
            case LateResponse():
                assert not session.must_close
            case _:
                pass


def _comparable(event: Event) -> tuple[Any, ...]:
    """An event without what differs from one session to the next."""
    content = {name: getattr(event, name) for name in type(event).__match_args__}
    return type(event), *(repr(value) for value in content.values())


# -- seeds --


def _chosen(version: Version, role: Role, *, state: int = 0, tolerance: Tolerance = STRICT) -> bytes:
    setup = SETUPS.index((version, role, False, tolerance))
    return bytes([setup, state])


SHORT = (
    '[2,"p1","%s",{}]',
    '[2,"p9","%s",{}]',
    '[2,"p9","%s",null]',
    '[3,"c1",{}]',
    '[3,"c9",{"status":"Accepted"}]',
    '[4,"c1","GenericError","",{}]',
    '[5,"p1","GenericError","",{}]',
    '[6,"p9","NotifyPeriodicEventStream",{}]',
    "?",
)
"""Texts that are worth a look in every state."""


def seeds() -> Iterator[bytes]:
    for version, role in itertools.product(Version, Role):
        for state, text in itertools.product(range(len(STATES) + 1), SHORT):
            yield _chosen(version, role, state=state) + text.replace("%s", ASKED[role]).encode()
    for version, rows in MALFORMED_IN.items():
        for row in rows:
            for tolerance in (STRICT, WARN_ONLY):
                chosen = _chosen(version, Role.CENTRAL_SYSTEM, tolerance=tolerance)
                yield chosen + row.text.encode(errors="surrogatepass")
    for frame in corpus.field_frames():
        yield _chosen(Version(frame["version"]), Role.CENTRAL_SYSTEM, tolerance=FIELD) + frame["frame"].encode()
    for version, role in itertools.product(Version, Role):
        for number, action in enumerate(samples.calls(version, role)):
            assert action.response is not None
            asked = json.dumps([2, "p3", action.name, samples.payload(action.request, full=True)])
            answered = json.dumps([3, "c1", samples.payload(action.response, full=True)])
            yield _chosen(version, role.peer, tolerance=FIELD) + asked.encode()
            yield _chosen(version, role, state=len(STATES) + number) + answered.encode()

"""What happens to one end, step by step: the peer's messages, the application's doings, time, and the end.

The input is a program. Its first line says what the end is, each other line is a step: a letter for what is done, and
what it is done with. Letters that stand for nothing are skipped::

    S1s             a Session of 1.6, a central system's; B: over bytes, H: hosted; 2: 2.0.1, 3: 2.1; c: charge point
    r[2,"1",…]      receive this text          m…  receive these bytes as a binary message, or as they are
    c3 5            call the third action there is, with a time-out of 5 seconds
    k0              cancel the first call
    a1  j1  g1      respond to, reject or ignore the second CALL that is open
    n               send a SEND                p   probe
    t12             12 seconds pass            b12 the clock jumps back by so many        d  until the next deadline
    y  Y401         accept or reject the connection
    q               the application is busy, or is no more
    x1000           close                      e   the connection is lost
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from ocpp_sansio import (
    CentralSystemConnection,
    ChargePointConnection,
    HostedConnection,
    Role,
    Session,
    Version,
    numbered_ids,
    v21,
)
from ocpp_sansio.closing import close_frame
from ocpp_sansio.handshake import refusal_fields

from . import samples, wire
from .ledger import LIMITS, Ledger
from .text import SESSIONS

VERSIONS = {"1": Version.V16, "2": Version.V201, "3": Version.V21}
ROLES = {"s": Role.CENTRAL_SYSTEM, "c": Role.CHARGE_POINT}
MAX_STEPS = 64

SEND = v21.NotifyPeriodicEventStream(
    data=[v21.StreamDataElement(t=0, v="1")], id=0, pending=0, basetime=datetime(2026, 1, 1, tzinfo=UTC)
)


class _Run:
    """The end, and its account."""

    def __init__(self, setup: str) -> None:
        kind, version, role = (*setup, "", "", "")[:3]
        self.version = VERSIONS.get(version, Version.V21)
        self.role = ROLES.get(role, Role.CENTRAL_SYSTEM)
        self.is_masked = self.role is Role.CENTRAL_SYSTEM
        options: dict[str, Any] = {"message_ids": numbered_ids("x"), "limits": LIMITS}
        subprotocol = self.version.subprotocol
        self.end: Any
        if kind == "H":
            fields = [("sec-websocket-protocol", subprotocol)]
            self.end = HostedConnection("/CP1", fields, [subprotocol], now=0.0, versions=[self.version], **options)
        elif kind == "B" and self.role is Role.CENTRAL_SYSTEM:
            self.end = CentralSystemConnection(now=0.0, versions=[self.version], **options)
        elif kind == "B":
            self.end = ChargePointConnection("ws://h", "CP1", now=0.0, versions=[self.version], **options)
        else:
            self.end = SESSIONS[self.role](self.version, **options)
        self.ledger = Ledger(self.end)
        if isinstance(self.end, CentralSystemConnection):
            self.ledger.step(self.end.receive_data, wire.request(subprotocol.encode()))
        elif isinstance(self.end, ChargePointConnection):
            self.ledger.step(self.end.receive_data, wire.response(subprotocol.encode()))

    def do(self, line: str) -> None:
        act = _STEPS.get(line[:1])
        if act is not None:
            act(self, line[1:])
            self._deliver()

    def _deliver(self) -> None:
        """What a driver does after each step: send what there is."""
        if isinstance(self.end, HostedConnection):
            assert not (self.end.steps() and self.ledger.was_over)
        elif isinstance(self.end, Session):
            self.end.bytes_to_send()
            if self.end.must_close is not None and not self.ledger.is_over:
                self.ledger.lose()
        else:
            self.end.data_to_send()
        self.ledger.was_over = self.ledger.is_over

    # -- the steps --

    def receive(self, text: str) -> None:
        if isinstance(self.end, HostedConnection):
            self.ledger.step(self.end.receive_text, text)
        elif isinstance(self.end, Session):
            self.ledger.step(self.end.receive_data, text)
        else:
            raw = text.encode(errors="surrogateescape")
            self.ledger.step(self.end.receive_data, wire.frame(wire.TEXT, raw, masked=self.is_masked))

    def receive_binary(self, argument: str) -> None:
        raw = argument.encode(errors="surrogateescape")
        if isinstance(self.end, HostedConnection):
            self.ledger.step(self.end.receive_binary, raw)
        else:
            self.ledger.step(self.end.receive_data, raw)

    def call(self, argument: str) -> None:
        number, timeout = _numbers(argument, 2)
        self.ledger.call(number, float(timeout) if timeout else None)

    def cancel(self, argument: str) -> None:
        if self.ledger.session is not None:
            self.ledger.cancel(_number(argument))

    def send(self, _: str) -> None:
        if self.role is Role.CHARGE_POINT and not isinstance(self.end, HostedConnection):
            was_sent = self.ledger.command(self.end.send, SEND)
            is_up = self.ledger.session is not None and not self.ledger.is_over
            assert was_sent <= (is_up and self.version is Version.V21)

    def probe(self, _: str) -> None:
        if not isinstance(self.end, Session):
            self.ledger.step(self.end.probe)

    def wait(self, argument: str) -> None:
        self.ledger.wait(_number(argument))

    def jump_back(self, argument: str) -> None:
        self.ledger.wait(-_number(argument))

    def wait_until_due(self, _: str) -> None:
        due = self.end.next_timeout()
        if due is not None:
            self.ledger.now = max(self.ledger.now, due)
            self.ledger.wait(0.0)
            after = self.end.next_timeout()
            assert after is None or after > due or self.ledger.now > due, "it is always due (F-136)"

    def accept(self, _: str) -> None:
        if hasattr(self.end, "accept"):
            self.ledger.command(self.end.accept)

    def refuse(self, argument: str) -> None:
        status = _number(argument)
        if hasattr(self.end, "reject_connection"):
            try:
                refusal_fields(status, ())
            except ValueError:
                return
            self.ledger.command(self.end.reject_connection, status, "no")

    def be_busy(self, _: str) -> None:
        if not isinstance(self.end, Session):
            self.end.busy = not self.end.busy

    def close(self, argument: str) -> None:
        code = _number(argument)
        try:
            close_frame(code, "")
        except ValueError:
            return
        if not isinstance(self.end, Session):
            self.ledger.step(self.end.close, code)

    def lose(self, _: str) -> None:
        self.ledger.lose()


def _answering(how: str) -> Callable[[_Run, str], None]:
    return lambda run, argument: run.ledger.answer(_number(argument), how)


_STEPS: dict[str, Callable[[_Run, str], None]] = {
    "r": _Run.receive,
    "m": _Run.receive_binary,
    "c": _Run.call,
    "k": _Run.cancel,
    "a": _answering("respond"),
    "j": _answering("reject"),
    "g": _answering("ignore"),
    "n": _Run.send,
    "p": _Run.probe,
    "t": _Run.wait,
    "b": _Run.jump_back,
    "d": _Run.wait_until_due,
    "y": _Run.accept,
    "Y": _Run.refuse,
    "q": _Run.be_busy,
    "x": _Run.close,
    "e": _Run.lose,
}


def _number(argument: str) -> int:
    return _numbers(argument, 1)[0]


def _numbers(argument: str, count: int) -> list[int]:
    found = re.findall(r"\d{1,4}", argument, re.ASCII)
    return [int(each) for each in [*found, *["0"] * count][:count]]


def run(data: bytes) -> None:
    setup, *lines = data.decode(errors="surrogateescape").split("\n")
    with wire.zeros():
        play = _Run(setup)
        for line in lines[:MAX_STEPS]:
            play.do(line)
        if play.ledger.is_open:
            play.ledger.settle()
        play.ledger.lose()


# -- seeds --

PROGRAMS = (
    """r[2,"1","{asked}",{}]
r[2,"1","{asked}",{}]
a0
r[2,"1","{asked}",{}]
r[4,"1","GenericError","",{}]
r[5,"1","GenericError","",{}]
""",
    """c0
c1
c2
c3
r[3,"x1",{answer}]
k1
r[4,"x3","GenericError","no",{}]
t10
""",
    """c0 5
t5
r[3,"x1",{answer}]
c0
k0
k1
c1
t10
r[3,"x2",{}]
""",
    """r[2,"1","{asked}",{}]
r[2,"2","{asked}",{}]
r[2,"3","{asked}",{}]
r[2,"4","Nonsense",{}]
r[2,"5","{asked}",{"x":1}]
g0
j0
c0
a0
""",
    """r[2,"1","{asked}",{}]
t30
a0
b20
d
d
p
d
""",
    """c0
n
q
p
r[3,"x1",{}]
q
x1000
r[2,"1","{asked}",{}]
d
""",
    "r?\n" * 6,
    "t20\nd\nd\nd\n",
    "m[2]\nc0\nc1\ne\n",
    """c0
r[2,"1","{asked}",{}]
e
a0
c0
n
""",
)


def seeds() -> Iterator[bytes]:
    for kind in "SBH":
        for number, version in VERSIONS.items():
            for letter, role in ROLES.items():
                if kind == "H" and letter == "c":
                    continue
                first = samples.calls(version, role)[0]
                assert first.response is not None
                asked = "Heartbeat" if role is Role.CENTRAL_SYSTEM else "ClearCache"
                answer = json.dumps(samples.payload(first.response))
                opened = "y\n" if kind != "S" else ""
                for steps in PROGRAMS:
                    program = steps.replace("{asked}", asked).replace("{answer}", answer)
                    yield f"{kind}{number}{letter}\n{opened}{program}".encode()
    yield b"B1s\nY401\n"
    yield b"H1s\nY503\ny\n"
    yield b"H1s\nd\n"
    yield b"B1s\nt10\ny\n"

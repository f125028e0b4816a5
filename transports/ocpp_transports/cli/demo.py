"""``ocpp-sansio demo``: every adapter as charge point against every adapter as central system, on this machine."""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

from ocpp_sansio import Role, v16

from . import _pure
from ._adapters import ADAPTERS, HOST, Adapter, Answers
from ._frames import Ladder, Recording, Transcript
from ._line import NOISE, noisy_line
from ._screen import print_line, screen
from ._story import ChargePoint, Clock, Story, answer_too_late, stop_remotely, welcome

__all__ = ["demo"]

MORE_READINGS_THAN_NEEDED = 5
"""The central system stops the session at the first."""


def demo() -> None:
    """Play a charging session between every two adapters, and compare them with the pure core.

    Central systems and charge points run on this machine, on asyncio, trio and threads, each against each. The session
    has a remote stop that is sent from inside a handler, noise on the line, and a call that is not answered in time.
    Exits with 1 if any of the nine went differently than between two connections in memory.
    """
    # The library warns of the noise, as it should. Here it is meant.
    logging.getLogger("ocpp_transports").addHandler(logging.NullHandler())
    console = screen()
    start = time.monotonic()
    expected = reference()
    plays = [play(client, server) for client, server in itertools.product(ADAPTERS, repeat=2)]
    elapsed = time.monotonic() - start

    draw(console, plays[0])
    same = tabulate(console, plays, expected)
    console.print(f"{len(plays)} pairs in {elapsed:.1f} s")
    sys.exit(not same)


@attrs.frozen
class Play:
    """One session that has been played."""

    client: str
    server: str
    seconds: float
    charge_point: Recording
    central_system: Recording
    error: Exception | None = None

    def transcripts(self) -> tuple[Transcript, Transcript]:
        """As the charge point and as the central system saw it."""
        return self.charge_point.transcript(), self.central_system.transcript()


class Scene:
    """What is played, the same each time: who says what, by a calendar of its own."""

    def __init__(self) -> None:
        self.charge_point_tap = Recording()
        self.central_system_tap = Recording()
        self._charge_point = ChargePoint(_calendar(), note=self.central_system_tap.note)
        self.charge_point_answers: Answers = self._charge_point.answers
        self.central_system_answers: Answers = welcome(_calendar()) | {
            v16.MeterValuesRequest: stop_remotely,
            v16.DataTransferRequest: answer_too_late(self._charge_point),
        }

    def story(self) -> Story[None]:
        """The charge point's part."""
        yield from self._charge_point.boot()
        yield from self._charge_point.lose_patience(self.charge_point_tap.heard)
        yield from self._charge_point.charge(MORE_READINGS_THAN_NEEDED, interval=0.0)


def _calendar() -> Clock:
    """A clock on which a second passes between two looks."""
    seconds = itertools.count()
    return lambda: datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(seconds=next(seconds))


def reference() -> tuple[Transcript, Transcript]:
    """The transcripts of the pure core alone, of the charge point and of the central system."""
    scene = Scene()
    taps = scene.charge_point_tap, scene.central_system_tap
    _pure.play(scene.story(), scene.charge_point_answers, scene.central_system_answers, taps, NOISE)
    return taps[0].transcript(), taps[1].transcript()


def play(client: Adapter, server: Adapter) -> Play:
    """One session over real sockets."""
    scene = Scene()
    taps = scene.charge_point_tap, scene.central_system_tap
    error: Exception | None = None
    start = time.monotonic()

    def tap(_: object, *message: Any) -> None:
        scene.central_system_tap(*message)

    try:
        with server.serve(scene.central_system_answers, tap) as port, noisy_line(port) as near:
            client.play(f"ws://{HOST}:{near}/ocpp", "DEMO", scene.charge_point_answers, scene.story(), taps[0])
    except Exception as failure:  # noqa: BLE001 - whatever it is, the other pairs have their turn, and the table tells
        error = failure
    return Play(client.name, server.name, time.monotonic() - start, *taps, error)


def draw(console: Console, one: Play) -> None:
    """Print a session as a ladder."""
    console.print(
        f"\n[bold]Charge point on {one.client}, central system on {one.server}[/], as the central system sees it\n"
    )
    ladder = Ladder(Role.CENTRAL_SYSTEM)
    for entry in one.central_system.entries:
        print_line(console, ladder.line(entry))


def tabulate(console: Console, plays: list[Play], expected: tuple[Transcript, Transcript]) -> bool:
    """Print how each pair fared; whether all were as expected."""
    table = Table(title="\nEach transcript against that of the pure core", title_justify="left")
    for column in ("charge point", "central system", "messages", "time", "transcript"):
        table.add_column(column, justify="right" if column in ("messages", "time") else "left")
    remarks: list[str] = []
    for each in plays:
        differences = list(compare(each, expected))
        verdict = "[bold red]differs" if differences else "[green]identical"
        messages = len(each.transcripts()[1])
        table.add_row(each.client, each.server, str(messages), f"{each.seconds * 1000:.0f} ms", verdict)
        remarks += [f"{each.client} → {each.server}: {difference}" for difference in differences]
    console.print(table)
    for remark in remarks:
        console.print(remark, style="red", markup=False, highlight=False)
    return not remarks


def compare(one: Play, expected: tuple[Transcript, Transcript]) -> Iterator[str]:
    """What went differently: the first difference at each end."""
    if one.error is not None:
        yield f"{type(one.error).__name__}: {one.error}"
    for role, got, wanted in zip(Role, one.transcripts(), expected, strict=True):
        for number, (a, b) in enumerate(itertools.zip_longest(got, wanted), 1):
            if a != b:
                yield f"message {number} at the {role} is {a}, not {b}"
                break

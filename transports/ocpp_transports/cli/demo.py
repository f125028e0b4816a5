"""``ocpp-sansio demo``: every adapter as charge point against every adapter as central system, on this machine."""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

from ocpp_sansio import Role, Version

from . import _pure
from ._adapters import ADAPTERS, HOST, Adapter
from ._blackout import Blackout, play_blackouts
from ._dialects import DIALECTS
from ._frames import Ladder, Recording, Transcript
from ._line import NOISE, noisy_line
from ._screen import print_line, screen
from ._story import Answers, Clock, Story

__all__ = ["demo"]

MORE_READINGS_THAN_NEEDED = 5
"""The central system stops the session at the first."""

Transcripts = tuple[Transcript, Transcript]
"""As the charge point and as the central system saw it."""


def demo() -> None:
    """Play charging sessions between every two adapters, in every version, and compare them with the pure core.

    Central systems and charge points run on this machine, on asyncio, trio and threads, each against each; each central
    system serves charge points of all versions on one port, at the same time. The sessions have a remote start and a
    remote stop that are sent from inside handlers, noise on the line, and a call that is not answered in time. Exits
    with 1 if any of them went differently than between two connections in memory.

    Then charge points and central systems that play their roles, again each against each: the link breaks in the middle
    of a transaction, the power goes, somebody charges all the same, and afterwards everything is delivered in order.
    Exits with 1 as well if a ledger has anything else than what was charged.
    """
    # The library warns of the noise, as it should. Here it is meant.
    logging.getLogger("ocpp_transports").addHandler(logging.NullHandler())
    console = screen()
    start = time.monotonic()
    expected = {version: reference(version) for version in DIALECTS}
    plays = [play(client, server) for client, server in itertools.product(ADAPTERS, repeat=2)]
    elapsed = time.monotonic() - start

    days = play_blackouts()

    draw(console, plays[0])
    draw_blackout(console, days[0])
    same = tabulate(console, plays, expected)
    console.print(f"{len(plays)} pairs, {len(plays) * len(expected)} sessions in {elapsed:.1f} s")
    complete = tabulate_blackouts(console, days)
    sys.exit(not (same and complete))


class Scene:
    """What is played in one version, the same each time: who says what, by a calendar of its own."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.identity = f"DEMO-{version}"
        self.charge_point_tap = Recording()
        self.central_system_tap = Recording()
        dialect = DIALECTS[version]
        self._charge_point = dialect.charge_point(_calendar(), note=self.central_system_tap.note)
        self.charge_point_answers: Answers = self._charge_point.answers
        self.central_system_answers: Answers = dialect.interfere(_calendar(), self._charge_point)
        self.error: Exception | None = None
        """What broke the session off."""

    def story(self) -> Story[None]:
        """The charge point's part."""
        yield from self._charge_point.boot()
        yield from self._charge_point.lose_patience(self.charge_point_tap.heard)
        yield from self._charge_point.beat()
        yield from self._charge_point.charge(MORE_READINGS_THAN_NEEDED, interval=0.0)

    def transcripts(self) -> Transcripts:
        """What passed."""
        return self.charge_point_tap.transcript(), self.central_system_tap.transcript()


@attrs.frozen
class Play:
    """The sessions between two adapters, when they have been played."""

    client: str
    server: str
    seconds: float
    scenes: list[Scene]


def _calendar() -> Clock:
    """A clock on which a second passes between two looks."""
    seconds = itertools.count()
    return lambda: datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(seconds=next(seconds))


def reference(version: Version) -> Transcripts:
    """The transcripts of the pure core alone."""
    scene = Scene(version)
    taps = scene.charge_point_tap, scene.central_system_tap
    _pure.play(version, scene.story(), scene.charge_point_answers, scene.central_system_answers, taps, NOISE)
    return scene.transcripts()


def play(client: Adapter, server: Adapter) -> Play:
    """A session of each version over real sockets, all at the same time, with one central system."""
    scenes = {scene.identity: scene for scene in map(Scene, DIALECTS)}
    answers: Answers = {}
    for scene in scenes.values():
        answers |= scene.central_system_answers
    start = time.monotonic()

    def tap(station: Any, *message: Any) -> None:
        scenes[station.identity].central_system_tap(*message)

    def be_charge_point(scene: Scene) -> None:
        try:
            with noisy_line(port) as near:
                client.play(
                    f"ws://{HOST}:{near}/ocpp",
                    scene.identity,
                    scene.version,
                    scene.charge_point_answers,
                    scene.story(),
                    scene.charge_point_tap,
                )
        except Exception as failure:  # noqa: BLE001 - whatever it is, the others have their turn, and the table tells
            scene.error = failure

    with server.serve(answers, tap) as port, ThreadPoolExecutor(len(scenes)) as threads:
        list(threads.map(be_charge_point, scenes.values()))
    return Play(client.name, server.name, time.monotonic() - start, list(scenes.values()))


def draw(console: Console, one: Play) -> None:
    """Print its sessions as ladders."""
    for scene in one.scenes:
        ends = f"charge point on {one.client}, central system on {one.server}"
        console.print(f"\n[bold]OCPP {scene.version}, {ends}[/], as the central system sees it\n")
        ladder = Ladder(Role.CENTRAL_SYSTEM)
        for entry in scene.central_system_tap.entries:
            print_line(console, ladder.line(entry))


def draw_blackout(console: Console, day: Blackout) -> None:
    """Print it as a ladder."""
    ends = f"charge point on {day.client}, central system on {day.server}"
    console.print(f"\n[bold]A link lost, and the power, {ends}[/], as the charge point sees it\n")
    ladder = Ladder(Role.CHARGE_POINT)
    for entry in day.recording.entries:
        print_line(console, ladder.line(entry))


def tabulate_blackouts(console: Console, days: list[Blackout]) -> bool:
    """Print what came of each; whether all is in the ledger that was charged, and arrived in order."""
    table = Table(title="\nWhat was charged while link and power failed", title_justify="left")
    for column in ("charge point", "central system", "charged", "ledger"):
        table.add_column(column)
    remarks: list[str] = []
    for day in days:
        faults = list(day.faults())
        energy = " + ".join(f"{each.meter_stop - each.meter_start} Wh" for each in day.charged)
        table.add_row(day.client, day.server, energy, "[bold red]wrong" if faults else "[green]complete, in order")
        remarks += [f"{day.client} → {day.server}, blackout: {fault}" for fault in faults]
    console.print(table)
    for remark in remarks:
        console.print(remark, style="red", markup=False, highlight=False)
    return not remarks


def tabulate(console: Console, plays: list[Play], expected: dict[Version, Transcripts]) -> bool:
    """Print how each pair fared; whether all were as expected."""
    table = Table(title="\nEach transcript against that of the pure core", title_justify="left")
    for column in ("charge point", "central system", *(f"OCPP {version}" for version in expected)):
        table.add_column(column)
    table.add_column("time", justify="right")
    remarks: list[str] = []
    for each in plays:
        verdicts: list[str] = []
        for scene in each.scenes:
            differences = list(compare(scene, expected[scene.version]))
            verdict = "[bold red]differs" if differences else "[green]identical"
            verdicts.append(f"{len(scene.central_system_tap.transcript())} messages, {verdict}")
            remarks += [f"{each.client} → {each.server}, {scene.version}: {difference}" for difference in differences]
        table.add_row(each.client, each.server, *verdicts, f"{each.seconds * 1000:.0f} ms")
    console.print(table)
    for remark in remarks:
        console.print(remark, style="red", markup=False, highlight=False)
    return not remarks


def compare(scene: Scene, expected: Transcripts) -> Iterator[str]:
    """What went differently: the first difference at each end."""
    if scene.error is not None:
        yield f"{type(scene.error).__name__}: {scene.error}"
    for role, got, wanted in zip(Role, scene.transcripts(), expected, strict=True):
        for number, (a, b) in enumerate(itertools.zip_longest(got, wanted), 1):
            if a != b:
                yield f"message {number} at the {role} is {a}, not {b}"
                break

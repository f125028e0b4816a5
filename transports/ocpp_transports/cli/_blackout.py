"""A day on which everything fails: the charge point loses its link and its power, and yet everything arrives in order.

Played over every two adapters with the roles of OCPP 1.6: the charge point's messages are its own business here.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import attrs

from ocpp_sansio import CentralSystem, central_system
from ocpp_sansio.central_system.effects import TransactionStarted, TransactionStopped
from ocpp_sansio.frames import Call, decode
from ocpp_sansio.session import Direction
from ocpp_sansio.store import MemoryStore
from ocpp_transports.store import SqliteStore

from ._adapters import ADAPTERS, HOST, Adapter, welcome_everybody
from ._frames import Recording
from ._relay import Relay
from ._site import Charged, Site, lines_of

__all__ = ["SCENARIO", "Blackout", "play_blackouts"]

SCENARIO: Final = """
    configure AllowOfflineTxForUnknownId true
    configure MeterValueSampleInterval 1
    until accepted
    plug_in
    present CUSTOMER-1
    until energy
    ev_ready
    charge 500
    cut                        # the link, in the middle of a transaction
    charge 700
    wait 1.1                   # a reading that nobody hears of yet
    power_loss                 # and the power: what is not on record is lost
    configure MeterValueSampleInterval 0
    plug_in
    present CUSTOMER-2         # there is no link, and somebody wants to charge
    until energy
    ev_ready
    charge 900
    mend
    until accepted
    charge 100
    stop
    until delivered
"""
PATIENCE: Final = 5.0
TRANSACTION_MESSAGES: Final = ("StartTransaction", "MeterValues", "StopTransaction")


@attrs.define
class Blackout:
    """The day of one charge point, when it is over."""

    client: str
    server: str
    recording: Recording = attrs.field(factory=Recording)
    """What passed its end."""
    charged: list[Charged] = attrs.field(factory=list[Charged])
    """What was charged there."""
    booked: list[Charged] = attrs.field(factory=list[Charged])
    """What the central system's ledger has of it."""
    error: Exception | None = None

    @property
    def identity(self) -> str:
        """The name of the charge point."""
        return f"BLACKOUT-{self.client}"

    def note(self, what: object) -> None:
        """Write down what befalls the charge point, among the messages."""
        if what in ("cut", "mend", "power_loss"):
            self.recording.note(str(what))

    def told(self) -> list[str]:
        """The transaction messages, in the order in which they were sent."""
        frames = (decode(each.text) for each in self.recording.messages() if each.direction is Direction.OUT)
        calls = (frame.action for frame in frames if isinstance(frame, Call))
        return [action for action in calls if action in TRANSACTION_MESSAGES]

    def faults(self) -> Iterator[str]:
        """What is not as it should be."""
        if self.error is not None:
            yield f"{type(self.error).__name__}: {self.error}"
        if not self.charged or self.booked != self.charged:
            yield f"charged {self.charged}, booked {self.booked}"
        kinds = [kind for kind, _ in itertools.groupby(self.told())]
        if kinds != [*TRANSACTION_MESSAGES, "StartTransaction", "StopTransaction"]:
            yield f"told in the order {kinds}"


class _Books:
    """What the central system has on record, as its effects tell."""

    def __init__(self) -> None:
        self._changed: Final = threading.Condition()
        self._stopped: dict[str, list[Charged]] = {}
        self._started: dict[str, int] = {}

    def act(self, _: object, effect: object) -> None:
        with self._changed:
            match effect:
                case TransactionStarted(transaction=each):
                    self._started[each.identity] = self._started.get(each.identity, 0) + 1
                case TransactionStopped(transaction=each):
                    assert each.stop is not None
                    entry = Charged(each.id_tag, each.meter_start, each.stop.meter_stop, str(each.stop.reason))
                    self._stopped.setdefault(each.identity, []).append(entry)
                case _:
                    return
            self._changed.notify_all()

    def of(self, identity: str, number: int) -> list[Charged]:
        """What a station has charged, as soon as it is so many."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._stopped.get(identity, ())) >= number, PATIENCE)
            booked = list(self._stopped.get(identity, ()))
            open_ = self._started.get(identity, 0) - len(booked)
        return [*booked, *itertools.repeat(Charged("?", 0, 0, "never stopped"), open_)]


def play_blackouts() -> list[Blackout]:
    """Play the day over every two adapters, all at the same time."""
    days: list[Blackout] = []
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(len(ADAPTERS) ** 2))
        for server in ADAPTERS:
            books = _Books()
            csms = CentralSystem(["1.6"])
            csms.authenticate(welcome_everybody)
            csms.play(_role(), store=MemoryStore(), act=books.act)
            port = stack.enter_context(server.host(csms, _ignore))
            for client in ADAPTERS:
                day = Blackout(client.name, server.name)
                days.append(day)
                threads.submit(_live_through, day, client, port, books)
        threads.shutdown()
    return days


def _ignore(*_: object) -> None:
    pass


def _role() -> central_system.CentralSystem:
    role = central_system.CentralSystem(
        now=time.monotonic(),
        utc=datetime.now(UTC),
        transaction_ids=itertools.count(1).__next__,  # in a demonstration they may be guessed
    )
    role.authorisation.add(*(central_system.IdTag(f"CUSTOMER-{number}") for number in (1, 2)))
    return role


def _live_through(day: Blackout, client: Adapter, port: int, books: _Books) -> None:
    try:
        with (
            TemporaryDirectory() as directory,
            SqliteStore(Path(directory) / "cp") as store,
            Relay(HOST, port) as relay,
        ):
            site = Site(store, lines_of(SCENARIO), relay, day.note)
            client.operate(f"ws://{HOST}:{relay.port}/ocpp", day.identity, site, day.recording)
            day.charged = site.charged
            day.booked = books.of(day.identity, len(site.charged))
    except Exception as failure:  # noqa: BLE001 - whatever it is, the others have their turn, and the table tells
        day.error = failure

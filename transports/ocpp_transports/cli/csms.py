"""``ocpp-sansio csms``: a central system that welcomes every station and shows each message."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from cyclopts import Parameter
from rich.text import Text

from ocpp_sansio import Direction, Role, Version, central_system, v16
from ocpp_sansio.store import MemoryStore, Store, StoreError
from ocpp_transports.asyncio import serve
from ocpp_transports.store import SqliteStore

from ._adapters import central_system as answering
from ._adapters import give_in_task
from ._dialects import DIALECTS, NUMBERS, Number
from ._frames import Ladder, Passed
from ._screen import print_line, screen, show_log
from ._story import Answer, Answers

__all__ = ["csms"]


def csms(
    *,
    port: int = 9000,
    host: str = "127.0.0.1",
    version: Annotated[tuple[Number, ...], Parameter(negative="")] = NUMBERS,
    store: Path | None = None,
) -> None:
    """Welcome every station, let everybody charge, and show each message. Ctrl+C ends it.

    For stations of OCPP 1.6 it plays a role: it keeps a ledger of what they charge, and shows what becomes of it.

    Args:
        port: Where to listen; 0 for any free port.
        host: The address to listen on. Whoever can reach it can connect.
        version: What to speak; may be given several times.
        store: The file in which the ledger is kept; without one, memory.
    """
    try:
        with ExitStack() as stack:
            records = MemoryStore() if store is None else stack.enter_context(SqliteStore(store))
            asyncio.run(_serve(host, port, Version.parse_all(version), records))
    except KeyboardInterrupt:
        pass
    except (OSError, OverflowError, StoreError) as error:  # there are not so many ports
        sys.exit(str(error))


class _BeyondCore(central_system.Block):
    """Answers what charge points send of other profiles."""

    def handlers(self) -> dict[type[Any], Callable[[str, Any], Any]]:
        """The answers of the dialect, but for the messages that the role knows better."""
        answers = DIALECTS[Version.V16].welcome(lambda: datetime.now(UTC))
        others = [action.request for action in Version.V16.actions.values() if action.profile != "Core"]
        return {request: _answering(answers[request]) for request in others if request in answers}


def _answering(answer: Answer) -> Callable[[str, Any], Any]:
    return lambda _, request: answer(request)


def _let_charge(*_: object) -> v16.IdTagInfo:
    return v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED)


def _role(store: Store) -> central_system.CentralSystem:
    """One that takes everybody on, and lets everybody charge."""
    return central_system.CentralSystem(
        now=time.monotonic(),
        utc=datetime.now(UTC),
        transaction_ids=lambda: 1 + secrets.randbelow(2**31 - 1),
        records=store.load(),
        authorise=_let_charge,
        profiles=[_BeyondCore],
    )


async def _serve(host: str, port: int, versions: tuple[Version, ...], store: Store) -> None:
    console = screen()
    show_log(console)
    ladders: WeakKeyDictionary[Any, Ladder] = WeakKeyDictionary()

    def tap(station: Any, direction: Direction, text: str, at: float) -> None:
        ladder = ladders.setdefault(station, Ladder(Role.CENTRAL_SYSTEM))
        line = Text(f"{station.identity:<16.16}", style="bold blue")
        print_line(console, line.append_text(ladder.line(Passed(direction, text, at))))

    def show(_: object, effect: object) -> None:
        console.print(effect, style="magenta")

    answers: Answers = {}
    for each in versions:
        if each is not Version.V16:  # whose stations are the role's
            answers |= DIALECTS[each].welcome(lambda: datetime.now(UTC))
    application = answering(answers, give_in_task, versions)
    if Version.V16 in versions:
        application.play(_role(store), store=store, act=show)
    async with serve(application, host, port, tap=tap) as server:
        spoken = ", ".join(map(str, versions))
        console.print(f"[bold]Stations that speak {spoken} connect to ws://{host}:{server.port}/[/]")
        await asyncio.Event().wait()

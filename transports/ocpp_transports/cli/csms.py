"""``ocpp-sansio csms``: a central system that welcomes every station and shows each message."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from cyclopts import Parameter
from rich.text import Text

from ocpp_sansio import Direction, Role, Version
from ocpp_transports.asyncio import serve

from ._adapters import central_system, give_in_task
from ._dialects import DIALECTS, NUMBERS, Number
from ._frames import Ladder, Passed
from ._screen import print_line, screen, show_log
from ._story import Answers

__all__ = ["csms"]


def csms(
    *,
    port: int = 9000,
    host: str = "127.0.0.1",
    version: Annotated[tuple[Number, ...], Parameter(negative="")] = NUMBERS,
) -> None:
    """Welcome every station, let everybody charge, and show each message. Ctrl+C ends it.

    Args:
        port: Where to listen; 0 for any free port.
        host: The address to listen on. Whoever can reach it can connect.
        version: What to speak; may be given several times.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(host, port, Version.parse_all(version)))


async def _serve(host: str, port: int, versions: tuple[Version, ...]) -> None:
    console = screen()
    show_log(console)
    ladders: WeakKeyDictionary[Any, Ladder] = WeakKeyDictionary()

    def tap(station: Any, direction: Direction, text: str, at: float) -> None:
        ladder = ladders.setdefault(station, Ladder(Role.CENTRAL_SYSTEM))
        line = Text(f"{station.identity:<16.16}", style="bold blue")
        print_line(console, line.append_text(ladder.line(Passed(direction, text, at))))

    answers: Answers = {}
    for each in versions:
        answers |= DIALECTS[each].welcome(lambda: datetime.now(UTC))
    application = central_system(answers, give_in_task(asyncio.sleep), versions)
    async with serve(application, host, port, tap=tap) as server:
        spoken = ", ".join(map(str, versions))
        console.print(f"[bold]Stations that speak {spoken} connect to ws://{host}:{server.port}/[/]")
        await asyncio.Event().wait()

"""``ocpp-sansio csms``: a central system that welcomes every station and shows each message."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from rich.text import Text

from ocpp_sansio import Direction, Role
from ocpp_transports.asyncio import serve

from ._adapters import central_system, give_in_task
from ._frames import Ladder, Passed
from ._screen import print_line, screen, show_log
from ._story import welcome

__all__ = ["csms"]


def csms(*, port: int = 9000, host: str = "127.0.0.1") -> None:
    """Welcome every station, let everybody charge, and show each message. Ctrl+C ends it.

    Args:
        port: Where to listen; 0 for any free port.
        host: The address to listen on. Whoever can reach it can connect.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(host, port))


async def _serve(host: str, port: int) -> None:
    console = screen()
    show_log(console)
    ladders: WeakKeyDictionary[Any, Ladder] = WeakKeyDictionary()

    def tap(station: Any, direction: Direction, text: str, at: float) -> None:
        ladder = ladders.setdefault(station, Ladder(Role.CENTRAL_SYSTEM))
        line = Text(f"{station.identity:<16.16}", style="bold blue")
        print_line(console, line.append_text(ladder.line(Passed(direction, text, at))))

    application = central_system(welcome(lambda: datetime.now(UTC)), give_in_task(asyncio.sleep))
    async with serve(application, host, port, tap=tap) as server:
        console.print(f"[bold]Stations connect to ws://{host}:{server.port}/[/]")
        await asyncio.Event().wait()

"""``ocpp-sansio station``: a charge point that plays a charging session against any central system."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from ocpp_sansio import Direction, OcppError, Role, Version
from ocpp_transports.asyncio import connect

from ._adapters import charge_point_handlers, tell
from ._dialects import DIALECTS, NUMBERS, Number
from ._frames import Ladder, Passed
from ._screen import print_line, screen, show_log
from ._story import Answers, ChargePoint, Story

__all__ = ["station"]


def station(
    url: str,
    identity: str,
    *,
    version: Annotated[tuple[Number, ...], Parameter(negative="")] = NUMBERS,
    id_tag: str = "CUSTOMER-1",
    readings: int = 3,
    interval: float = 1.0,
    password: str | None = None,
) -> None:
    """Play a charging session: boot, authorise, charge, stop. Exits with 1 if it did not come to one.

    Args:
        url: The endpoint of the central system, ws:// or wss://, without the identity.
        identity: The name of the charge point.
        version: What to offer, the preferred one first; may be given several times.
        id_tag: Who wants to charge.
        readings: How many meter values to send. A remote stop ends the session sooner.
        interval: Seconds before each of them.
        password: For HTTP Basic authentication.
    """
    console = screen()
    show_log(console)
    try:
        points = {each: DIALECTS[each].charge_point(_now, id_tag) for each in Version.parse_all(version)}
        outcome = asyncio.run(_play(console, url, identity, password, points, readings, interval))
    except (OcppError, OSError, ValueError) as error:
        outcome = str(error) or type(error).__name__
    except KeyboardInterrupt:
        outcome = "interrupted"
    if outcome is not None:
        sys.exit(outcome)


def _now() -> datetime:
    return datetime.now(UTC)


def _session(point: ChargePoint, readings: int, interval: float) -> Story[str | None]:
    """The whole session; why there was none, if so."""
    if not (yield from point.boot()):
        return "the central system has not accepted the charge point"
    if not (yield from point.charge(readings, interval)):
        return "the central system has not accepted the customer"
    return None


async def _play(
    console: Console,
    url: str,
    identity: str,
    password: str | None,
    points: dict[Version, ChargePoint],
    readings: int,
    interval: float,
) -> str | None:
    ladder = Ladder(Role.CHARGE_POINT)

    def tap(direction: Direction, text: str, at: float) -> None:
        print_line(console, ladder.line(Passed(direction, text, at)))

    answers: Answers = {}
    for point in points.values():
        answers |= point.answers
    handlers = charge_point_handlers(answers)
    async with connect(url, identity, versions=points, handlers=handlers, password=password, tap=tap) as central:
        story = _session(points[central.version], readings, interval)
        outcome: str | None = await tell(story, central, asyncio.sleep)
        return outcome

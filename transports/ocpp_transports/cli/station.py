"""``ocpp-sansio station``: a charge point that plays a charging session against any central system."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter
from rich.console import Console

from ocpp_sansio import Direction, OcppError, Role, Version
from ocpp_sansio.backoff import Backoff
from ocpp_sansio.store import MemoryStore, StoreError
from ocpp_transports.asyncio import connect
from ocpp_transports.store import SqliteStore

from ._adapters import HOST, ON_ASYNCIO, charge_point_handlers, tell
from ._dialects import DIALECTS, NUMBERS, Number
from ._frames import Ladder, Passed
from ._relay import Relay
from ._scenario import KEYBOARD
from ._scenario import scenario as scenario_lines
from ._screen import print_line, screen, show_log
from ._site import Site
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
    scenario: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    store: Path | None = None,
) -> None:
    """Play a charging session: boot, authorise, charge, stop. Exits with 1 if it did not come to one.

    With --scenario be a charge point of OCPP 1.6 that does by itself what charge points do, keeps what must not be
    lost, and connects again and again. What happens at it, the scenario says, a line for each thing:

    plug_in | unplug | ev_ready | ev_not_ready | present ID_TAG | stop | fault CODE | fault_cleared | charge WH |
    configure KEY VALUE | cut | mend | power_loss | wait SECONDS | until accepted|energy|no_energy|delivered

    Args:
        url: The endpoint of the central system, ws:// or wss://, without the identity.
        identity: The name of the charge point.
        version: What to offer, the preferred one first; may be given several times.
        id_tag: Who wants to charge.
        readings: How many meter values to send. A remote stop ends the session sooner.
        interval: Seconds before each of them.
        password: For HTTP Basic authentication.
        scenario: A file of such lines; "-" for the keyboard.
        store: The file in which the charge point of a scenario keeps its records; without one, memory.
    """
    console = screen()
    show_log(console)
    try:
        if scenario is not None:
            _live(console, url, identity, password, scenario, store)
            return
        points = {each: DIALECTS[each].charge_point(_now, id_tag) for each in Version.parse_all(version)}
        outcome = asyncio.run(_play(console, url, identity, password, points, readings, interval))
    except (OcppError, OSError, StoreError, ValueError) as error:
        outcome = str(error) or type(error).__name__
    except KeyboardInterrupt:
        outcome = "interrupted"
    if outcome is not None:
        sys.exit(outcome)


def _live(console: Console, url: str, identity: str, password: str | None, source: str, path: Path | None) -> None:
    parts = urlsplit(url)
    if parts.scheme != "ws" or parts.hostname is None:
        raise ValueError("the line of a scenario, which can be cut, carries ws:// only")
    ladder = Ladder(Role.CHARGE_POINT)

    def tap(direction: Direction, text: str, at: float) -> None:
        print_line(console, ladder.line(Passed(direction, text, at)))

    def show(what: object) -> None:
        console.print(what, style="bold yellow" if isinstance(what, str) else "magenta", markup=False)

    with ExitStack() as stack:
        store = MemoryStore() if path is None else stack.enter_context(SqliteStore(path))
        relay = stack.enter_context(Relay(parts.hostname, parts.port or 80))
        near = parts._replace(netloc=f"{HOST}:{relay.port}").geturl()
        asks_again = source == KEYBOARD and sys.stdin.isatty()
        site = Site(store, scenario_lines(source), relay, show, asks_again=asks_again)
        ON_ASYNCIO.operate(near, identity, site, tap, _patience, password)


def _patience() -> Backoff:
    """Somebody watches, and ten seconds are long; but the central system may be somebody else's (RPC-126)."""
    return Backoff(minimum=1.0, random_range=1.0)


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

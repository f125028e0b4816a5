"""What is anyio's own way of what every event loop has, for the adapters that stand on it."""

from __future__ import annotations

from typing import Final

import anyio

from ._async import AsyncFlag, AsyncStationsRunner
from ._structured import Library, StructuredRunner

__all__ = ["ANYIO", "Flag", "StationsRunner"]

ANYIO: Final = Library(
    cancelled=anyio.get_cancelled_exc_class,
    new_event=anyio.Event,
    new_scope=anyio.CancelScope,
    open_nursery=anyio.create_task_group,
    now=anyio.current_time,
    sleep=anyio.sleep,
    sleep_forever=anyio.sleep_forever,
)


class Flag(AsyncFlag):
    """A flag that tasks can wait for."""

    __slots__ = ()

    new_event = anyio.Event


class StationsRunner(StructuredRunner, AsyncStationsRunner[Flag]):
    """Runs a central system."""

    library = ANYIO
    new_flag = Flag

"""What is anyio's own way of what every event loop has, for the adapters that stand on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio

from ._adapter import AsyncStationsRunner
from ._async import AsyncFlag
from ._structured import Library, StructuredRunner

__all__ = ["ANYIO", "Flag", "Pace", "StationsRunner", "is_stop"]


def is_stop(error: BaseException) -> bool:
    """Whether the current task is being cancelled, and this is what it is told.

    If nobody has asked for it, who raised it ran into the cancellation of something else that it waited for.
    """
    return isinstance(error, anyio.get_cancelled_exc_class()) and anyio.get_current_task().has_pending_cancellation()


ANYIO: Final = Library(
    is_stop=is_stop,
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


class Pace:
    """Keeps time under either event loop."""

    def now(self) -> float:
        """The loop's clock."""
        return anyio.current_time()

    async def sleep(self, seconds: float) -> None:
        """Wait so long."""
        await anyio.sleep(seconds)

    @asynccontextmanager
    async def beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
        """Have something done beside the block, and cancel it at the end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

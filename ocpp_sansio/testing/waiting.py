"""Runs ``async`` handlers without an event loop: they wait for what happens in virtual time, and for nothing else."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar
from functools import partial
from inspect import isawaitable, iscoroutine
from typing import Any, Final

__all__ = ["Fail", "NoEventLoop", "Succeed", "Wish", "is_async", "run"]

Succeed = Callable[[Any], None]
Fail = Callable[[Exception], None]

is_async: Final = ContextVar("whether what runs now may wait by `await`", default=False)


_LOOPLESS: Final = re.compile("event loop|async context|async library").search
"""What asyncio, trio and anyio say of who awaits something of theirs outside of their loops."""


class NoEventLoop(RuntimeError):
    """An ``async`` function awaits what needs an event loop. That is for the test to hear, and not for the peer."""

    def __init__(self) -> None:
        super().__init__(
            "there is no event loop here: what is awaited has to come of the peer, as its `call` and `close` do, or be"
            " the clock's `sleep`: let the application be given its `sleep`, or whatever else it awaits"
        )


class Wish:
    """What an ``async`` handler waits for. Whoever runs the handler starts it, with what to do once that has come."""

    def __init__(self, start: Callable[[Succeed, Fail], object]) -> None:
        self.start: Final = start

    def __await__(self) -> Generator[Wish, Any, Any]:
        return (yield self)


def run(work: Callable[[], Any], succeed: Succeed, fail: Fail) -> None:
    """Call a handler, and tell what has come of it: now or, if it has to wait, later."""
    token = is_async.set(False)
    try:
        result = work()
    except Exception as error:  # noqa: BLE001 - it is for the peer and for the test to see
        fail(_explained(error))
        return
    finally:
        is_async.reset(token)
    if isawaitable(result):
        coroutine = result if iscoroutine(result) else _wait_for(result)
        _go_on(coroutine, lambda: coroutine.send(None), succeed, fail)
    else:
        succeed(result)


async def _wait_for(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _go_on(coroutine: Coroutine[Any, Any, Any], resume: Callable[[], object], succeed: Succeed, fail: Fail) -> None:
    """Run it as far as it gets, and again whenever what it waits for has come."""
    token = is_async.set(True)
    outcome: Callable[[], object]
    try:
        wish = resume()
    except StopIteration as stop:
        outcome = partial(succeed, stop.value)
    except Exception as error:  # noqa: BLE001 - as above
        outcome = partial(fail, _explained(error))
    else:
        if isinstance(wish, Wish):
            outcome = partial(
                wish.start,
                lambda value: _go_on(coroutine, lambda: coroutine.send(value), succeed, fail),
                lambda error: _go_on(coroutine, lambda: coroutine.throw(error), succeed, fail),
            )
        else:
            coroutine.close()
            outcome = partial(fail, NoEventLoop())
    finally:
        is_async.reset(token)
    outcome()


def _explained(error: Exception) -> Exception:
    if not isinstance(error, RuntimeError) or _LOOPLESS(str(error)) is None:
        return error
    explained = NoEventLoop()
    explained.__cause__ = error
    return explained

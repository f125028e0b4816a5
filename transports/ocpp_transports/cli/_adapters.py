"""A story told through each adapter: what differs between them, side by side.

An :class:`Adapter` serves a central system in the background, and is a charge point in the foreground.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any, Final

import anyio
import attrs
from anyio.from_thread import start_blocking_portal

import ocpp_transports.anyio
import ocpp_transports.asyncio
import ocpp_transports.sync
import ocpp_transports.trio
from ocpp_sansio import (
    CallFailure,
    CentralSystem,
    ChargePointHandlers,
    ConnectionRequested,
    Direction,
    Response,
    SendFromChargePoint,
    Version,
)
from ocpp_sansio.backoff import Backoff
from ocpp_sansio.session import Tap

from ._dialects import DIALECTS
from ._line import HOST
from ._site import Site
from ._story import Answer, Answers, Ask, Say, Step, Story

__all__ = [
    "ADAPTERS",
    "HOST",
    "ON_ASYNCIO",
    "Adapter",
    "central_system",
    "charge_point_handlers",
    "give_in_task",
    "tell",
    "welcome_everybody",
]

TICK: Final = 0.002
"""Seconds between two looks at what a story waits for."""


StationTap = Callable[[Any, Direction, str, float], None]
Sleep = Callable[[float], Awaitable[object]]


async def tell(story: Story[Any], peer: Any, sleep: Sleep) -> Any:
    """Tell a story in a task; what it comes to."""
    resume: Callable[[Any], Step] = story.send
    outcome: Any = None
    while True:
        try:
            step = resume(outcome)
        except StopIteration as end:
            return end.value
        resume, outcome = story.send, None
        if isinstance(step, Ask):
            try:
                outcome = await peer.call(step.request, timeout=step.timeout)
            except CallFailure as failure:
                resume, outcome = story.throw, failure
        elif isinstance(step, Say):
            peer.send(step.message)
        else:
            deadline = time.monotonic() + step.seconds
            while time.monotonic() < deadline and not step.until():
                await sleep(TICK)


@attrs.frozen
class _Blocking:
    """A peer whose calls block, as one whose calls are awaited."""

    peer: Any

    async def call(self, request: Any, timeout: float | None) -> Any:
        return self.peer.call(request, timeout=timeout)

    def send(self, message: SendFromChargePoint) -> None:
        self.peer.send(message)

    async def sleep(self, seconds: float) -> None:
        self.peer.run_for(seconds)


class _Clock:
    """What a story that asks nobody needs of a peer: that time passes."""

    def run_for(self, seconds: float) -> None:
        time.sleep(seconds)


def tell_blocking(story: Story[Any], peer: Any) -> Any:
    """Tell a story in a thread: the same, in a coroutine that never suspends."""
    blocking = _Blocking(peer)
    try:
        tell(story, blocking, blocking.sleep).send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it does not suspend")


def charge_point_handlers(answers: Answers) -> ChargePointHandlers:
    """The handlers of a charge point that gives these answers. None of them is a story."""
    handlers = ChargePointHandlers()
    for request, answer in answers.items():
        handlers.on(request)(_bound(answer))
    return handlers


def _bound(answer: Answer) -> Callable[[Any, Any], Any]:
    return lambda _, request: answer(request)


def _take_note(_: object, message: SendFromChargePoint) -> None:
    """Whoever wants to see it has a tap."""


def welcome_everybody(_: ConnectionRequested) -> bool:
    """Let everybody connect, under any name."""
    return True


async def give_in_task(station: Any, answer: Response | Story[Response]) -> Response:
    """How an answer comes about in a task."""
    return answer if isinstance(answer, Response) else await tell(answer, station, anyio.sleep)


def central_system(
    answers: Answers,
    give: Callable[[Any, Response | Story[Response]], Any],
    versions: Iterable[Version | str] = tuple(DIALECTS),
) -> CentralSystem:
    """The application object that gives these answers to everybody; ``give(station, answer)`` brings one about."""
    csms = CentralSystem(versions)
    csms.authenticate(welcome_everybody)
    for version in csms.versions:
        for action in version.actions.values():
            if issubclass(action.request, SendFromChargePoint):
                csms.on_send(action.request)(_take_note)

    def handler(answer: Answer) -> Callable[[Any, Any], Any]:
        return lambda station, request: give(station, answer(request))

    for request, answer in answers.items():
        csms.on(request)(handler(answer))
    return csms


def at_once() -> Backoff:
    """How soon a charge point connects again whose central system is on the same machine."""
    return Backoff(minimum=0.02, repeats=3, random_range=0.02)


class Adapter(ABC):
    """One way to bring a story about."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def serve(self, answers: Answers, tap: StationTap) -> AbstractContextManager[int]:
        """Serve a central system that gives these answers, while the block runs; the port."""

    @abstractmethod
    def host(self, csms: CentralSystem, tap: StationTap) -> AbstractContextManager[int]:
        """Serve this central system while the block runs; the port."""

    @abstractmethod
    def play(self, url: str, identity: str, version: Version, answers: Answers, story: Story[Any], tap: Tap) -> None:
        """Be the charge point with this URL, identity, version and these answers, until its story ends."""

    @abstractmethod
    def operate(
        self,
        url: str,
        identity: str,
        site: Site,
        tap: Tap,
        backoff: Callable[[], Backoff] = at_once,
        password: str | None = None,
    ) -> None:
        """Run the charge point of a site with this URL and identity, boot after boot, until its scenario ends."""


class AsyncAdapter(Adapter):
    """One with an event loop."""

    def __init__(self, name: str, module: ModuleType, backend: str) -> None:
        super().__init__(name)
        self._module: Any = module
        self._backend = backend

    def serve(self, answers: Answers, tap: StationTap) -> AbstractContextManager[int]:
        return self.host(central_system(answers, give_in_task), tap)

    @contextmanager
    def host(self, csms: CentralSystem, tap: StationTap) -> Generator[int]:
        with (
            start_blocking_portal(self._backend) as portal,
            portal.wrap_async_context_manager(self._module.serve(csms, HOST, 0, tap=tap)) as server,
        ):
            yield server.port

    def play(self, url: str, identity: str, version: Version, answers: Answers, story: Story[Any], tap: Tap) -> None:
        async def main() -> None:
            handlers = charge_point_handlers(answers)
            async with self._module.connect(url, identity, versions=[version], handlers=handlers, tap=tap) as central:
                await tell(story, central, anyio.sleep)

        anyio.run(main, backend=self._backend)

    def operate(
        self,
        url: str,
        identity: str,
        site: Site,
        tap: Tap,
        backoff: Callable[[], Backoff] = at_once,
        password: str | None = None,
    ) -> None:
        async def main() -> None:
            goes_on = True
            while goes_on:
                operating = self._module.operate(
                    site.boot(), url, identity, store=site.store, act=site.act,
                    backoff=backoff(), password=password, tap=tap,
                )  # fmt: skip
                async with operating as running:
                    goes_on = await tell(site.live(running), running, anyio.sleep)

        anyio.run(main, backend=self._backend)


class BlockingAdapter(Adapter):
    """The one with threads."""

    def serve(self, answers: Answers, tap: StationTap) -> AbstractContextManager[int]:
        def give(station: Any, answer: Response | Story[Response]) -> Response:
            return answer if isinstance(answer, Response) else tell_blocking(answer, station)

        return self.host(central_system(answers, give), tap)

    @contextmanager
    def host(self, csms: CentralSystem, tap: StationTap) -> Generator[int]:
        with ocpp_transports.sync.serve(csms, HOST, 0, tap=tap) as server:
            yield server.port

    def play(self, url: str, identity: str, version: Version, answers: Answers, story: Story[Any], tap: Tap) -> None:
        handlers = charge_point_handlers(answers)
        with ocpp_transports.sync.connect(url, identity, versions=[version], handlers=handlers, tap=tap) as central:
            tell_blocking(story, central)

    def operate(
        self,
        url: str,
        identity: str,
        site: Site,
        tap: Tap,
        backoff: Callable[[], Backoff] = at_once,
        password: str | None = None,
    ) -> None:
        goes_on = True
        while goes_on:
            operating = ocpp_transports.sync.operate(
                site.boot(), url, identity, store=site.store, act=site.act,
                backoff=backoff(), password=password, tap=tap,
            )  # fmt: skip
            with operating as running:
                goes_on = tell_blocking(site.live(running), _Clock())


ON_ASYNCIO: Final = AsyncAdapter("asyncio", ocpp_transports.asyncio, "asyncio")
ADAPTERS: Final = (
    ON_ASYNCIO,
    AsyncAdapter("trio", ocpp_transports.trio, "trio"),
    BlockingAdapter("sync"),
    AsyncAdapter("anyio", ocpp_transports.anyio, "trio"),
)

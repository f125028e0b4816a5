"""A story told through each adapter: what differs between them, side by side.

An :class:`Adapter` serves a central system in the background, and is a charge point in the foreground.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import attrs
import trio

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
    "Adapter",
    "central_system",
    "charge_point_handlers",
    "give_in_task",
    "operate_asyncio",
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


def give_in_task(sleep: Sleep) -> Callable[[Any, Response | Story[Response]], Awaitable[Response]]:
    """How an answer comes about in a task that sleeps like this."""

    async def give(station: Any, answer: Response | Story[Response]) -> Response:
        return answer if isinstance(answer, Response) else await tell(answer, station, sleep)

    return give


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


def _at_once() -> Backoff:
    """How soon a charge point connects again whose central system is on the same machine."""
    return Backoff(minimum=0.02, repeats=3, random_range=0.02)


Ready = Callable[[int, Callable[[], object]], None]


@contextmanager
def in_background(main: Callable[[Ready], None]) -> Generator[int]:
    """Run an event loop in a thread while the block runs: it says its port, and how to stop it."""
    ready: Future[tuple[int, Callable[[], object]]] = Future()

    def run() -> None:
        try:
            main(lambda port, stop: ready.set_result((port, stop)))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run, name="central system")
    thread.start()
    port, stop = ready.result()
    try:
        yield port
    finally:
        stop()
        thread.join()


# -- asyncio --


def _serve_asyncio(answers: Answers, tap: StationTap) -> AbstractContextManager[int]:
    return _host_asyncio(central_system(answers, give_in_task(asyncio.sleep)), tap)


def _host_asyncio(csms: CentralSystem, tap: StationTap) -> AbstractContextManager[int]:
    async def main(ready: Ready) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with ocpp_transports.asyncio.serve(csms, HOST, 0, tap=tap) as server:
            ready(server.port, lambda: loop.call_soon_threadsafe(stop.set))
            await stop.wait()

    return in_background(lambda ready: asyncio.run(main(ready)))


def _play_asyncio(url: str, identity: str, version: Version, answers: Answers, story: Story[Any], tap: Tap) -> None:
    async def main() -> None:
        handlers = charge_point_handlers(answers)
        async with ocpp_transports.asyncio.connect(
            url, identity, versions=[version], handlers=handlers, tap=tap
        ) as central:
            await tell(story, central, asyncio.sleep)

    asyncio.run(main())


def _operate_asyncio(url: str, identity: str, site: Site, tap: Tap) -> None:
    operate_asyncio(url, identity, site, tap, _at_once)


def operate_asyncio(
    url: str, identity: str, site: Site, tap: Tap, backoff: Callable[[], Backoff], password: str | None = None
) -> None:
    """Run the charge point of a site, boot after boot, until its scenario ends."""

    async def main() -> None:
        goes_on = True
        while goes_on:
            point = site.boot()
            async with ocpp_transports.asyncio.operate(
                point,
                url,
                identity,
                store=site.store,
                act=site.act,
                backoff=backoff(),
                password=password,
                tap=tap,
            ) as running:
                goes_on = await tell(site.live(running), running, asyncio.sleep)

    asyncio.run(main())


# -- trio --


def _serve_trio(answers: Answers, tap: StationTap) -> AbstractContextManager[int]:
    return _host_trio(central_system(answers, give_in_task(trio.sleep)), tap)


def _host_trio(csms: CentralSystem, tap: StationTap) -> AbstractContextManager[int]:
    async def main(ready: Ready) -> None:
        stop = trio.Event()
        token = trio.lowlevel.current_trio_token()
        async with ocpp_transports.trio.serve(csms, HOST, 0, tap=tap) as server:
            ready(server.port, lambda: token.run_sync_soon(stop.set))
            await stop.wait()

    return in_background(lambda ready: trio.run(main, ready))


def _play_trio(url: str, identity: str, version: Version, answers: Answers, story: Story[Any], tap: Tap) -> None:
    async def main() -> None:
        handlers = charge_point_handlers(answers)
        async with ocpp_transports.trio.connect(
            url, identity, versions=[version], handlers=handlers, tap=tap
        ) as central:
            await tell(story, central, trio.sleep)

    trio.run(main)


def _operate_trio(url: str, identity: str, site: Site, tap: Tap) -> None:
    async def main() -> None:
        goes_on = True
        while goes_on:
            point = site.boot()
            async with ocpp_transports.trio.operate(
                point, url, identity, store=site.store, act=site.act, backoff=_at_once(), tap=tap
            ) as running:
                goes_on = await tell(site.live(running), running, trio.sleep)

    trio.run(main)


# -- threads --


def _serve_sync(answers: Answers, tap: StationTap) -> AbstractContextManager[int]:
    def give(station: Any, answer: Response | Story[Response]) -> Response:
        return answer if isinstance(answer, Response) else tell_blocking(answer, station)

    return _host_sync(central_system(answers, give), tap)


@contextmanager
def _host_sync(csms: CentralSystem, tap: StationTap) -> Generator[int]:
    with ocpp_transports.sync.serve(csms, HOST, 0, tap=tap) as server:
        yield server.port


def _operate_sync(url: str, identity: str, site: Site, tap: Tap) -> None:
    goes_on = True
    while goes_on:
        point = site.boot()
        with ocpp_transports.sync.operate(
            point, url, identity, store=site.store, act=site.act, backoff=_at_once(), tap=tap
        ) as running:
            goes_on = tell_blocking(site.live(running), _Clock())


def _play_sync(url: str, identity: str, version: Version, answers: Answers, story: Story[Any], tap: Tap) -> None:
    handlers = charge_point_handlers(answers)
    with ocpp_transports.sync.connect(url, identity, versions=[version], handlers=handlers, tap=tap) as central:
        tell_blocking(story, central)


@attrs.frozen
class Adapter:
    """One way to bring a story about."""

    name: str
    serve: Callable[[Answers, StationTap], AbstractContextManager[int]]
    """Serve a central system that gives these answers, while the block runs; the port."""
    play: Callable[[str, str, Version, Answers, Story[Any], Tap], None]
    """Be the charge point with this URL, identity, version and these answers, until its story ends."""
    host: Callable[[CentralSystem, StationTap], AbstractContextManager[int]]
    """Serve this central system while the block runs; the port."""
    operate: Callable[[str, str, Site, Tap], None]
    """Run the charge point of a site with this URL and identity, boot after boot, until its scenario ends."""


ADAPTERS: Final = (
    Adapter("asyncio", _serve_asyncio, _play_asyncio, _host_asyncio, _operate_asyncio),
    Adapter("trio", _serve_trio, _play_trio, _host_trio, _operate_trio),
    Adapter("sync", _serve_sync, _play_sync, _host_sync, _operate_sync),
)

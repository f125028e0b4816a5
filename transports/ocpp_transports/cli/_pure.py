"""The story as the pure core alone tells it: two connections in memory and virtual time. No socket, thread or clock.

What the adapters produce over real sockets is compared with this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CallSucceeded,
    CentralSystemConnection,
    ChargePointConnection,
    ConnectionOpened,
    ConnectionRequested,
    Response,
    Version,
    numbered_ids,
)
from ocpp_sansio.session import Tap

from ._story import Answers, Ask, Say, Step, Story, Wait

__all__ = ["play"]

Teller = Callable[[Any], None]


@attrs.define(eq=False)
class _Told:
    """A story that is being told, and what is done with how it ends."""

    story: Story[Any]
    done: Teller


class _End:
    """One end: its connection, what it answers, and the stories that run over it."""

    def __init__(self, connection: Any, answers: Answers, opening: Story[Any] | None = None) -> None:
        self.connection = connection
        self.now = 0.0
        self.finished = False
        self._answers = answers
        self._opening = opening
        self._asking: dict[Any, _Told] = {}
        self._waiting: dict[_Told, tuple[float, Wait]] = {}

    def deadlines(self) -> list[float]:
        """When something is due."""
        timeout = self.connection.next_timeout()
        return [deadline for deadline, _ in self._waiting.values()] + ([] if timeout is None else [timeout])

    def react(self) -> None:
        """Act on all events, and on the waits that are over."""
        while (event := self.connection.next_event()) is not None:
            self._on_event(event)
        for told, (deadline, wait) in list(self._waiting.items()):
            if deadline <= self.now or wait.until():
                del self._waiting[told]
                self._resume(told, told.story.send, None)

    def _on_event(self, event: object) -> None:
        match event:
            case ConnectionRequested():
                self.connection.accept(now=self.now)
            case ConnectionOpened() if self._opening is not None:
                self._begin(self._opening, self._finish)
            case CallSucceeded():
                told = self._asking.pop(event.call)
                self._resume(told, told.story.send, event.response)
            case CallFailed():
                told = self._asking.pop(event.call)
                self._resume(told, told.story.throw, event.error)
            case CallReceived():
                self._answer(event)
            case _:
                pass  # what the peer did wrong, and how it ended, is for the transcript to show

    def _answer(self, call: CallReceived[Any]) -> None:
        def respond(response: Any) -> None:
            self.connection.respond(call, response, now=self.now)

        answer = self._answers[type(call.request)](call.request)
        if isinstance(answer, Response):
            respond(answer)
        else:
            self._begin(answer, respond)

    def _begin(self, story: Story[Any], done: Teller) -> None:
        self._resume(_Told(story, done), story.send, None)

    def _resume(self, told: _Told, resume: Callable[[Any], Step], outcome: object) -> None:
        try:
            while isinstance(step := resume(outcome), Say):
                self.connection.send(step.message, now=self.now)
                resume, outcome = told.story.send, None
        except StopIteration as end:
            told.done(end.value)
            return
        if isinstance(step, Ask):
            self._asking[self.connection.call(step.request, now=self.now, timeout=step.timeout)] = told
        else:
            self._waiting[told] = self.now + step.seconds, step

    def _finish(self, _: object) -> None:
        self.finished = True
        self.connection.close(now=self.now)


def play(
    version: Version,
    story: Story[Any],
    charge_point: Answers,
    central_system: Answers,
    taps: tuple[Tap, Tap],
    noise: bytes = b"",
) -> None:
    """Tell the charge point's story to its end and close the connection.

    The taps are those of the charge point and of the central system. ``noise`` are bytes that reach the central
    system behind the handshake, as if the charge point had sent them.
    """
    client, server = taps
    left = _End(
        ChargePointConnection(
            "ws://localhost", "DEMO", now=0.0, versions=[version], message_ids=numbered_ids("cp-"), tap=client
        ),
        charge_point,
        story,
    )
    right = _End(
        CentralSystemConnection(now=0.0, versions=[version], message_ids=numbered_ids("cs-"), tap=server),
        central_system,
    )
    while not (left.connection.transport_done and right.connection.transport_done):
        moved = False
        for sender, receiver in ((left, right), (right, left)):
            if data := sender.connection.data_to_send():
                moved = True
                receiver.connection.receive_data(data, now=receiver.now)
            if sender.connection.transport_done:
                receiver.connection.receive_eof(now=receiver.now)
            receiver.react()
            if receiver is right and noise:
                right.connection.receive_data(noise, now=right.now)
                right.react()
                noise = b""
        if not moved:
            left.now = right.now = min(left.deadlines() + right.deadlines())
            for end in (left, right):
                end.connection.handle_timeout(now=end.now)
                end.react()

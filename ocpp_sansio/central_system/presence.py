"""Who is there: the last sign of life of each station, and who has been silent for too long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from ocpp_sansio.messages import Request
from ocpp_sansio.v16 import (
    ChangeConfigurationRequest,
    ChangeConfigurationResponse,
    ConfigurationStatus,
    HeartbeatRequest,
    HeartbeatResponse,
)

from .backbone import (
    Answered,
    Backbone,
    Block,
    Deadlines,
    Handler,
    Heard,
    LinkUp,
    Notice,
    Registered,
    StationForgotten,
    fold,
)
from .effects import StationBack, StationSilent

__all__ = ["Presence"]

HEARTBEAT_INTERVAL: Final = fold("HeartbeatInterval")
MAX_INTERVAL: Final = 2**31 - 1
"""Seconds. A key may have more digits than there are seconds."""


@attrs.define
class _Life:
    interval: float
    """Seconds between the signs of life that are expected."""
    heard: datetime | None = None
    is_silent: bool = False


class Presence(Block):
    """Whatever comes from a station is a sign of life (CS16-010)."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self._lives: dict[str, _Life] = {}
        self._silences: Final = Deadlines[str](backbone.machine, self._fall_silent)

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """Heartbeat."""
        return {HeartbeatRequest: self._heartbeat}

    def hears(self) -> Mapping[type[Notice], Callable[[Any], None]]:
        """Of signs of life, and of the intervals that stations are told."""
        return {
            LinkUp: self._meet,
            Heard: self._hear,
            Registered: self._expect,
            Answered: self._learn,
            StationForgotten: self._forget,
        }

    def last_heard(self, identity: str) -> datetime | None:
        """When a station gave its last sign of life; ``None``: not since this central system was started."""
        life = self._lives.get(identity)
        return None if life is None else life.heard

    def is_silent(self, identity: str) -> bool:
        """Whether a station that should have given a sign of life has not, for too long."""
        life = self._lives.get(identity)
        return life is not None and life.is_silent

    def _heartbeat(self, identity: str, request: HeartbeatRequest) -> HeartbeatResponse:  # noqa: ARG002 - every handler is told
        return HeartbeatResponse(current_time=self.backbone.utc)  # CS16-011

    def _life(self, identity: str) -> _Life:
        return self._lives.setdefault(identity, _Life(self.backbone.options.heartbeat_interval))

    def _meet(self, notice: LinkUp) -> None:
        if notice.identity not in self._lives:
            self._wait_for(notice.identity, self._life(notice.identity))

    def _hear(self, notice: Heard) -> None:
        life = self._life(notice.identity)
        life.heard = self.backbone.utc
        if life.is_silent:
            life.is_silent = False
            self.backbone.emit(StationBack(notice.identity))
        self._wait_for(notice.identity, life)

    def _expect(self, notice: Registered) -> None:
        registration = notice.registration
        self._set_interval(registration.identity, registration.interval)

    def _learn(self, notice: Answered) -> None:
        """The interval of the answer to a BootNotification and the key of this name are the same (CP16-022)."""
        request, response = notice.request, notice.response
        if (
            isinstance(request, ChangeConfigurationRequest)
            and isinstance(response, ChangeConfigurationResponse)
            and response.status is ConfigurationStatus.ACCEPTED
            and fold(request.key) == HEARTBEAT_INTERVAL
            and request.value.isdecimal()
        ):
            self._set_interval(notice.identity, min(int(request.value), MAX_INTERVAL))

    def _set_interval(self, identity: str, seconds: int) -> None:
        life = self._life(identity)
        life.interval = seconds or self.backbone.options.heartbeat_interval  # 0: the station chooses (CP16-012)
        self._wait_for(identity, life)

    def _wait_for(self, identity: str, life: _Life) -> None:
        self._silences.set(identity, self.backbone.machine.now + self.backbone.options.silent_after * life.interval)

    def _fall_silent(self, identity: str) -> None:
        life = self._lives[identity]
        life.is_silent = True
        self.backbone.emit(StationSilent(identity, life.heard))

    def _forget(self, notice: StationForgotten) -> None:
        self._silences.cancel(notice.identity)
        self._lives.pop(notice.identity, None)

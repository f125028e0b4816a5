"""How the stations look from here: connectors and configuration, as each station has reported them.

It is not kept over a restart: a station tells all of it again when it boots, or when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from ocpp_sansio.messages import Request
from ocpp_sansio.v16 import (
    ChangeConfigurationRequest,
    ChangeConfigurationResponse,
    ChargePointErrorCode,
    ChargePointStatus,
    ConfigurationStatus,
    GetConfigurationResponse,
    StatusNotificationRequest,
    StatusNotificationResponse,
)

from .backbone import Answered, Backbone, Block, Handler, Notice, Registered, Registration, StationForgotten, fold
from .effects import ConnectorReported

__all__ = ["Connector", "Setting", "StationView", "View"]


@attrs.frozen
class Connector:
    """What was last told of a connector; 0 is the station itself (CP16-001, CP16-030)."""

    connector_id: int
    status: ChargePointStatus
    error_code: ChargePointErrorCode
    """With a status other than Faulted it is a warning (CP16-036)."""
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    timestamp: datetime
    """Since when; if the station did not say, when it was told (CP16-038)."""


@attrs.frozen
class Setting:
    """A configuration key of a station, as far as it is known."""

    key: str
    """As it was spelled last. Compared without regard to case (CP16-115)."""
    value: str | None = None
    """``None``: not set, not known, or not to be known."""
    readonly: bool | None = None
    """``None``: the station has not said."""
    pending: str | None = None
    """The value that it takes when the station boots (CS16-060)."""


@attrs.define
class StationView:
    """What one station has reported."""

    registration: Registration | None = None
    """Its last BootNotification, and what it was told."""
    connectors: dict[int, Connector] = attrs.field(factory=dict[int, Connector])
    settings: dict[str, Setting] = attrs.field(factory=dict[str, Setting])
    """By key, in lower case; see :meth:`setting`."""

    def setting(self, key: str) -> Setting | None:
        """A configuration key, in any case."""
        return self.settings.get(fold(key))


class View(Block):
    """What the stations have reported. It is for reading."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self._views: dict[str, StationView] = {}

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """StatusNotification."""
        return {StatusNotificationRequest: self._status}

    def hears(self) -> Mapping[type[Notice], Callable[[Any], None]]:
        """Of what stations answer about their configuration, and that they have booted."""
        return {Registered: self._boot, Answered: self._learn, StationForgotten: self._forget}

    def station(self, identity: str) -> StationView | None:
        """What a station has reported; ``None``: nothing."""
        return self._views.get(identity)

    def _view(self, identity: str) -> StationView:
        return self._views.setdefault(identity, StationView())

    def _status(self, identity: str, request: StatusNotificationRequest) -> StatusNotificationResponse:
        """Any transition will do: some are not told, and some stations make their own (CS16-020, CP16-03B)."""
        connectors = self._view(identity).connectors
        if request.connector_id in connectors or len(connectors) < self.backbone.options.max_connectors:
            connectors[request.connector_id] = Connector(
                request.connector_id,
                request.status,
                request.error_code,
                request.info,
                request.vendor_id,
                request.vendor_error_code,
                request.timestamp or self.backbone.utc,
            )
        self.backbone.emit(ConnectorReported(identity, request))
        return StatusNotificationResponse()

    def _boot(self, notice: Registered) -> None:
        view = self._view(notice.registration.identity)
        view.registration = notice.registration
        if notice.has_booted:
            for name, setting in view.settings.items():
                if setting.pending is not None:
                    view.settings[name] = attrs.evolve(setting, value=setting.pending, pending=None)

    def _learn(self, notice: Answered) -> None:
        match notice.request, notice.response:
            case _, GetConfigurationResponse(configuration_key=settings, unknown_key=unknown):
                for told in settings or ():
                    self._set(notice.identity, told.key, value=told.value, readonly=told.readonly)
                for key in unknown or ():
                    self._view(notice.identity).settings.pop(fold(key), None)
            case ChangeConfigurationRequest(key=key, value=value), ChangeConfigurationResponse(status=status):
                change = _CHANGES.get(status)
                if change is not None and fold(key) not in _SECRETS:
                    self._set(notice.identity, key, **change(value))
            case _:
                pass

    def _set(self, identity: str, key: str, **changes: Any) -> None:
        settings, name = self._view(identity).settings, fold(key)
        if name in _SECRETS:
            changes["value"] = None  # a dummy, at best (CP16-117)
        if name in settings or len(settings) < self.backbone.options.max_settings:
            settings[name] = attrs.evolve(settings.get(name, Setting(key)), key=key, **changes)

    def _forget(self, notice: StationForgotten) -> None:
        self._views.pop(notice.identity, None)


_CHANGES: Final[Mapping[ConfigurationStatus, Callable[[str], dict[str, str | None]]]] = {
    ConfigurationStatus.ACCEPTED: lambda value: {"value": value, "pending": None},
    ConfigurationStatus.REBOOT_REQUIRED: lambda value: {"pending": value},
}
"""What the answer to a ChangeConfiguration says about the setting; others leave it as it is (CS16-060)."""

_SECRETS: Final = frozenset({fold("AuthorizationKey")})
"""Keys whose values are not to be shown to anybody."""

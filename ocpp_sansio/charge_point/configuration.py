"""GetConfiguration and ChangeConfiguration: which keys there are, who may set them, and what has been set for good.

What a key means is known to whoever hears that it changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast

from ocpp_sansio.errors import ErrorCode, LocalProtocolError, Rejection
from ocpp_sansio.machine import Answer
from ocpp_sansio.messages import Request
from ocpp_sansio.store import Put, pack, unpack
from ocpp_sansio.v16 import (
    ChangeConfigurationRequest,
    ChangeConfigurationResponse,
    ConfigurationStatus,
    GetConfigurationRequest,
    GetConfigurationResponse,
    KeyValue,
)

from .backbone import Backbone, Block, Handler, KeyChanged, Setup
from .effects import ConfigurationChanged
from .keys import (
    AUTHORIZATION_CACHE_ENABLED,
    CONNECTOR_PHASE_ROTATION,
    GET_CONFIGURATION_MAX_KEYS,
    MEASURAND_LISTS,
    NUMBER_OF_CONNECTORS,
    SUPPORTED_FEATURE_PROFILES,
    UNLOCK_CONNECTOR_ON_EV_SIDE_DISCONNECT,
    Access,
    Key,
)

__all__ = ["Configuration"]

T = TypeVar("T")

CONFIGURATION: Final = "configuration"
"""The topic of what has been set, by the names of the keys."""
MAX_LENGTH: Final = 500
"""Characters of a value (CP16-115)."""


class Configuration(Block):
    """Shows the keys and has them set (CP16-110…117).

    What is set outlives the boot. The interval that a BootNotification is answered with does not: it is in force in
    place of HeartbeatInterval, and the next boot is told another (CP16-022).
    """

    topics = (CONFIGURATION,)

    def __init__(self, core: Backbone) -> None:
        self._core: Final = core
        core.settings.declare(core.setup.keys)
        given = _given(core.setup)
        for key, value in given.items():
            core.settings[key] = value
        self._numbers: Final = range(len(core.setup.connectors) + 1)
        self._given: Final = {SUPPORTED_FEATURE_PROFILES, *given}
        """What follows from what the charge point is, and cannot be set by anybody."""

    def handlers(self) -> Mapping[type[Request[Any]], Handler]:
        """Both requests; Pending is no obstacle (CP16-01A)."""
        return {ChangeConfigurationRequest: self._on_change, GetConfigurationRequest: self._on_get}

    def restore(self, record: Put) -> None:
        """A key that is not known now may be again: its record stays."""
        key = self._core.settings.find(record.key)
        if key is not None and key not in self._given:
            self._core.settings[key] = self._read(key, unpack(str, record.value))

    # -- the host --

    def setting(self, key_name: str) -> str | None:
        """The value of a key that is in force; ``None``: there is no such key, or it has no value."""
        key = self._core.settings.find(key_name)
        return None if key is None else self._text(key)

    def configure(self, key_name: str, value: str) -> None:
        """Set a key for good, also one that the central system may not set. An optional one is there from now on.

        Raises:
            LocalProtocolError: there can be no such key, or its value follows from what the charge point is.
            ValueError: the key does not take this value.
        """
        key = self._core.settings.find(key_name)
        if key is None or key in self._given:
            raise LocalProtocolError(f"there is no key {key_name!r} that can be set")
        self._set(key, self._read(key, value))

    # -- the central system --

    def _on_get(self, request: GetConfigurationRequest, answer: Answer) -> None:
        settings = self._core.settings
        if not request.key:  # CP16-110
            shown = [key for key in settings if key.access is not Access.WRITE_ONLY]
            answer(GetConfigurationResponse(configuration_key=[self._shown(key) for key in shown]))
            return
        most = settings[GET_CONFIGURATION_MAX_KEYS]
        if len(request.key) > most:  # CP16-111
            raise Rejection(ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, f"no more than {most} keys at once")
        found = {name: self._find(name) for name in request.key}
        known = dict.fromkeys(key for key in found.values() if key is not None)
        answer(
            GetConfigurationResponse(
                configuration_key=[self._shown(key) for key in known] or None,
                unknown_key=[name for name, key in found.items() if key is None] or None,
            )
        )

    def _on_change(self, request: ChangeConfigurationRequest, answer: Answer) -> None:
        key = self._find(request.key)
        if key is None:
            answer(ChangeConfigurationResponse(status=ConfigurationStatus.NOT_SUPPORTED))
            return
        try:
            if self._is_read_only(key):
                raise ValueError("only the charge point sets this key")
            value = self._read(key, request.value)
            if not all(gate(key, value) for gate in self._core.key_gates):
                raise ValueError("not now")
        except ValueError:  # CP16-112, CP16-113
            answer(ChangeConfigurationResponse(status=ConfigurationStatus.REJECTED))
            return
        waits = self._waits(key, value)
        status = ConfigurationStatus.REBOOT_REQUIRED if waits else ConfigurationStatus.ACCEPTED
        answer(ChangeConfigurationResponse(status=status))
        self._core.machine.emit(ConfigurationChanged(key.name, key.write(value), needs_reboot=waits))
        self._set(key, value)

    # -- keys and values --

    def _find(self, name: str) -> Key[Any] | None:
        """A key, if the charge point has it."""
        key = self._core.settings.find(name)
        return key if key is not None and key in self._core.settings else None

    def _is_read_only(self, key: Key[Any]) -> bool:
        return key.access is Access.READ_ONLY or key in self._given

    def _shown(self, key: Key[Any]) -> KeyValue:
        value = None if key.access is Access.WRITE_ONLY else self._text(key)  # CP16-117
        return KeyValue(key=key.name, readonly=self._is_read_only(key), value=value)

    def _text(self, key: Key[T]) -> str | None:
        value = self._core.settings.get(key)
        return None if value is None else key.write(value)

    def _read(self, key: Key[T], text: str) -> T:
        """What a text means for a key here; :class:`ValueError` if nothing."""
        value = key.read(text)
        if len(key.write(value)) > MAX_LENGTH:
            raise ValueError("longer than a value can be")
        self._check_items(key, _items(value))
        return value

    def _check_items(self, key: Key[Any], items: tuple[str, ...]) -> None:
        """A list must not be too long (CP16-114), nor name what is not here."""
        settings, setup = self._core.settings, self._core.setup
        max_length = settings.find(f"{key.name}MaxLength")
        most = None if max_length is None else settings.get(max_length)
        if most is not None and len(items) > most:
            raise ValueError(f"more than {most} items")
        if key in MEASURAND_LISTS and not setup.measurands.issuperset(items):
            raise ValueError("not all of this is measured here")
        if key is CONNECTOR_PHASE_ROTATION and any(int(item.partition(".")[0]) not in self._numbers for item in items):
            raise ValueError("not all of these connectors are here")

    def _waits(self, key: Key[T], value: T) -> bool:
        """Whether a new value of a key is not in force before the next boot."""
        return key.needs_reboot and self._core.settings.get(key) != value

    def _set(self, key: Key[T], value: T) -> None:
        core = self._core
        core.machine.persist(Put(CONFIGURATION, key.name, pack(key.write(value))))
        if not self._waits(key, value) and core.settings.get(key) != value:
            core.settings[key] = value
            core.publish(KeyChanged(key))


def _items(value: object) -> tuple[str, ...]:
    """Those of a list; what is no list has none."""
    return cast(tuple[str, ...], value) if isinstance(value, tuple) else ()


def _given(setup: Setup) -> dict[Key[Any], Any]:
    given: dict[Key[Any], Any] = {NUMBER_OF_CONNECTORS: len(setup.connectors)}  # CFG16-22
    if all(connector.fixed_cable for connector in setup.connectors):  # CP16-068, CFG16-35
        given[UNLOCK_CONNECTOR_ON_EV_SIDE_DISCONNECT] = False
    if setup.cache_size == 0:  # no cache, so no key to switch it with (CP16-116)
        given[AUTHORIZATION_CACHE_ENABLED] = None
    return given

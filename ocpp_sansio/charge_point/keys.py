"""The configuration keys of a charge point as one declared table: type, range, access, default, what a change takes.

The defaults are ours, the specification gives next to none. A default of ``None`` means that the charge point does not
have the key unless its host gives it a value (CP16-116). Profiles add tables of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum, unique
from typing import Any, Final, Generic, TypeVar

import attrs

from ocpp_sansio.v16 import Measurand, Phase

__all__ = ["CORE", "Access", "Key", "Settings"]

T = TypeVar("T")
Csl = tuple[str, ...]


@unique
class Access(Enum):
    """What the central system may do with a key."""

    READ_WRITE = "RW"
    READ_ONLY = "R"
    WRITE_ONLY = "W"


@attrs.frozen(eq=False)
class Key(Generic[T]):
    """One configuration key. Compared by identity: there is one object for each."""

    name: str
    """As it is spelled in answers. It is found in any case (CP16-115)."""
    read: Callable[[str], T]
    """The value of a text; raises :class:`ValueError` if it is none."""
    write: Callable[[T], str]
    default: T | None = None
    access: Access = Access.READ_WRITE
    needs_reboot: bool = False
    """Whether a change is in force only after the next boot (CP16-112)."""


# -- how values are written (CP16-115) --


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.strip().lower()]
    except KeyError:
        raise ValueError("neither true nor false") from None


def _integer(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = text.strip()
        if not number.removeprefix("-").isdecimal() or len(number) > 11 or not least <= int(number) <= most:
            raise ValueError(f"not an integer from {least} to {most}")
        return int(number)

    return read


def _list(is_item: Callable[[str], bool], most: int | None = None) -> Callable[[str], Csl]:
    def read(text: str) -> Csl:
        items = tuple(item.strip() for item in text.split(",")) if text.strip() else ()
        if not all(map(is_item, items)) or (most is not None and len(items) > most):
            raise ValueError("not a list of what this key takes")
        return items

    return read


def is_measurand(text: str) -> bool:
    """Whether this is a measurand, perhaps with the phase appended (CFG16-18)."""
    if text in _MEASURANDS:
        return True
    measurand, _, phase = text.rpartition(".")
    return measurand in _MEASURANDS and phase in _PHASES


_MEASURANDS: Final = frozenset(Measurand)
_PHASES: Final = frozenset(Phase)
_ROTATIONS: Final = frozenset(("NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR"))


def _is_rotation(text: str) -> bool:
    connector, _, rotation = text.partition(".")
    return connector.isdecimal() and rotation in _ROTATIONS


def _is_word(text: str) -> bool:
    return bool(text)


def _write_boolean(value: bool) -> str:
    return "true" if value else "false"


def _flag(name: str, default: bool | None, access: Access = Access.READ_WRITE) -> Key[bool]:
    return Key(name, _boolean, _write_boolean, default, access)


def _number(name: str, default: int | None, least: int = 0, access: Access = Access.READ_WRITE) -> Key[int]:
    return Key(name, _integer(least), str, default, access)


def _fixed(name: str, default: int | None = None) -> Key[int]:
    return _number(name, default, access=Access.READ_ONLY)


def _items(name: str, is_item: Callable[[str], bool], default: Csl, access: Access = Access.READ_WRITE) -> Key[Csl]:
    return Key(name, _list(is_item), ",".join, default, access)


# -- Core, CFG16-01…36 --

ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID = _flag("AllowOfflineTxForUnknownId", default=False)  # CFG16-01
AUTHORIZATION_CACHE_ENABLED = _flag("AuthorizationCacheEnabled", default=True)  # CFG16-02
AUTHORIZE_REMOTE_TX_REQUESTS = _flag("AuthorizeRemoteTxRequests", default=True)  # CFG16-03
BLINK_REPEAT = _number("BlinkRepeat", None)  # CFG16-04
CLOCK_ALIGNED_DATA_INTERVAL = _number("ClockAlignedDataInterval", 0)  # CFG16-05, seconds
CONNECTION_TIME_OUT = _number("ConnectionTimeOut", 60, least=1)  # CFG16-06, seconds
CONNECTOR_PHASE_ROTATION = _items("ConnectorPhaseRotation", _is_rotation, ())  # CFG16-07
CONNECTOR_PHASE_ROTATION_MAX_LENGTH = _fixed("ConnectorPhaseRotationMaxLength")  # CFG16-08
GET_CONFIGURATION_MAX_KEYS = _fixed("GetConfigurationMaxKeys", 100)  # CFG16-09
HEARTBEAT_INTERVAL = _number("HeartbeatInterval", 300, least=1)  # CFG16-10, seconds
LIGHT_INTENSITY = Key("LightIntensity", _integer(0, 100), str)  # CFG16-11, percent
LOCAL_AUTHORIZE_OFFLINE = _flag("LocalAuthorizeOffline", default=True)  # CFG16-12
LOCAL_PRE_AUTHORIZE = _flag("LocalPreAuthorize", default=False)  # CFG16-13
MAX_ENERGY_ON_INVALID_ID = _number("MaxEnergyOnInvalidId", None)  # CFG16-14, Wh
MESSAGE_TIMEOUT = _number("MessageTimeout", 30, least=1)  # CFG16-15, seconds
METER_VALUES_ALIGNED_DATA = _items("MeterValuesAlignedData", is_measurand, ())  # CFG16-16
METER_VALUES_ALIGNED_DATA_MAX_LENGTH = _fixed("MeterValuesAlignedDataMaxLength")  # CFG16-17
METER_VALUES_SAMPLED_DATA = _items(
    "MeterValuesSampledData", is_measurand, (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER.value,)
)  # CFG16-18
METER_VALUES_SAMPLED_DATA_MAX_LENGTH = _fixed("MeterValuesSampledDataMaxLength")  # CFG16-19
METER_VALUE_SAMPLE_INTERVAL = _number("MeterValueSampleInterval", 60)  # CFG16-20, seconds
MINIMUM_STATUS_DURATION = _number("MinimumStatusDuration", 0)  # CFG16-21, seconds
NUMBER_OF_CONNECTORS = _fixed("NumberOfConnectors", 1)  # CFG16-22
RESET_RETRIES = _number("ResetRetries", 0)  # CFG16-23
STOP_TRANSACTION_MAX_METER_VALUES = _fixed("StopTransactionMaxMeterValues", 1000)  # CFG16-24
STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT = _flag("StopTransactionOnEVSideDisconnect", default=True)  # CFG16-25
STOP_TRANSACTION_ON_INVALID_ID = _flag("StopTransactionOnInvalidId", default=True)  # CFG16-26
STOP_TXN_ALIGNED_DATA = _items("StopTxnAlignedData", is_measurand, ())  # CFG16-27
STOP_TXN_ALIGNED_DATA_MAX_LENGTH = _fixed("StopTxnAlignedDataMaxLength")  # CFG16-28
STOP_TXN_SAMPLED_DATA = _items("StopTxnSampledData", is_measurand, ())  # CFG16-29
STOP_TXN_SAMPLED_DATA_MAX_LENGTH = _fixed("StopTxnSampledDataMaxLength")  # CFG16-30
SUPPORTED_FEATURE_PROFILES = _items(
    "SupportedFeatureProfiles", _is_word, ("Core", "RemoteTrigger"), Access.READ_ONLY
)  # CFG16-31
SUPPORTED_FEATURE_PROFILES_MAX_LENGTH = _fixed("SupportedFeatureProfilesMaxLength")  # CFG16-32
TRANSACTION_MESSAGE_ATTEMPTS = _number("TransactionMessageAttempts", 3)  # CFG16-33
TRANSACTION_MESSAGE_RETRY_INTERVAL = _number("TransactionMessageRetryInterval", 60)  # CFG16-34, seconds
UNLOCK_CONNECTOR_ON_EV_SIDE_DISCONNECT = _flag("UnlockConnectorOnEVSideDisconnect", default=True)  # CFG16-35
WEB_SOCKET_PING_INTERVAL = _number("WebSocketPingInterval", None)  # CFG16-36, seconds


def _declared(names: Mapping[str, object]) -> Iterator[Key[Any]]:
    for value in names.values():
        if isinstance(value, Key):
            yield value


CORE: Final = tuple(_declared(globals().copy()))
"""All of them."""


class Settings:
    """The values in force. What a key takes that has none is its default."""

    def __init__(self, values: Mapping[Key[Any], Any] | None = None) -> None:
        self._values: dict[Key[Any], Any] = dict(values or {})

    def __getitem__(self, key: Key[T]) -> T:
        """The value of a key that the charge point has.

        Raises:
            KeyError: it does not have the key.
        """
        value = self.get(key)
        if value is None:
            raise KeyError(key.name)
        return value

    def get(self, key: Key[T]) -> T | None:
        """The value of a key; ``None`` if the charge point does not have it."""
        value: T | None = self._values.get(key, key.default)
        return value

    def __setitem__(self, key: Key[T], value: T) -> None:
        self._values[key] = value

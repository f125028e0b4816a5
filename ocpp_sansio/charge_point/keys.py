"""The configuration keys of a charge point as one declared table: type, range, access, default, what a change takes.

The defaults are ours, the specification gives next to none. A charge point is without an optional key that has no value
(CP16-116). Profiles add tables of their own, hosts the keys of their vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum, unique
from typing import Any, Final, Generic, TypeVar

import attrs

from ocpp_sansio.v16 import Measurand, Phase

__all__ = ["CORE", "SECURITY", "Access", "Key", "Settings"]

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
    """``None``: it has no value (CP16-110)."""
    access: Access = Access.READ_WRITE
    is_optional: bool = False
    """Whether a charge point is without it for as long as it has no value (CP16-116)."""
    needs_reboot: bool = False
    """Whether a change is in force only after the next boot (CP16-112)."""


# -- how values are written (CP16-115) --


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.strip().lower()]
    except KeyError:
        raise ValueError("neither true nor false") from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _integer(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = text.strip()
        if not _is_number(number.removeprefix("-")) or not least <= int(number) <= most:
            raise ValueError(f"not an integer from {least} to {most}")
        return int(number)

    return read


def _list(is_item: Callable[[str], bool]) -> Callable[[str], Csl]:
    def read(text: str) -> Csl:
        items = tuple(item.strip() for item in text.split(",")) if text.strip() else ()
        if not all(map(is_item, items)):
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
    return _is_number(connector) and rotation in _ROTATIONS


def _is_word(text: str) -> bool:
    return bool(text)


def _write_boolean(value: bool) -> str:
    return "true" if value else "false"


def _flag(name: str, default: bool | None, *, optional: bool = False) -> Key[bool]:
    return Key(name, _boolean, _write_boolean, default, is_optional=optional)


def _number(
    name: str, default: int | None, *, least: int = 0, most: int = 2**31 - 1, optional: bool = False
) -> Key[int]:
    return Key(name, _integer(least, most), str, default, is_optional=optional)


def _fixed(name: str, default: int | None = None, *, optional: bool = False) -> Key[int]:
    return Key(name, _integer(0), str, default, Access.READ_ONLY, is_optional=optional)


def _items(name: str, is_item: Callable[[str], bool], default: Csl, access: Access = Access.READ_WRITE) -> Key[Csl]:
    return Key(name, _list(is_item), ",".join, default, access)


# -- Core, CFG16-01…36 --

ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID = _flag("AllowOfflineTxForUnknownId", default=False, optional=True)  # CFG16-01
AUTHORIZATION_CACHE_ENABLED = _flag("AuthorizationCacheEnabled", default=True, optional=True)  # CFG16-02
AUTHORIZE_REMOTE_TX_REQUESTS = _flag("AuthorizeRemoteTxRequests", default=True)  # CFG16-03
BLINK_REPEAT = _number("BlinkRepeat", None, optional=True)  # CFG16-04
CLOCK_ALIGNED_DATA_INTERVAL = _number("ClockAlignedDataInterval", 0)  # CFG16-05, seconds
CONNECTION_TIME_OUT = _number("ConnectionTimeOut", 60, least=1)  # CFG16-06, seconds
CONNECTOR_PHASE_ROTATION = _items("ConnectorPhaseRotation", _is_rotation, ())  # CFG16-07
CONNECTOR_PHASE_ROTATION_MAX_LENGTH = _fixed("ConnectorPhaseRotationMaxLength", optional=True)  # CFG16-08
GET_CONFIGURATION_MAX_KEYS = _fixed("GetConfigurationMaxKeys", 100)  # CFG16-09
HEARTBEAT_INTERVAL = _number("HeartbeatInterval", 300, least=1)  # CFG16-10, seconds
LIGHT_INTENSITY = _number("LightIntensity", None, most=100, optional=True)  # CFG16-11, percent
LOCAL_AUTHORIZE_OFFLINE = _flag("LocalAuthorizeOffline", default=True)  # CFG16-12
LOCAL_PRE_AUTHORIZE = _flag("LocalPreAuthorize", default=False)  # CFG16-13
MAX_ENERGY_ON_INVALID_ID = _number("MaxEnergyOnInvalidId", None, optional=True)  # CFG16-14, Wh
MESSAGE_TIMEOUT = _number("MessageTimeout", 30, least=1, optional=True)  # CFG16-15, seconds
METER_VALUES_ALIGNED_DATA = _items("MeterValuesAlignedData", is_measurand, ())  # CFG16-16
METER_VALUES_ALIGNED_DATA_MAX_LENGTH = _fixed("MeterValuesAlignedDataMaxLength", optional=True)  # CFG16-17
METER_VALUES_SAMPLED_DATA = _items(
    "MeterValuesSampledData", is_measurand, (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER.value,)
)  # CFG16-18
METER_VALUES_SAMPLED_DATA_MAX_LENGTH = _fixed("MeterValuesSampledDataMaxLength", optional=True)  # CFG16-19
METER_VALUE_SAMPLE_INTERVAL = _number("MeterValueSampleInterval", 60)  # CFG16-20, seconds
MINIMUM_STATUS_DURATION = _number("MinimumStatusDuration", 0, optional=True)  # CFG16-21, seconds
NUMBER_OF_CONNECTORS = _fixed("NumberOfConnectors", 1)  # CFG16-22
RESET_RETRIES = _number("ResetRetries", 0)  # CFG16-23
STOP_TRANSACTION_MAX_METER_VALUES = _fixed("StopTransactionMaxMeterValues", 1000, optional=True)  # CFG16-24
STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT = _flag(
    "StopTransactionOnEVSideDisconnect", default=True, optional=True
)  # CFG16-25
STOP_TRANSACTION_ON_INVALID_ID = _flag("StopTransactionOnInvalidId", default=True)  # CFG16-26
STOP_TXN_ALIGNED_DATA = _items("StopTxnAlignedData", is_measurand, ())  # CFG16-27
STOP_TXN_ALIGNED_DATA_MAX_LENGTH = _fixed("StopTxnAlignedDataMaxLength", optional=True)  # CFG16-28
STOP_TXN_SAMPLED_DATA = _items("StopTxnSampledData", is_measurand, ())  # CFG16-29
STOP_TXN_SAMPLED_DATA_MAX_LENGTH = _fixed("StopTxnSampledDataMaxLength", optional=True)  # CFG16-30
SUPPORTED_FEATURE_PROFILES = _items("SupportedFeatureProfiles", _is_word, ("Core",), Access.READ_ONLY)  # CFG16-31
SUPPORTED_FEATURE_PROFILES_MAX_LENGTH = _fixed("SupportedFeatureProfilesMaxLength", optional=True)  # CFG16-32
TRANSACTION_MESSAGE_ATTEMPTS = _number("TransactionMessageAttempts", 3)  # CFG16-33
TRANSACTION_MESSAGE_RETRY_INTERVAL = _number("TransactionMessageRetryInterval", 60)  # CFG16-34, seconds
UNLOCK_CONNECTOR_ON_EV_SIDE_DISCONNECT = _flag("UnlockConnectorOnEVSideDisconnect", default=True)  # CFG16-35
WEB_SOCKET_PING_INTERVAL = _number("WebSocketPingInterval", None, optional=True)  # CFG16-36, seconds


def _declared(names: Mapping[str, object]) -> Iterator[Key[Any]]:
    for value in names.values():
        if isinstance(value, Key):
            yield value


CORE: Final = tuple(_declared(globals().copy()))
"""All of them."""


# -- the security extension, CFG16-47…52 --


def _password(text: str) -> bytes:
    try:
        password = bytes.fromhex(text)
    except ValueError:
        password = b""
    if not 16 <= len(password) <= 20:  # what it was is nobody's business (RPC-146)
        raise ValueError("not 16 to 20 bytes in hexadecimal digits") from None
    return password


ADDITIONAL_ROOT_CERTIFICATE_CHECK = Key(
    "AdditionalRootCertificateCheck", _boolean, _write_boolean, False, Access.READ_ONLY
)  # CFG16-47
AUTHORIZATION_KEY = Key("AuthorizationKey", _password, bytes.hex, access=Access.WRITE_ONLY)  # CFG16-48, RPC-143
CERTIFICATE_SIGNED_MAX_CHAIN_SIZE = _fixed("CertificateSignedMaxChainSize", optional=True)  # CFG16-49
CERTIFICATE_STORE_MAX_LENGTH = _fixed("CertificateStoreMaxLength", optional=True)  # CFG16-50
CPO_NAME = Key("CpoName", str.strip, str)  # CFG16-51
SECURITY_PROFILE = _number("SecurityProfile", 0, most=3)  # CFG16-52

SECURITY: Final = (
    ADDITIONAL_ROOT_CERTIFICATE_CHECK,
    AUTHORIZATION_KEY,
    CERTIFICATE_SIGNED_MAX_CHAIN_SIZE,
    CERTIFICATE_STORE_MAX_LENGTH,
    CPO_NAME,
    SECURITY_PROFILE,
)
"""All of them."""


MEASURAND_LISTS: Final = frozenset(
    (METER_VALUES_ALIGNED_DATA, METER_VALUES_SAMPLED_DATA, STOP_TXN_ALIGNED_DATA, STOP_TXN_SAMPLED_DATA)
)
"""Those that take only what the meters measure (CP16-114)."""


class Settings:
    """The keys of a charge point, and the values in force. Iterating yields the keys that it has, in order."""

    def __init__(self, values: Mapping[Key[Any], Any] | None = None) -> None:
        self._keys: Final[dict[str, Key[Any]]] = {}
        self._values: Final[dict[Key[Any], Any]] = {}
        self.declare(CORE)
        self._values.update(values or {})

    def declare(self, keys: Iterable[Key[Any]]) -> None:
        """Know more keys.

        Raises:
            ValueError: a name is taken, or too long.
        """
        for key in keys:
            if len(key.name) > 50 or self._keys.setdefault(key.name.lower(), key) is not key:
                raise ValueError(f"there cannot be another key {key.name!r}")
            self._values.setdefault(key, key.default)

    def find(self, name: str) -> Key[Any] | None:
        """The key of this name, in any case (CP16-115), whether the charge point has it or could have it."""
        return self._keys.get(name.lower())

    def __iter__(self) -> Iterator[Key[Any]]:
        return (key for key in self._keys.values() if key in self)

    def __contains__(self, key: Key[Any]) -> bool:
        """Whether the charge point has the key (CP16-116)."""
        return not key.is_optional or self.get(key) is not None

    def __getitem__(self, key: Key[T]) -> T:
        """The value of a key.

        Raises:
            KeyError: it has none.
        """
        value = self.get(key)
        if value is None:
            raise KeyError(key.name)
        return value

    def get(self, key: Key[T]) -> T | None:
        """The value of a key; ``None`` if it has none."""
        value: T | None = self._values.get(key)
        return value

    def __setitem__(self, key: Key[T], value: T | None) -> None:
        self._values[key] = value

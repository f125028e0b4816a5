"""Which connection each station has, and what becomes of a station that opens another one (F-33…F-38)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, unique
from types import MappingProxyType
from typing import Any, Protocol

from .version import Version, identity_key

__all__ = ["Registry", "Station", "Takeover"]


@unique
class Takeover(Enum):
    """What becomes of a station that asks to connect while there is a connection of its identity already (RPC-019).

    It has been authenticated by then. Whatever becomes of it, there is never more than one connection of an identity,
    and one whose end is not known to be dead is closed with 1008.
    """

    NEWEST_WINS = "newest wins"
    """The new connection takes the place of the old one: a station does not open a second one unless it has lost the
    first. For stations that prove who they are."""
    PROBE = "probe"
    """The old connection is asked for a sign of life. If one comes within ``Limits.probe_timeout``, the new one is
    refused with 409; if none does, it is let in. For stations that prove nothing: nobody can push another one out."""
    PROBE_UNPROVEN = "probe unless proven"
    """The new connection takes the place of the old one if its request has shown a password or a certificate;
    otherwise the old one is probed."""
    REFUSE_NEW = "refuse new"
    """The new connection is refused with 409 until the old one has ended, which for one that is dead takes
    ``Limits.ping_interval`` and ``Limits.ping_timeout``."""


class Station(Protocol):
    """What is to be known of a connection that is open."""

    @property
    def identity(self) -> str:
        """The identity it connected with."""
        ...

    @property
    def version(self) -> Version:
        """The version that is spoken."""
        ...


class Registry:
    """The one connection that each identity has. Each is its own proof of being the current one (F-35)."""

    def __init__(self) -> None:
        self.stations: Mapping[str, Any] = MappingProxyType({})
        """By identity. It does not change: a change makes another one."""
        self._caseless: dict[str, Station] = {}
        """Those whose identity has no case, by their key (RPC-003)."""

    def rivals(self, identity: str, version: Version) -> tuple[Any, ...]:
        """The connections that one of this identity and version cannot be open beside (RPC-003, RPC-004, F-30).

        There may be two: one that is spelled the same, and one of 2.x that is the same in another case.
        """
        found = [self.stations.get(identity)]
        if version is not Version.V16:
            found.append(self._caseless.get(identity_key(identity, version)))
        return tuple({id(each): each for each in found if each is not None}.values())

    def enter(self, station: Station) -> tuple[Any, ...]:
        """Take a connection in, in the place of its rivals, which are returned."""
        displaced = self.rivals(station.identity, station.version)
        stations = dict(self.stations)
        for each in displaced:
            self._forget(each, stations)
        stations[station.identity] = station
        if station.version is not Version.V16:
            self._caseless[identity_key(station.identity, station.version)] = station
        self.stations = MappingProxyType(stations)
        return displaced

    def leave(self, station: Station) -> bool:
        """Take a connection out; whether it was the current one. If it was not, nothing happens (F-35)."""
        if not self.is_current(station):
            return False
        stations = dict(self.stations)
        self._forget(station, stations)
        self.stations = MappingProxyType(stations)
        return True

    def is_current(self, station: Station) -> bool:
        """Whether this is the connection that its station has now."""
        return self.stations.get(station.identity) is station

    def _forget(self, station: Station, stations: dict[str, Any]) -> None:
        del stations[station.identity]
        if station.version is not Version.V16:
            del self._caseless[identity_key(station.identity, station.version)]

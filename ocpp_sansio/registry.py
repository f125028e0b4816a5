"""Which connection each station has, and what becomes of a station that opens another one (F-33…F-38)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import unique
from types import MappingProxyType
from typing import Any, Protocol

from .version import Choice, Version, identity_key

__all__ = ["Registry", "Station", "Takeover"]


@unique
class Takeover(Choice):
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
        self._stations: dict[str, Any] = {}
        """By identity."""
        self._caseless: dict[str, Station] = {}
        """Those whose identity has no case, by their key (RPC-003)."""
        self._snapshots: list[Mapping[str, Any]] = []
        """What has been read since the last change. A change leaves this list to those who are just reading."""

    @property
    def stations(self) -> Mapping[str, Any]:
        """By identity. It does not change: after a change there is another one, once somebody asks for it.

        So any thread may ask, and look through it, while another one changes the registry.
        """
        snapshots = self._snapshots
        if not snapshots:
            snapshots.append(MappingProxyType(self._stations.copy()))
        return snapshots[0]

    def rivals(self, identity: str, version: Version) -> tuple[Any, ...]:
        """The connections that one of this identity and version cannot be open beside (RPC-003, RPC-004, F-30).

        There may be two: one that is spelled the same, and one of 2.x that is the same in another case.
        """
        found = [self._stations.get(identity)]
        if version is not Version.V16:
            found.append(self._caseless.get(identity_key(identity, version)))
        return tuple({id(each): each for each in found if each is not None}.values())

    def enter(self, station: Station) -> tuple[Any, ...]:
        """Take a connection in, in the place of its rivals, which are returned."""
        displaced = self.rivals(station.identity, station.version)
        self._stations[station.identity] = station  # first: nobody finds a station absent that has two connections
        for each in displaced:
            self._forget(each)
        if station.version is not Version.V16:
            self._caseless[identity_key(station.identity, station.version)] = station
        self._snapshots = []
        return displaced

    def leave(self, station: Station) -> bool:
        """Take a connection out; whether it was the current one. If it was not, nothing happens (F-35)."""
        if not self.is_current(station):
            return False
        self._forget(station)
        self._snapshots = []
        return True

    def is_current(self, station: Station) -> bool:
        """Whether this is the connection that its station has now."""
        return self._stations.get(station.identity) is station

    def _forget(self, station: Station) -> None:
        if self.is_current(station):
            del self._stations[station.identity]
        if station.version is not Version.V16:
            del self._caseless[identity_key(station.identity, station.version)]

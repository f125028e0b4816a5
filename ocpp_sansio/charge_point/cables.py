"""The locks of the cables: what is being locked and unlocked, and whose cable is kept.

This block knows locks, not transactions: others say when, and are told how it went.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final

from ocpp_sansio.store import Drop, Put, pack, unpack

from .backbone import Backbone, Block, Connectors, Use
from .effects import CableLocked, LockConnector, UnlockConnector

__all__ = ["CableLocks"]


class CableLocks(Block):
    """Has cables locked and unlocked. A fixed cable, or a connector without a lock, needs neither (CP16-064)."""

    topics: ClassVar[tuple[str, ...]] = ("held-cable",)

    def __init__(self, core: Backbone, connectors: Connectors) -> None:
        self._core: Final = core
        self._connectors: Final = connectors
        self._locking: Final[dict[int, Callable[[bool], None]]] = {}
        self._unlocking: Final[dict[int, list[Callable[[bool], None]]]] = {}
        self._held: Final[dict[int, Use]] = {}

    def restore(self, record: Put) -> None:
        """Whose cable is kept."""
        use = unpack(Use, record.value)
        self._held[use.connector] = use

    def can_lock(self, connector: int) -> bool:
        """Whether there is a lock, and a cable that is not fixed; neither if there is no such connector."""
        if connector not in self._connectors.ids():
            return False
        setup = self._connectors[connector].setup
        return setup.has_lock and not setup.fixed_cable

    def lock(self, connector: int, done: Callable[[bool], None]) -> None:
        """Have the cable locked, if there is anything to lock."""
        if not self.can_lock(connector):
            done(True)
            return
        self._locking[connector] = done
        self._core.machine.emit(LockConnector(connector))

    def unlock(self, connector: int, done: Callable[[bool], None] | None = None) -> None:
        """Have the cable unlocked, if there is anything to unlock. If it was being locked, nobody wants that now.

        ``done`` is told that it is not, if the host does not say in time.
        """
        self._locking.pop(connector, None)
        if self.can_lock(connector):
            if done is not None:
                self._await(connector, done)
            self._core.machine.emit(UnlockConnector(connector))

    def _await(self, connector: int, done: Callable[[bool], None]) -> None:
        waiting = self._unlocking.setdefault(connector, [])
        if not waiting:  # else it is the first of them whom the host keeps waiting
            at = self._core.machine.now + self._core.setup.unlock_timeout
            self._core.machine.timers.set((_TIMER, connector), at, partial(self._on_outcome, connector, False))
        waiting.append(done)

    def hold(self, connector: int, id_tag: str, parent_id_tag: str | None) -> None:
        """Keep the cable locked until this idTag, or one of its group, is presented: also over a boot."""
        if self.can_lock(connector):
            self._held[connector] = use = Use(connector, id_tag, parent_id_tag)
            self._core.machine.persist(Put("held-cable", str(connector), pack(use)))
            self._core.machine.emit(CableLocked(connector))

    def holder(self, connector: int) -> Use | None:
        """Whose cable is kept, until the host has reported it unlocked."""
        return self._held.get(connector)

    # -- what the host reports --

    def locked(self, connector: int, locked: bool) -> None:
        """What became of a LockConnector. Nothing happens if nobody waits for it any more.

        Raises:
            LocalProtocolError: there is no such connector.
        """
        self._core.require_connector(connector)
        done = self._locking.pop(connector, None)
        if done is not None:
            done(locked)

    def unlocked(self, connector: int, unlocked: bool) -> None:
        """What became of an UnlockConnector; or that the cable was unlocked by hand.

        Raises:
            LocalProtocolError: there is no such connector.
        """
        self._core.require_connector(connector)
        if unlocked and self._held.pop(connector, None) is not None:
            self._core.machine.persist(Drop("held-cable", str(connector)))
        self._on_outcome(connector, unlocked)

    def _on_outcome(self, connector: int, unlocked: bool) -> None:
        self._core.machine.timers.cancel((_TIMER, connector))
        for done in self._unlocking.pop(connector, ()):
            done(unlocked)


_TIMER: Final = CableLocks

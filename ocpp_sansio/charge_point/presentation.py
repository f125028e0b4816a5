"""Who means to use which connector: an idTag presented, a cable plugged in, the lock, until all has come together.

Then it is a transaction, and no concern of this block any more. Here ConnectionTimeOut runs, and here an idTag is told
to be that of somebody who means to begin from that of somebody who means to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto, unique
from functools import partial
from typing import Any, Final

import attrs

from ocpp_sansio.v16 import (
    AuthorizationStatus,
    ChargePointErrorCode,
    ChargePointStatus,
    ChargingProfile,
    IdTagInfo,
    ReadingContext,
    Reason,
)

from .backbone import (
    Authoriser,
    Backbone,
    Block,
    Cables,
    Charging,
    Connectors,
    Meter,
    PlugChanged,
    Reading,
    StatusMoved,
    Use,
    same_id_tag,
)
from .effects import IdTagRefused
from .keys import CONNECTION_TIME_OUT

__all__ = ["Presentation"]

LONGEST_ID_TAG: Final = 20
"""CP16-004."""


@unique
class _Stage(Enum):
    """What a use waits for."""

    AUTHORISATION = auto()
    CABLE = auto()
    LOCK = auto()
    METER = auto()


@attrs.define(eq=False)
class _Intent:
    """Somebody means to use a connector."""

    use: Use
    is_anywhere: bool = False
    """Whether another connector would do as well: nobody has said which, we have chosen one."""
    stage: _Stage = _Stage.AUTHORISATION


class Presentation(Block):
    """What an idTag does where it is presented (CP16-040…042), and what becomes of it until a transaction begins."""

    def __init__(
        self,
        core: Backbone,
        connectors: Connectors,
        authoriser: Authoriser,
        cables: Cables,
        meter: Meter,
        charging: Charging,
    ) -> None:
        self._core: Final = core
        self._connectors: Final = connectors
        self._authoriser: Final = authoriser
        self._cables: Final = cables
        self._meter: Final = meter
        self._charging: Final = charging
        self._intents: Final[dict[int, _Intent]] = {}
        """By connector."""
        self._spent: Final[set[int]] = set()
        """The connectors whose cable came and whose idTag did not, in time: nobody may begin on that cable (B6)."""

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """The cable, and what the state of the connector makes of a use."""
        return {PlugChanged: self._on_plug, StatusMoved: self._on_status}

    # -- what the host says --

    def present(self, id_tag: str, connector: int | None = None) -> None:
        """An idTag was presented: at a connector, or where it might be meant for any.

        It stops or frees what is its own, without asking anybody (CP16-042); else it begins something, where that can
        be; else it may stop what belongs to another of its group.

        Raises:
            ValueError: it is empty, longer than 20 characters, or no Unicode text.
            LocalProtocolError: there is no such connector.
        """
        if not 0 < len(id_tag) <= LONGEST_ID_TAG:
            raise ValueError(f"an idTag has 1 to {LONGEST_ID_TAG} characters")
        id_tag.encode()  # one that cannot be sent cannot be kept either: UnicodeEncodeError is a ValueError
        places = self._places(connector)
        own = next((place for place in places if self._is_own(place, id_tag)), None)
        free = self.choose(id_tag, connector)
        if own is not None:
            self._leave(own, id_tag)
        elif free is not None:
            self._start(_Intent(Use(free, id_tag), is_anywhere=connector is None))
        elif any(self._owner(place) for place in places):
            self._authoriser.authorise(id_tag, partial(self._on_other, id_tag, connector))
        else:
            self._refuse(id_tag, connector)

    def stop(self, connector: int, reason: Reason = Reason.LOCAL) -> None:
        """Stop what goes on at a connector, or is about to: a button, an emergency. It may be nothing.

        Raises:
            LocalProtocolError: there is no such connector.
        """
        self._core.require_connector(connector)
        self.cancel(connector)
        self._charging.stop(connector, reason)

    def _places(self, connector: int | None) -> Iterable[int]:
        if connector is None:
            return tuple(self._connectors.ids())
        self._core.require_connector(connector)
        return (connector,)

    def _refuse(self, id_tag: str, connector: int | None, status: AuthorizationStatus | None = None) -> None:
        self._core.machine.emit(IdTagRefused(id_tag, connector, status))

    # -- an idTag where something goes on already --

    def _owner(self, connector: int) -> tuple[str, str | None] | None:
        """The idTag, and the group, of whoever has the connector."""
        intent = self._intents.get(connector)
        owner = self._charging.on(connector) or self._cables.holder(connector) or (intent and intent.use)
        return (owner.id_tag, owner.parent_id_tag) if owner else None

    def _is_own(self, connector: int, id_tag: str) -> bool:
        owner = self._owner(connector)
        return owner is not None and same_id_tag(owner[0], id_tag)

    def _on_other(self, id_tag: str, connector: int | None, info: IdTagInfo) -> None:
        """Somebody else's idTag: of the same group it does what the owner's would (CP16-005, CP16-042)."""
        if info.status is not AuthorizationStatus.ACCEPTED:
            self._refuse(id_tag, connector, info.status)
            return
        for place in self._places(connector):
            owner = self._owner(place)
            if owner is not None and same_id_tag(owner[1], info.parent_id_tag):
                self._leave(place, id_tag)
                return
        self._refuse(id_tag, connector)

    def _leave(self, connector: int, id_tag: str) -> None:
        if self._charging.on(connector) is not None:
            self._charging.stop(connector, Reason.LOCAL, id_tag)
        elif self._cables.holder(connector) is not None:
            self._cables.unlock(connector)  # CP16-065
        elif self._intents[connector].stage is _Stage.CABLE:  # B1; before and after it is the same card, read twice
            self.cancel(connector)

    # -- an idTag where something might begin --

    def choose(self, id_tag: str, connector: int | None = None) -> int | None:
        """A connector, or this one, that an idTag could start a transaction on: one with a cable in before others."""
        if len(id_tag) > LONGEST_ID_TAG:  # a session may put up with it, but no StartTransaction could tell it
            return None
        parent = self._authoriser.parent_of(id_tag)
        places = self._connectors.ids() if connector is None else [connector]
        free = [place for place in places if self._may(Use(place, id_tag, parent))]
        return next((place for place in free if self._connectors[place].is_plugged), free[0] if free else None)

    def _may(self, use: Use) -> bool:
        """Whether nobody and nothing is in the way of a use (CP16-069, CP16-083)."""
        return (
            use.connector in self._connectors.ids()  # CP16-082
            and self._connectors[use.connector].is_operative
            and self._owner(use.connector) is None
            and self._is_sound(use)
        )

    def _is_sound(self, use: Use) -> bool:
        return (
            use.connector not in self._spent and self._charging.has_room and all(gate(use) for gate in self._core.gates)
        )

    def start(
        self, id_tag: str, connector: int, *, authorised: bool, charging_profile: ChargingProfile | None = None
    ) -> None:
        """Use a connector that was chosen, as if the idTag had been presented there (CP16-081)."""
        parent = self._authoriser.parent_of(id_tag)
        use = Use(connector, id_tag, parent, charging_profile=charging_profile)
        self._start(_Intent(use), authorised=authorised)

    def _start(self, intent: _Intent, *, authorised: bool = False) -> None:
        self._intents[intent.use.connector] = intent
        if authorised:
            self._on_authorised(intent)
        else:
            self._authoriser.authorise(intent.use.id_tag, partial(self._on_info, intent))

    def _on_info(self, intent: _Intent, info: IdTagInfo) -> None:
        use = intent.use
        if self._intents.get(use.connector) is not intent:
            return
        if info.status is not AuthorizationStatus.ACCEPTED:
            del self._intents[use.connector]
            self._refuse(use.id_tag, use.connector, info.status)
            return
        use.parent_id_tag = info.parent_id_tag
        self._on_authorised(intent)

    def _on_authorised(self, intent: _Intent) -> None:
        use = intent.use
        if not self._is_sound(use):  # a gate may know more about it, now that the group is known (CP16-132)
            del self._intents[use.connector]
            self._refuse(use.id_tag, use.connector)
            return
        intent.stage = _Stage.CABLE
        self._connectors.use(use.connector)
        if self._connectors[use.connector].is_plugged:
            self._lock(intent)

    # -- all that it takes --

    def _on_plug(self, notice: PlugChanged) -> None:
        connector = notice.connector
        if not connector.is_plugged:
            self._spent.discard(connector.id)
            intent = self._intents.get(connector.id)
            if intent is not None and intent.stage in _CABLE_IS_IN:
                self.cancel(connector.id)
            return
        intent = self._intents.get(connector.id) or self._called(connector.id)
        if intent is not None and intent.stage is _Stage.CABLE:
            self._lock(intent)

    def _called(self, connector: int) -> _Intent | None:
        """Who meant to use another connector, but would as well use this one, where a cable is in now."""
        for intent in self._intents.values():
            there = intent.use.connector
            use = attrs.evolve(intent.use, connector=connector)
            if intent.is_anywhere and not self._connectors[there].is_plugged and self._may(use):
                del self._intents[there]
                self._intents[connector] = intent
                intent.use = use
                if intent.stage is _Stage.CABLE:
                    self._connectors.release(there)
                    self._connectors.use(connector)
                return intent
        return None

    def _lock(self, intent: _Intent) -> None:
        intent.stage = _Stage.LOCK
        self._cables.lock(intent.use.connector, partial(self._on_locked, intent))

    def _on_locked(self, intent: _Intent, locked: bool) -> None:
        connector = intent.use.connector
        if locked:
            intent.stage = _Stage.METER
            self._meter.read(connector, ReadingContext.TRANSACTION_BEGIN, partial(self._on_first, intent))
        else:  # CP16-039
            del self._intents[connector]
            self._connectors.release(connector)
            self._connectors.fail(connector, ChargePointErrorCode.CONNECTOR_LOCK_FAILURE)

    def _on_first(self, intent: _Intent, reading: Reading) -> None:
        use = intent.use
        if self._intents.get(use.connector) is not intent:
            return
        if self._is_sound(use):
            del self._intents[use.connector]
            self._charging.start(use, reading)
        else:  # a reset is under way since, or the store fails (D-09)
            self.cancel(use.connector)
            self._refuse(use.id_tag, use.connector)

    # -- or nothing comes of it --

    def cancel(self, connector: int) -> None:
        """Whoever meant to use it does not any more (B1)."""
        intent = self._intents.pop(connector, None)
        if intent is None:
            return
        if intent.stage in _CABLE_IS_IN:
            self._cables.unlock(connector)
        if intent.stage is not _Stage.AUTHORISATION:
            self._connectors.release(connector)

    def _on_status(self, notice: StatusMoved) -> None:
        connector = notice.connector
        timers = self._core.machine.timers
        if notice.new is ChargePointStatus.PREPARING:  # CP16-03C: it runs from here
            at = self._core.machine.now + self._core.settings[CONNECTION_TIME_OUT]
            timers.set((_TIMER, connector.id), at, lambda: self._on_time_out(connector.id))
        else:
            timers.cancel((_TIMER, connector.id))
        if not connector.is_operative:
            self.cancel(connector.id)

    def _on_time_out(self, connector: int) -> None:
        intent = self._intents.get(connector)
        if self._charging.on(connector) is not None or (intent is not None and intent.stage is _Stage.METER):
            return  # it is about to begin, or to go on
        self.cancel(connector)
        if self._connectors[connector].is_plugged:
            self._spent.add(connector)
        self._connectors.time_out(connector)


_TIMER: Final = Presentation
_CABLE_IS_IN: Final = (_Stage.LOCK, _Stage.METER)

"""Tools for testing programs that speak OCPP, for use in your own test suite.

In virtual time, without a socket, repeatable from a seed:

* :class:`Pair`, :class:`ConnectionPair`: a charge point and a central system with their handlers, over a :class:`Link`
  that is as bad as its :class:`Conditions` say.
* :class:`Referee`: judges what an end says on one connection.
* :mod:`ocpp_sansio.testing.simulation`: the roles of both live together while everything goes wrong.

With hypothesis (install ``ocpp-sansio[testing]``):

* :mod:`ocpp_sansio.testing.strategies`: messages and payloads, valid and broken.
* :mod:`ocpp_sansio.testing.machines`: hypothesis plays the other end of your central system, or of your charge point.
"""

from .chance import Chance, Dice
from .clock import VirtualClock
from .link import Conditions, Link, LinkEnd
from .pair import ConnectionPair, Pair
from .peer import Peer
from .referee import Foul, Referee
from .side import CentralSystemSide, ChargePointSide, Side
from .trace import Trace

__all__ = [
    "CentralSystemSide",
    "Chance",
    "ChargePointSide",
    "Conditions",
    "ConnectionPair",
    "Dice",
    "Foul",
    "Link",
    "LinkEnd",
    "Pair",
    "Peer",
    "Referee",
    "Side",
    "Trace",
    "VirtualClock",
]

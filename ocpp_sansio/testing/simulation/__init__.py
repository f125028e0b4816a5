"""A charge point, its drivers and a central system together, in virtual time, while everything goes wrong that can.

:func:`simulate` lets them live from a seed: links are cut and stall, either side dies and comes back from what its
store has kept, stores fail or take their time, clocks are wrong, connectors break, resets are asked for. At rest the
ledger of the central system has to show exactly the transactions that were on record at the charge point, in their
order, with what the meters really showed. A :class:`Report` says what is wrong, and :func:`shrink` finds the least
trouble that makes it so. Put your own store into it, as one of its :class:`Parts`, to put that to the test.

* ``trouble``: chance that can be repeated, where trouble strikes, and which.
* ``world``: time, the link, stores, lives and deaths.
* ``station``, ``central``, ``drivers``: the two sides, and who comes to charge.
* ``truth``: what really happened, and the verdict.
"""

from .drivers import Beginning, Ending, Visit
from .run import Parts, Report, shrink, simulate, totals
from .trouble import Chaos, Dice, Plan, Point, Strike, Trouble, Troubles, possible

__all__ = [
    "Beginning",
    "Chaos",
    "Dice",
    "Ending",
    "Parts",
    "Plan",
    "Point",
    "Report",
    "Strike",
    "Trouble",
    "Troubles",
    "Visit",
    "possible",
    "shrink",
    "simulate",
    "totals",
]

"""Every bound on what a peer can make us hold or do that somebody may want otherwise, in one place.

Bounds of what is read but never kept, and a few that nobody needs otherwise, are constants of the modules that use
them: ``messages.MAX_DEPTH``, ``messages.MAX_NODES``, ``tolerance.MAX_DEVIATIONS``, ``tolerance.MAX_ENUM_LENGTH``,
``tolerance.MAX_TEXT``, ``session.BAD_MESSAGE_WINDOW``, ``session.MAX_TOLD_APART``, ``diagnosis.MAX_REPORTED``,
``diagnosis.MAX_VIOLATIONS``, ``frames.MAX_ECHOED_ID``, ``handshake.MAX_IDENTITY``, ``application.MAX_ACCEPTED``,
``entrance.MAX_PROVEN``, ``entrance.UNDECIDED_FOR``, ``dialer.MAX_RETRY_AFTER``, ``data_transfer.MAX_QUOTED``; of
files, ``trace.MAX_LENGTH``, ``audit.MAX_STATIONS``, ``audit.MAX_UNANSWERED`` and ``audit.MAX_REMEMBERED``.
"""

from __future__ import annotations

import math
from typing import Any

import attrs
from attrs.validators import ge, gt, instance_of, lt, optional

from .messages import MAX_DEPTH, MAX_NODES

__all__ = ["Limits", "limits_or_default"]


def _positive(default: int) -> Any:
    return attrs.field(default=default, validator=[instance_of(int), gt(0)])


def _natural(default: int) -> Any:
    return attrs.field(default=default, validator=[instance_of(int), ge(0)])


def _count(default: int | None) -> Any:
    return attrs.field(default=default, validator=optional([instance_of(int), gt(0)]))


def _number(default: float) -> Any:
    return attrs.field(default=default, validator=gt(0))


def _seconds(default: float | None) -> Any:
    return attrs.field(default=default, validator=optional(gt(0)))


def _finite(default: float) -> Any:
    # They are told to a peer, in Retry-After.
    return attrs.field(default=default, validator=[gt(0), lt(math.inf)])


@attrs.frozen(kw_only=True)
class Limits:
    """The bounds of one connection, and of who may connect. Times are in seconds; ``None`` switches a time limit off.

    The defaults fit a central system with thousands of stations; the largest legitimate message of any version
    stays well below ``max_message_size``.

    Raises:
        TypeError: what is counted is not counted in whole numbers.
        ValueError: a number is negative, or is 0 or infinite where that makes no sense.
    """

    # -- messages --
    max_message_size: int = _positive(2**20)
    """Bytes of one message, after reassembly. A longer one closes the connection with 1009 (F-48, F-49)."""
    max_fragments: int = _positive(1024)
    """WebSocket fragments of one message. More close the connection with 1008 (F-50)."""
    max_values: int = _positive(MAX_NODES)
    """JSON values in one message, however they nest. One with more is refused as a whole: a megabyte has room for
    350,000 empty arrays, and they would be read several times to tell all that is wrong with them (F-68, F-113)."""
    max_depth: int = _positive(MAX_DEPTH)
    """Nesting of the details of a CALLERROR, which no schema bounds (F-65)."""
    max_reported_text: int = _natural(1024)
    """Characters of a message that an event about it quotes (F-60)."""
    max_reported_violations: int = _positive(20)
    """Violations that a CALLERROR lists. More are counted; the event about the message has them."""
    max_bad_messages: int = _positive(50)
    """Texts in a row that are no OCPP messages, or repeat CALLs, within a minute, with no new CALL, no SEND and no
    awaited answer among them. More close the connection with 1008."""

    # -- calls --
    call_timeout: float = _number(30.0)
    """How long a CALL of ours may stay unanswered once sent, unless the call says otherwise (RPC-055)."""
    answer_timeout: float | None = _seconds(60.0)
    """How long a CALL of the peer may stay with the application before it is answered with InternalError (F-99). A
    handler that blocks its thread blocks this as well."""
    max_queued_calls: int = _natural(1000)
    """CALLs of ours that wait behind the one outstanding (F-124)."""
    max_inbound_calls: int = _positive(8)
    """CALLs of the peer that may be with the application at the same time, and, counted apart, SENDs and refusals of
    responses. Beyond that reading stops (F-98). For SENDs and refusals it is the adapters that keep this bound and the
    next one: a driver of the bare core sees to them itself.

    A handler goes on when its CALL has been answered in its place, and when its connection has ended: it may be writing
    down the end of a transaction. Of one charge point, over all its connections, adapters with an event loop leave so
    many behind, and as many of the other kind; for one more they cancel the oldest. A thread cannot be cancelled: while
    handlers hold up twice as many connections of a charge point, ``ocpp_transports.sync`` refuses one more with 503."""
    max_held_calls: int = _natural(256)
    """CALLs of the peer that were read already and wait for those, up to ``max_message_size`` bytes in all. More close
    the connection with 1008. A peer that keeps to RPC-050 never has one waiting. Counted apart, by number only, so
    many SENDs and refusals may wait while a call of ours waits for its answer (F-100)."""
    max_replays: int = _natural(16)
    """Answers kept so that a repeated CALL gets the same one again (RPC-042, F-94)."""
    max_expired_calls: int = _natural(64)
    """CALLs of ours that are remembered after their time-out, so that a late answer is known (RPC-057)."""

    # -- who may connect: these are of a central system, not of one connection --
    max_failures_per_identity: int | None = _count(10)
    """Attempts to connect as one station that may fail in a row, from where it is not known to be, before the next
    ones are refused with 429; and as many from where it was authenticated the last time, counted apart, so that
    nobody's attempts can keep it out (F-29). One that is not decided yet counts as failed. ``None``: any number."""
    max_failures_per_source: int | None = _count(100)
    """The same for the attempts from one address, whatever the station, stations known to be there left out; but those
    that are not decided yet count as failed only once so many have, until all is forgiven. Behind a proxy, all have
    its address."""
    max_undecided_per_source: int | None = _count(10_000)
    """How many attempts from one address may be with ``authenticate`` at the same time until then, before the next ones
    are refused with 429; so many have no effect any more a minute later. All stations behind one address may come at
    once, and none of them has failed. ``None``: any number."""
    failure_interval: float = _finite(5.0)
    """Seconds until one more may fail. Each time the last one has, it is twice as long, until all are there again."""
    max_failure_interval: float = _finite(300.0)
    """To how many seconds that may grow."""
    max_takeovers: int | None = _count(10)
    """How many times in a row one station may take the place of a connection of its that is open, before the next ones
    are refused with 429 (F-36). ``None``: any number."""
    takeover_interval: float = _finite(10.0)
    """Seconds until it may once more."""
    max_throttled: int = _positive(20_000)
    """Stations, and addresses, and so on, whose attempts are counted (F-129): those that tried last."""

    # -- of a role that an adapter runs --
    max_waiting_effects: int = _positive(100_000)
    """Effects, and events that will lead to some, that may wait until the host has acted on what it was told before.
    With more, a link that brings another event, or that is new, is closed with 1013 before the role hears of it, so
    that nothing is lost and the peer keeps what it has to say (F-123). What the host or the clock has the role do is
    not bounded."""

    # -- connection --
    handshake_timeout: float | None = _seconds(10.0)
    """From the first byte we could have got to an open WebSocket, whatever trickles in meanwhile (F-01, F-02)."""
    max_handshake_size: int = _positive(8192)
    """Bytes of the handshake's request or response head (F-03)."""
    max_headers: int = _positive(64)
    """Header fields of the handshake (F-03)."""
    ping_interval: float | None = _seconds(20.0)
    """Silence of the peer after which it is sent a ping (RPC-121)."""
    ping_timeout: float | None = _seconds(20.0)
    """Silence after that ping until the connection counts as lost (RPC-123, F-07)."""
    probe_timeout: float = _number(5.0)
    """Silence after a ping that ``probe`` has sent until the connection counts as lost (F-34)."""
    close_timeout: float | None = _seconds(5.0)
    """How long the closing handshake may take (F-10)."""
    max_control_burst: int = _positive(50)
    """Control frames that may come at once. More, unless ``max_control_rate`` allows them, close with 1008 (F-53)."""
    max_control_rate: float = _number(10.0)
    """Control frames per second in the long run."""
    max_unsent: int = _positive(2**20)
    """Bytes waiting for a slow reader before an adapter stops reading from it, and refuses to send it a SEND (F-06)."""


def limits_or_default(limits: object) -> Limits:
    """What is given as ``limits``, or the default in place of ``None``.

    Raises:
        TypeError: it is something else.
    """
    if limits is None:
        return Limits()
    if not isinstance(limits, Limits):
        raise TypeError(f"limits are given as Limits(…), not as {type(limits).__name__}")
    return limits

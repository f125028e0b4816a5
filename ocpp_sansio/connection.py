"""A session over a WebSocket: TCP bytes in and out, for either end.

What it is above the bytes is a :class:`ocpp_sansio.channel.Channel`; here are the bytes, and the two ends.

The driver's part, in this order, after every step (one mutation → drain completely → wait):

1. Mutate once: ``receive_data``, ``receive_eof``, ``handle_timeout``, or a command such as ``call``.
2. Act on ``next_event()`` until it returns ``None``.
3. Send ``data_to_send()``; if ``transport_done``, close the transport after that.
4. Wait for bytes, unless ``reading_paused``, for ``next_timeout()``, or for the user.

``now`` is seconds of any monotonic clock. A ``now`` that goes backwards is taken for the latest one seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypedDict, TypeVar

from .channel import CentralSystemChannel, Channel, Opener, spoken
from .events import PendingCall
from .facts import TransportFacts
from .handshake import Endpoint, basic_authorization
from .header_fields import HeaderFields
from .limits import Limits, limits_or_default
from .messages import FromChargePoint, Response, SendFromChargePoint
from .session import CentralSystemSession, ChargePointSession, Session, Tap, VersionedActions
from .tolerance import STRICT, StationTolerance, Tolerated
from .version import NoMatch, Version
from .websocket import ClientWebSocket, ServerWebSocket, WebSocket

__all__ = ["CentralSystemConnection", "ChargePointConnection", "Connection", "ConnectionOptions", "LinkOptions"]

R = TypeVar("R", bound=Response)
S = TypeVar("S", bound=Session)
W = TypeVar("W", bound=WebSocket)


class LinkOptions(TypedDict, total=False):
    """Keyword arguments of a charge point's connection that have nothing to do with what is spoken on it."""

    password: bytes | str | None
    """Sent as HTTP Basic credentials, with the identity as user name (RPC-142); text is sent as UTF-8."""
    headers: HeaderFields
    """Further header fields of the opening request."""
    compression: bool
    """Whether to offer permessage-deflate (RPC-020). Each message is compressed by itself, so none tells anything about
    another; but who may choose a part of one, and sees its size, may guess at the rest: leave it off where idTokens or
    keys travel beside text that others choose (F-52). It takes time as well."""
    limits: Limits | None
    """Bounds on what the central system can make us hold or do."""
    tap: Tap | None
    """Shown every OCPP message that comes or goes."""
    tolerance: Tolerated
    """What to put up with in messages, see :class:`ocpp_sansio.Tolerance`. Each event says where it had to be."""


class ConnectionOptions(LinkOptions, total=False):
    """Keyword arguments of a charge point's connection, of :class:`ChargePointConnection` and of adapters alike."""

    versions: Iterable[Version | str]
    """Those offered, in order of preference (RPC-010); 1.6 alone if nothing is said."""
    actions: VersionedActions | None
    """By version, those of it with a vendor's own, see :meth:`ocpp_sansio.Actions.extended`."""


class Connection(Channel[S, W]):
    """Both ends through one code path; use :class:`ChargePointConnection` or :class:`CentralSystemConnection`.

    The last event is one ConnectionClosed, or one ConnectionRefused if the connection never was open.
    """

    def data_to_send(self) -> bytes:
        """The bytes to send now. Given out once."""
        return self._websocket.data_to_send()

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Take in bytes from the transport. Never raises for what the peer did."""
        if now > self._now:  # noqa: PLR1730 - see _advance
            self._now = now
        self._websocket.receive_data(data, now=self._now)
        if self._websocket.events:
            self._heed()

    def receive_eof(self, *, now: float) -> None:
        """The transport is gone: it reached its end, or it failed (F-08, F-09)."""
        self._advance(now)
        self._websocket.receive_eof(now=self._now)
        self._heed()


class ChargePointConnection(Connection[ChargePointSession, ClientWebSocket]):
    """A charge point's connection to its central system. The opening request is in ``data_to_send`` at once.

    Args:
        url: the endpoint URL of the central system, ``ws://…`` or ``wss://…``; the identity is added to its path.
        identity: the name of the charge point (RPC-002…004).
        now: the current time.
        message_ids: makes the ids of our CALLs, see :func:`ocpp_sansio.session.numbered_ids`.
        **options: see :class:`ConnectionOptions`.

    Raises:
        ValueError: the URL, the identity or a header field is not acceptable, or a version or repair is unknown.
    """

    def __init__(
        self,
        url: str,
        identity: str,
        *,
        now: float,
        message_ids: Callable[[], str],
        versions: Iterable[Version | str] = (Version.V16,),
        password: bytes | str | None = None,
        headers: HeaderFields = (),
        compression: bool = False,
        limits: Limits | None = None,
        tap: Tap | None = None,
        actions: VersionedActions | None = None,
        tolerance: Tolerated = STRICT,
    ) -> None:
        limits = limits_or_default(limits)
        self._endpoint = Endpoint.of(url, identity)
        if password is not None:
            password = password.encode() if isinstance(password, str) else password
            headers = [("Authorization", basic_authorization(identity, password)), *headers]
        super().__init__(
            partial(
                ClientWebSocket,
                self._endpoint,
                spoken(versions),
                headers=headers,
                compression=compression,
                limits=limits,
                now=now,
            ),
            Opener(ChargePointSession, actions, tolerance, message_ids=message_ids, limits=limits, tap=tap),
            limits,
            now,
        )

    @property
    def host(self) -> str:
        """The host to connect to: a name, or an address without brackets."""
        return self._endpoint.host

    @property
    def port(self) -> int:
        """The TCP port to connect to."""
        return self._endpoint.port

    @property
    def secure(self) -> bool:
        """Whether the transport has to be TLS."""
        return self._endpoint.secure

    def call(
        self,
        request: FromChargePoint[R],
        *,
        now: float,
        timeout: float | None = None,
        expires_in: float | None = None,
    ) -> PendingCall[R]:
        """Ask the central system. See :meth:`CentralSystemConnection.call`."""
        if now > self._now:  # noqa: PLR1730 - see _advance
            self._now = now
        call = self._opened().call(request, now=self._now, timeout=timeout, expires_in=expires_in)
        self._speak()
        return call

    def send(self, message: SendFromChargePoint, *, now: float) -> None:
        """Tell the central system something at once, also while a CALL is unanswered; it never answers (RPC-056).

        Raises:
            InvalidMessage: the message breaks its schema.
            SessionClosed: the connection has ended.
            LocalProtocolError: the connection has not been open yet, or the message is not of its version.
        """
        self._advance(now)
        self._opened().send(message, now=self._now)
        self._speak()


class CentralSystemConnection(Connection[CentralSystemSession, ServerWebSocket], CentralSystemChannel[ServerWebSocket]):
    """A central system's connection from one charge point, from the moment the transport stands.

    Nothing reaches the application before it has answered ConnectionRequested with ``accept`` or
    ``reject_connection``, within ``Limits.handshake_timeout``.

    Args:
        now: the current time.
        versions: those spoken; the charge point's preference decides among them (RPC-011).
        message_ids: makes the ids of our CALLs, see :func:`ocpp_sansio.session.numbered_ids`.
        no_match: what to do with a charge point that offers none of them (RPC-012, RPC-013).
        compression: whether to use permessage-deflate with those who offer it, see :class:`ChargePointConnection`.
        limits: bounds on what the charge point can make us hold or do.
        tap: is shown every OCPP message that comes or goes.
        actions: by version, those of it with a vendor's own, see :meth:`ocpp_sansio.Actions.extended`.
        tolerance: what to put up with in messages, see :class:`ocpp_sansio.Tolerance`, or what tells it by the
            ConnectionRequested when that is accepted. Each event says where it had to be.
        allow_origin: whether to admit requests with an Origin, which browsers send and charge points do not (F-32).
        facts: tells what the transport knows of the client. It is asked once, when the head of the request is complete.

    Raises:
        ValueError: a version or repair is unknown, or there is no version.
    """

    def __init__(
        self,
        *,
        now: float,
        versions: Iterable[Version | str] = (Version.V16,),
        message_ids: Callable[[], str],
        no_match: NoMatch = NoMatch.ACCEPT_THEN_CLOSE,
        compression: bool = False,
        limits: Limits | None = None,
        tap: Tap | None = None,
        actions: VersionedActions | None = None,
        tolerance: StationTolerance = STRICT,
        allow_origin: bool = False,
        facts: Callable[[], TransportFacts] = TransportFacts,
    ) -> None:
        limits = limits_or_default(limits)
        super().__init__(
            partial(
                ServerWebSocket,
                spoken(versions),
                no_match=no_match,
                allow_origin=allow_origin,
                facts=facts,
                compression=compression,
                limits=limits,
                now=now,
            ),
            Opener(CentralSystemSession, actions, tolerance, message_ids=message_ids, limits=limits, tap=tap),
            limits,
            now,
        )

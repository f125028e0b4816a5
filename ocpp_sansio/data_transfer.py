"""DataTransfer with types: a vendor's messages, told apart by vendorId and messageId, and the data that goes and comes.

Knows how ``data`` carries a JSON object, and which status answers what. It must not know sessions, nor any version by
name: what differs between them is read off the classes of their messages. Nothing here asks or answers by itself: a
:class:`DataTransfer` makes the request and reads the answer to it, and :class:`DataTransfers` have a handler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum, unique
from functools import partial
from inspect import isawaitable
from types import NoneType
from typing import Any, Final, Generic, Protocol, TypeVar

import attrs
import msgspec

from .codec import PayloadError, codec_of
from .diagnosis import CODES, diagnose, encode
from .errors import CallFailure, InvalidResponse, LocalProtocolError, Violation
from .messages import Datatype, Json, Response, response_of
from .schema import Kind, properties

__all__ = ["DataTransfer", "DataTransfers", "TransferHandler", "TransferRefused", "TransferStatus"]

MAX_QUOTED: Final = 1024
"""Characters of unusable data that an exception repeats (F-60)."""


@unique
class TransferStatus(StrEnum):
    """The status of a DataTransferResponse, spelled alike in every version."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN_MESSAGE_ID = "UnknownMessageId"
    UNKNOWN_VENDOR_ID = "UnknownVendorId"


class TransferRequest(Protocol):
    """A DataTransferRequest of any version."""

    @property
    def vendor_id(self) -> str: ...
    @property
    def message_id(self) -> str | None: ...
    @property
    def data(self) -> Any: ...


class TransferResponse(Protocol):
    """A DataTransferResponse of any version."""

    @property
    def status(self) -> str: ...
    @property
    def data(self) -> Any: ...


class TransferRefused(CallFailure):
    """The peer answered a DataTransfer with a status other than Accepted."""

    def __init__(self, response: TransferResponse) -> None:
        super().__init__(response)
        self.response: TransferResponse = response
        self.status: str = str(response.status)

    def __str__(self) -> str:
        info = getattr(self.response, "status_info", None)
        said = () if info is None else (info.reason_code, info.additional_info)
        return ": ".join(filter(None, (self.status, *said)))


D = TypeVar("D", bound=Datatype | None)
A = TypeVar("A", bound=Datatype | None)
Q = TypeVar("Q", bound=TransferRequest)


@attrs.frozen
class DataTransfer(Generic[D, A]):
    """One message of a vendor's, as both ends declare it. ``NoneType`` stands for no data.

    Raises:
        TypeError: the data is declared with types that JSON Schema cannot tell.
    """

    vendor_id: str
    message_id: str | None
    """``None``: the vendor has but this one message, and it goes without an id."""
    data: type[D]
    """The class of what goes in the request."""
    answer: type[A]
    """The class of what comes in the response, if that accepts the request."""

    def __attrs_post_init__(self) -> None:
        for cls in (self.data, self.answer):
            if issubclass(cls, Datatype):
                codec_of(cls)  # better now than when a peer has sent one

    def __str__(self) -> str:
        return f"{self.vendor_id} {self.message_id or ''}".rstrip()

    def request(self, cls: type[Q], data: D) -> Q:
        """The request to call the peer with, for the version whose ``DataTransferRequest`` is given.

        Raises:
            InvalidMessage: the data breaks the schema of its class.
            LocalProtocolError: the data is not of the class declared.
        """
        make: Any = cls
        packed = _trait(cls).pack(self.data, data)
        request: Q = make(vendor_id=self.vendor_id, message_id=self.message_id, data=packed)
        return request

    def answer_of(self, response: TransferResponse) -> A:
        """The data that the peer has answered with.

        Raises:
            TransferRefused: the status is not Accepted.
            InvalidResponse: the data breaks the schema of its class.
        """
        if response.status != TransferStatus.ACCEPTED:
            raise TransferRefused(response)
        try:
            answer: A = _trait(type(response)).unpack(self.answer, response.data)
        except _Misfit as misfit:
            text = msgspec.json.encode(response.data).decode()
            raise InvalidResponse(misfit.violations, text[:MAX_QUOTED]) from None
        return answer


TransferHandler = Callable[[Any, D], A | TransferStatus | Awaitable[A | TransferStatus]]
"""Called with the peer and the data; returns the data to answer with, or the status if that is not Accepted."""

Report = Callable[[Any, DataTransfer[Any, Any], Sequence[Violation]], None]
"""Called with the peer, the message that it meant, and what is wrong with the data."""


class DataTransfers:
    """The messages of vendors that one end understands, and what it does about them.

    ``handler`` goes into the table of either end, once for each version, under any adapter:
    ``csms.on(v16.DataTransferRequest)(transfers.handler)``. An end without extensions has to have it as well, with no
    message in it (CP16-201). Data that does not fit its class is answered with Rejected, and told to ``report``.
    """

    def __init__(self, *, report: Report | None = None) -> None:
        self._report = report
        self._known: dict[_Trait, dict[_Key, tuple[DataTransfer[Any, Any], TransferHandler[Any, Any]]]] = {
            trait: {} for trait in _TRAITS.values()
        }

    def on(self, transfer: DataTransfer[D, A]) -> Callable[[TransferHandler[D, A]], TransferHandler[D, A]]:
        """Decorate the handler of a message. It may raise :class:`ocpp_sansio.Rejection`, as any other.

        Raises:
            ValueError: a message of this name, in whatever case, has a handler already.
        """

        def register(handler: TransferHandler[D, A]) -> TransferHandler[D, A]:
            if _WIDEST.key(transfer) in self._known[_WIDEST]:
                raise ValueError(f"{transfer} has a handler already")
            for trait, known in self._known.items():
                known[trait.key(transfer)] = transfer, handler
            return handler

        return register

    def handler(self, peer: Any, request: Any) -> Any:
        """Answer a DataTransferRequest of any version: with a response, or with what an ``async`` handler will give."""
        cls = request.__class__
        trait, respond = _trait(cls), partial(_respond, cls)
        known = self._known[trait]
        vendor_id, _ = key = trait.key(request)
        if key not in known:
            # CP16-200, CP16-201, CP201-173
            is_known = vendor_id in (vendor for vendor, _ in known)
            return respond(TransferStatus.UNKNOWN_MESSAGE_ID if is_known else TransferStatus.UNKNOWN_VENDOR_ID)
        transfer, handler = known[key]
        try:
            data = trait.unpack(transfer.data, request.data)
        except _Misfit as misfit:
            # The DataTransfer itself breaks no rule: it gets a status, as the two ends agree (CP16-200), no CALLERROR.
            if self._report is not None:
                self._report(peer, transfer, misfit.violations)
            return respond(TransferStatus.REJECTED, why=misfit.violations)
        answer = handler(peer, data)
        return _reply_later(cls, transfer, answer) if isawaitable(answer) else _reply(cls, transfer, answer)


async def _reply_later(request: type[Any], transfer: DataTransfer[Any, Any], answer: Awaitable[Any]) -> Response:
    return _reply(request, transfer, await answer)


def _reply(request: type[Any], transfer: DataTransfer[Any, Any], answer: Any) -> Response:
    status, data = (answer, None) if isinstance(answer, TransferStatus) else (TransferStatus.ACCEPTED, answer)
    if status is TransferStatus.ACCEPTED:
        data = _trait(request).pack(transfer.answer, data)
    return _respond(request, status, data)


# -- what differs between the versions --


class _Misfit(Exception):
    """The data is not what it is declared to be."""

    def __init__(self, *violations: Violation) -> None:
        super().__init__(violations)
        self.violations = violations


_Key = tuple[str, str | None]
"""A vendor and a message of its."""


@attrs.frozen
class _Trait:
    """How ``data`` carries a JSON object, and when two names are the same."""

    write: Callable[[bytes], Any]
    """From JSON to what ``data`` is."""
    read: Callable[[Any], bytes | str]
    fold: Callable[[str], str]

    def key(self, named: TransferRequest | DataTransfer[Any, Any]) -> _Key:
        """By which a vendor's message is known."""
        return self.fold(named.vendor_id), None if named.message_id is None else self.fold(named.message_id)

    def pack(self, cls: type[Any], data: Any) -> Any:
        if type(data) is not cls:
            raise LocalProtocolError(f"the data is declared as {cls.__name__}, not as {type(data).__name__}")
        if data is None:
            return None
        return self.write(encode(codec_of(cls), data))

    def unpack(self, cls: type[Any], data: Any) -> Any:
        if data is None and cls is NoneType:
            return None
        if data is None:
            raise _Misfit(Violation("$.data", "required", CODES["required"], "is required"))
        if cls is NoneType:
            rule = "additionalProperties"
            raise _Misfit(Violation("$.data", rule, CODES[rule], "there is no data in this message"))
        text = self.read(data)
        try:
            return codec_of(cls).decode(text)
        except PayloadError:
            raise _Misfit(
                *(attrs.evolve(each, path=f"$.data{each.path[1:]}") for each in diagnose(cls, text))
            ) from None


# By what ``data`` is declared to be (SCH-026).
_TRAITS: Final = {
    str: _Trait(write=bytes.decode, read=str, fold=str.lower),  # 1.6, where names are CiStrings (RPC-108)
    Json: _Trait(write=msgspec.json.decode, read=msgspec.json.encode, fold=str),  # 2.x
}
_WIDEST: Final = _TRAITS[str]
"""The one that takes most names for the same."""


def _kinds(cls: type[Datatype]) -> dict[str, Kind]:
    return {prop.name: prop.kind for prop in properties(cls)}


def _trait(cls: type[Any]) -> _Trait:
    """That of the version to which a request or a response class belongs."""
    return _TRAITS[_kinds(cls)["data"].type]


def _respond(request: type[Any], status: TransferStatus, data: Any = None, why: Sequence[Violation] = ()) -> Response:
    cls: Any = response_of(request)
    kinds = _kinds(cls)
    fields = {"status": kinds["status"].type(status), "data": data}
    if why and "status_info" in kinds:  # CP201-005; 1.6 has no place for it
        info = kinds["status_info"].type
        text = "; ".join(map(str, why))[: _kinds(info)["additional_info"].max_length]
        fields["status_info"] = info(reason_code=_INVALID_VALUE, additional_info=text)
    response: Response = cls(**fields)
    return response


_INVALID_VALUE: Final = "InvalidValue"
"""Of the reason codes that 2.x lists, the one for this."""

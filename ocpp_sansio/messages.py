"""What every message class is made of: the pairing of request and response, and the direction of a request.

The message classes themselves are generated, one package per version. They are :class:`msgspec.Struct`: read from
bytes and validated in one pass. They also speak attrs (:func:`speak_attrs`), so that ``attrs.evolve``,
``attrs.asdict``, cattrs and hypothesis work on them.

Two kinds of values no schema describes to the end: :class:`CustomData` and :data:`Json`. What is known of them is
known here, by :func:`read_open` and :func:`write_open`; msgspec asks these only when it meets such a value.
"""

from __future__ import annotations

import sys
from abc import ABC
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum, unique
from importlib import import_module
from itertools import chain
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Protocol,
    Self,
    TypeAlias,
    TypeGuard,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

import attrs
import msgspec

from .confidential import shown

__all__ = [
    "Action",
    "Actions",
    "AnyFromCentralSystem",
    "AnyFromChargePoint",
    "CustomData",
    "Datatype",
    "Default",
    "FromCentralSystem",
    "FromChargePoint",
    "Integer",
    "Json",
    "Natural",
    "Request",
    "Response",
    "Role",
    "Send",
    "SendFromChargePoint",
    "Tenths",
    "Timestamp",
    "is_bounded",
    "offer_to_hypothesis",
    "read_open",
    "response_of",
    "speak_attrs",
    "write_open",
]

Integer = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
"""An OCPP integer: 32 bit, signed (RPC-103, RPC-106)."""

Natural = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""An OCPP integer that is not negative."""

Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]
"""An OCPP dateTime: always aware; written in UTC with at most three fraction digits, read with any (RPC-100…102)."""

Tenths = Annotated[float, msgspec.Meta(extra={"multipleOf": "0.1"})]
"""A number with at most one fraction digit, decided on its decimal text (RPC-105): binary floats have no 0.1."""


@attrs.frozen
class Default:
    """In the annotation of an optional property: what its absence means (SCH-029).

    It is not put in the property's place, so that what was left out is left out again;
    :func:`ocpp_sansio.in_force` tells it.
    """

    value: Any


class _AttrsOnDemand:
    """Attaches attrs' metadata to a class the first time somebody asks for it, and then steps aside.

    Attaching takes far longer than defining the class, and a program that never asks should not pay for it.
    """

    def __get__(self, instance: object, owner: type[Datatype]) -> Any:
        speak_attrs(owner)
        return owner.__attrs_attrs__


# msgspec passes `frozen` on to subclasses, which its own declaration does not tell; `kw_only` it does not pass on.
@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Datatype(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,
):
    """A JSON object of the protocol. Its constructor does not validate: see :func:`ocpp_sansio.validate`.

    Printed, it shows neither a password nor a key (F-40).
    """

    __attrs_attrs__: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__attrs_attrs__ = _AttrsOnDemand()
        # ``T | None`` tells readers and type checkers that a property may be left out. msgspec would take it to allow a
        # JSON null as well, which no property does (RPC-038): what it finds when it looks, later, is ``T``.
        for name, annotation in cls.__annotations__.items():
            cls.__annotations__[name] = _without_none(annotation)
        _offer_to_hypothesis(cls)

    def __repr__(self) -> str:
        properties = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({properties})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return shown(self.__struct_fields__, self)


def offer_to_hypothesis() -> None:
    """Have hypothesis, which was imported after them, know the classes there are. It gets to know those to come."""
    _offer_to_hypothesis(CustomData)
    classes: list[type[Datatype]] = [Datatype]
    for cls in classes:  # which grows meanwhile
        classes += cls.__subclasses__()
        _offer_to_hypothesis(cls)


def _offer_to_hypothesis(cls: type[Datatype | CustomData]) -> None:
    """Let ``from_type`` of hypothesis, if that is there, make valid instances. What does so is imported when asked."""
    strategies = sys.modules.get("hypothesis.strategies")
    if strategies is not None:
        strategies.register_type_strategy(cls, _strategy_of)


def _strategy_of(cls: type[Datatype | CustomData]) -> Any:
    return import_module("ocpp_sansio.testing.strategies").messages(cls)


def _without_none(annotation: Any) -> Any:
    """An annotation that does not allow ``None``. It is text if its module postpones the evaluation of annotations."""
    if isinstance(annotation, str):
        present = annotation.removesuffix(" | None")
        if "Optional" in present or "None" in present:
            raise TypeError(f"an optional property is declared as `T | None`, not as `{annotation}`")
        return present
    if get_origin(annotation) in (Union, UnionType):
        return Union[tuple(kind for kind in get_args(annotation) if kind is not NoneType)]  # noqa: UP007 (any number of them)
    return annotation


# -- what the schemas leave open --

MAX_DEPTH: Final = 32
"""Nesting of a value that no schema bounds. A deeper one is refused: it could be read, but hardly looked at (F-65)."""
MAX_NODES: Final = 50_000
"""Values inside of one. One with more is refused: an empty list takes thirty times the memory of its text (F-114)."""

if TYPE_CHECKING:
    Json: TypeAlias = Any
else:

    class Json(ABC):  # noqa: B024 (there is nothing to implement: everything is one)
        """Any value of JSON: what it is, the two ends agree on (SCH-026). ``None`` is a value that is absent (RPC-038).

        Type checkers take it for ``Any``; msgspec, which asks nobody about an ``Any``, takes it for a class.
        """

        @classmethod
        def __subclasshook__(cls, _: type) -> bool:
            return True


class VendorData(Datatype, kw_only=True, forbid_unknown_fields=False):
    """The part of :class:`CustomData` that all vendors have in common."""

    vendor_id: Annotated[str, msgspec.Meta(max_length=255)]


class CustomData(Mapping[str, Any]):
    """What a vendor adds to an object of 2.x: a JSON object of anything, and who the vendor is (SCH-022).

    A read-only mapping by the names on the wire, ``vendorId`` among them. Like the messages it is compared by its value
    and does not validate what it is made of; like those that have lists it cannot be hashed.
    """

    __slots__ = ("_properties",)

    _properties: dict[str, Any]

    def __init__(self, vendor_id: str, /, **others: Any) -> None:
        self._properties = {"vendorId": vendor_id, **others}

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> Self:
        """That of a JSON object, in its order."""
        made = cls.__new__(cls)
        made._properties = dict(properties)
        return made

    @property
    def vendor_id(self) -> str:
        """The vendor, by a name that no other is likely to have: its reversed domain, say."""
        vendor_id: str = self._properties["vendorId"]
        return vendor_id

    def __getitem__(self, name: str) -> Any:
        return self._properties[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._properties)

    def __len__(self) -> int:
        return len(self._properties)

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self._properties == other._properties if isinstance(other, CustomData) else NotImplemented

    def __repr__(self) -> str:
        return f"CustomData.of({self._properties!r})"


_offer_to_hypothesis(CustomData)


def read_open(cls: type[Any], value: Any) -> Any:
    """Judge what was read in the place of a :class:`CustomData` or :data:`Json`. A ``dec_hook`` of msgspec.

    Raises:
        ValueError: it is not what it should be, nested too deeply, or too much.
    """
    if not is_bounded(value, MAX_DEPTH):
        raise ValueError("nested too deeply, or too much")
    if cls is not CustomData:
        return value
    msgspec.convert(value, VendorData)
    return CustomData.of(value)


def write_open(value: object) -> msgspec.Raw:
    """How a :class:`CustomData` is written. An ``enc_hook`` of msgspec.

    The blank after each colon keeps a vendor's names apart from those of the protocol for whoever searches the text.

    Raises:
        TypeError: it is none.
    """
    if type(value) is not CustomData:
        raise TypeError(f"{type(value).__name__} is not for JSON")
    return msgspec.Raw(msgspec.json.format(msgspec.json.encode(dict(value)), indent=0))


def is_bounded(value: object, levels: float, most: int = MAX_NODES) -> bool:
    """Whether a JSON value is nested in no more than so many levels, and holds no more than so many others."""
    level = [value] if _is_container(value) else []
    nodes = 0
    while level and levels > 0:
        inside = [node.values() if isinstance(node, dict) else node for node in level]
        nodes += sum(map(len, inside))
        if nodes > most:
            return False
        level = [child for child in chain.from_iterable(inside) if _is_container(child)]
        levels -= 1
    return not level


def _is_container(value: object) -> TypeGuard[dict[str, Any] | list[Any]]:
    return isinstance(value, dict | list)


# -- messages --


class Response(Datatype):
    """The payload of a CALLRESULT."""


R = TypeVar("R", bound=Response)


class Request(Datatype, Generic[R]):
    """The payload of a CALL that is answered with an ``R``."""


class FromChargePoint(Request[R]):
    """A request that a charge point may send."""

    if TYPE_CHECKING:

        def _from_charge_point(self) -> tuple[Self, R]: ...


class FromCentralSystem(Request[R]):
    """A request that a central system may send."""

    if TYPE_CHECKING:

        def _from_central_system(self) -> tuple[Self, R]: ...


class Send(Datatype):
    """The payload of a SEND, which nothing answers (2.1)."""


class SendFromChargePoint(Send):
    """One that a charge point may send."""


Q_co = TypeVar("Q_co", covariant=True)
R_co = TypeVar("R_co", bound=Response, covariant=True)


class AnyFromChargePoint(Protocol[Q_co, R_co]):
    """:class:`FromChargePoint` for type checkers: of a request class ``Q`` they find the response class ``R`` as well.

    That is what ties a handler to both. The method exists for them alone.
    """

    def _from_charge_point(self) -> tuple[Q_co, R_co]: ...


class AnyFromCentralSystem(Protocol[Q_co, R_co]):
    """The same of :class:`FromCentralSystem`."""

    def _from_central_system(self) -> tuple[Q_co, R_co]: ...


@unique
class Role(Enum):
    """Which of the two ends of a connection one is."""

    CHARGE_POINT = "charge point"
    CENTRAL_SYSTEM = "central system"

    def __str__(self) -> str:
        return self.value

    @property
    def peer(self) -> Role:
        """The other end."""
        return Role.CENTRAL_SYSTEM if self is Role.CHARGE_POINT else Role.CHARGE_POINT


SENT_BY: Final[dict[Role, tuple[type[Datatype], ...]]] = {
    Role.CHARGE_POINT: (FromChargePoint, SendFromChargePoint),
    Role.CENTRAL_SYSTEM: (FromCentralSystem,),
}


def response_of(request: type[Request[Any] | Send]) -> type[Response] | None:
    """The class of what answers a request, as the request's class declares it; ``None`` for a SEND."""
    bases = chain.from_iterable(vars(cls).get("__orig_bases__", ()) for cls in request.__mro__)
    arguments = chain.from_iterable(map(get_args, bases))
    return next((each for each in arguments if isinstance(each, type) and issubclass(each, Response)), None)


def _declared_response(action: Action) -> type[Response] | None:
    return response_of(action.request)


@attrs.frozen
class Action:
    """One operation, of the protocol or a vendor's own: its name in a CALL and the classes of its two payloads."""

    name: str
    request: type[Request[Any] | Send]
    response: type[Response] | None = attrs.field(default=attrs.Factory(_declared_response, takes_self=True))
    """``None`` if there is none: the operation is a SEND. Left out, it is what the request's class says."""
    profile: str = ""
    """The feature profile (1.6) or the letter of the functional block (2.x) that the operation belongs to, if any."""

    def sent_by(self, role: Role) -> bool:
        """Whether this end may send the request."""
        return issubclass(self.request, SENT_BY[role])


class Actions(Mapping[str, Action]):
    """The operations of one version by name; :meth:`of` finds one by its request class.

    Made once and for all: unlike other mappings these can be hashed, and equal only themselves.

    Raises:
        ValueError: a name or a request class occurs twice.
    """

    def __init__(self, *actions: Action) -> None:
        self._by_name: dict[str, Action] = {}
        self._by_request: dict[type[Request[Any] | Send], Action] = {}
        for action in actions:
            taken = self._by_name.get(action.name) or self._by_request.get(action.request)
            if taken is not None:
                raise ValueError(f"there is an action {taken.name} with a {taken.request.__name__} already")
            self._by_name[action.name] = self._by_request[action.request] = action

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __getitem__(self, name: str) -> Action:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def of(self, request: type[Request[Any] | Send]) -> Action | None:
        """The action of a request class; ``None`` for a class of another version."""
        return self._by_request.get(request)

    def extended(self, *others: Action) -> Actions:
        """These operations and a vendor's own. Both ends have to be given theirs, as their ``actions``.

        Raises:
            ValueError: a name or a request class occurs twice. What the protocol defines cannot be redefined.
            TypeError: the class of a request does not say which end sends it.
        """
        for action in others:
            if not any(map(action.sent_by, Role)):
                raise TypeError(f"{action.request.__name__} is neither FromChargePoint nor FromCentralSystem")
        return Actions(*self.values(), *others)


def speak_attrs(cls: type[Datatype]) -> None:
    """Attach attrs' field metadata to a struct class without touching how it stores, compares or prints itself.

    Every :class:`Datatype` does this on its own, when first asked for it. Each attrs field has the type and the default
    of the struct's field and, as ``metadata["wire_name"]``, its JSON name.
    """
    fields = {field.name: field for field in msgspec.structs.fields(cls)}

    def with_types(_: type, attributes: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
        return [attribute.evolve(type=_attrs_type(fields[attribute.name])) for attribute in attributes]

    attrs.define(
        cls,
        these={
            name: attrs.field(default=_attrs_default(field), kw_only=True, metadata={"wire_name": field.encode_name})
            for name, field in fields.items()
        },
        init=False,
        repr=False,
        eq=False,
        order=False,
        slots=False,
        match_args=False,
        getstate_setstate=False,
        on_setattr=attrs.setters.NO_OP,  # an empty list would be a hook, and replace the struct's own __setattr__
        field_transformer=with_types,
    )


def _attrs_type(field: msgspec.structs.FieldInfo) -> Any:
    return field.type | None if field.default is None else field.type


def _attrs_default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return attrs.Factory(field.default_factory)
    return attrs.NOTHING

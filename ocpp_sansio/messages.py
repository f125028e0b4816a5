"""What every message class is made of: the pairing of request and response, and the direction of a request.

The message classes themselves are generated, one package per version. They are :class:`msgspec.Struct`: read from
bytes and validated in one pass. They also speak attrs (:func:`speak_attrs`), so that ``attrs.evolve``,
``attrs.asdict``, cattrs and hypothesis work on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum, unique
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
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

import attrs
import msgspec

__all__ = [
    "Action",
    "Actions",
    "AnyFromCentralSystem",
    "AnyFromChargePoint",
    "Datatype",
    "FromCentralSystem",
    "FromChargePoint",
    "Integer",
    "Request",
    "Response",
    "Role",
    "Tenths",
    "Timestamp",
    "speak_attrs",
]

Integer = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
"""An OCPP integer: 32 bit, signed (RPC-103, RPC-106)."""

Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]
"""An OCPP dateTime: always aware; written in UTC with at most three fraction digits, read with any (RPC-100…102)."""

Tenths = Annotated[float, msgspec.Meta(extra={"multipleOf": "0.1"})]
"""A number with at most one fraction digit, decided on its decimal text (RPC-105): binary floats have no 0.1."""


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
    """A JSON object of the protocol. Its constructor does not validate: see :func:`ocpp_sansio.validate`."""

    __attrs_attrs__: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__attrs_attrs__ = _AttrsOnDemand()
        # ``T | None`` tells readers and type checkers that a property may be left out. msgspec would take it to allow a
        # JSON null as well, which no property does (RPC-038): what it finds when it looks, later, is ``T``.
        for name, annotation in cls.__annotations__.items():
            cls.__annotations__[name] = _without_none(annotation)


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


SENT_BY: Final[dict[Role, type[Request[Any]]]] = {
    Role.CHARGE_POINT: FromChargePoint,
    Role.CENTRAL_SYSTEM: FromCentralSystem,
}


@attrs.frozen
class Action:
    """One operation of the protocol: its name in a CALL and the classes of its two payloads."""

    name: str
    request: type[Request[Any]]
    response: type[Response]
    profile: str
    """The feature profile (1.6) or functional block (2.x) that the operation belongs to."""

    def sent_by(self, role: Role) -> bool:
        """Whether this end may send the request."""
        return issubclass(self.request, SENT_BY[role])


class Actions(Mapping[str, Action]):
    """The operations of one version by name; :meth:`of` finds one by its request class."""

    def __init__(self, *actions: Action) -> None:
        self._by_name = {action.name: action for action in actions}
        self._by_request = {action.request: action for action in actions}

    def __getitem__(self, name: str) -> Action:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def of(self, request: type[Request[Any]]) -> Action | None:
        """The action of a request class; ``None`` for a class of another version."""
        return self._by_request.get(request)


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

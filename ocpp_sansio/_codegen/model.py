"""A version's package of messages, as data: what :mod:`.reader` makes and :mod:`.render` writes."""

from __future__ import annotations

import attrs

__all__ = ["Action", "Alias", "Class", "Enum", "Field", "Member", "Package"]


@attrs.frozen
class Member:
    """A member of an enum."""

    name: str
    value: str
    doc: str = ""


@attrs.frozen
class Enum:
    """A closed list of strings."""

    name: str
    doc: str
    rules: tuple[str, ...]
    members: tuple[Member, ...]


@attrs.frozen
class Alias:
    """A constrained type with a name of its own."""

    name: str
    doc: str
    type: str


@attrs.frozen
class Field:
    """A property of an object."""

    name: str
    wire_name: str
    type: str
    """The annotation, without the ``| None`` of an optional property."""
    required: bool
    doc: str = ""


@attrs.frozen
class Class:
    """An object of the schemas: a datatype, or the payload of a message."""

    name: str
    bases: tuple[str, ...]
    doc: str
    notes: str
    """The second paragraph of the docstring: profile, direction, rule ids."""
    fields: tuple[Field, ...]


@attrs.frozen
class Action:
    """One operation: the name in a CALL and the classes of its payloads."""

    name: str
    request: Class
    response: Class | None
    profile: str

    @property
    def payloads(self) -> tuple[Class, ...]:
        """The classes of the request and of the response, if there is one."""
        return (self.request,) if self.response is None else (self.request, self.response)


@attrs.frozen
class Package:
    """All of a version."""

    name: str
    version: str
    summary: str
    enums: tuple[Enum, ...]
    aliases: tuple[Alias, ...]
    datatypes: tuple[Class, ...]
    actions: tuple[Action, ...]

"""Brings the schemas of a version and our data about them together.

Each must account for the other: a schema, property, enum or keyword without data, and data that no schema needs,
stop the reader with :class:`.schemas.Unaccounted`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, TypeVar

from .model import Action, Alias, Class, Enum, Field, Member, Package
from .names import constant, is_name, snake
from .schemas import CONSTRAINTS, Unaccounted, check_keywords

__all__ = ["read"]

T = TypeVar("T")

_SENDERS = {"charge point": "FromChargePoint", "central system": "FromCentralSystem"}
_PEERS = {"charge point": "central system", "central system": "charge point"}
_SCALARS = {"string": "str", "integer": "Integer", "number": "float", "boolean": "bool"}


def read(data: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]) -> Package:
    """The package that data and schemas describe.

    Raises:
        Unaccounted: there is something in one of them that the other knows nothing about.
    """
    return _Reader(deepcopy(dict(data)), deepcopy(dict(schemas))).package()


class _Names:
    """Which type of ours stands for which place in the schemas."""

    def __init__(self, kind: str, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self._kind = kind
        self._at = {place: name for name, entry in entries.items() for place in entry.get("at", ())}
        self._defined = {
            entry.get("definition", name): name
            for name, entry in entries.items()
            if "definition" in entry or "at" not in entry
        }
        self._unused = self._at.keys() | self._defined.keys()

    def of(self, place: str, definition: str | None) -> str:
        """The name of the type at a place, or of the one that the schemas call so."""
        name = self._at.get(place) if definition is None else self._defined.get(definition)
        if name is None:
            raise Unaccounted(definition or place, f"no {self._kind} is named for it")
        self._unused -= {definition or place}
        return name

    def check_all_used(self) -> None:
        """Refuse names that no schema asked for."""
        for place in sorted(self._unused):
            raise Unaccounted(place, f"named as {self._kind}, but not in the schemas")


class _Reader:
    def __init__(self, data: dict[str, Any], schemas: dict[str, Any]) -> None:
        self._data = data
        self._schemas = schemas
        self._enum_names = _Names("enum", data["enums"])
        self._datatype_names = _Names("datatype", data["datatypes"])
        self._shapes: dict[str, object] = {}
        self._enums: dict[str, Enum] = {}
        self._datatypes: dict[str, Class] = {}
        self._aliases: dict[str, Alias] = {}
        self._deviations = {(item["at"], item["keyword"]): item for item in data["deviations"]}
        self._unchecked_formats = set(data["unchecked_formats"])
        self._definitions: dict[str, Any] = {}

    def package(self) -> Package:
        about = self._data["package"]
        actions = tuple(self._action(name, entry) for name, entry in sorted(self._data["messages"].items()))
        self._enum_names.check_all_used()
        self._datatype_names.check_all_used()
        leftovers = [*self._schemas, *(at for at, _ in self._deviations), *self._unchecked_formats]
        leftovers += self._data["aliases"].keys() - self._aliases.keys()
        for leftover in leftovers:
            raise Unaccounted(leftover, "in the schemas or the data, but not in both")
        return Package(
            name=about["name"],
            version=about["version"],
            summary=about["summary"],
            enums=_by_name(self._enums),
            aliases=_by_name(self._aliases),
            datatypes=_by_name(self._datatypes),
            actions=actions,
        )

    # ---------------------------------------------------------------------------------------------------- messages

    def _action(self, action: str, entry: dict[str, Any]) -> Action:
        about = self._data["package"]
        senders = entry["from"]
        response = self._payload(
            f"{action}{about['response_suffix']}",
            f"{action}Response",
            bases=("Response",),
            doc=entry["response"],
            notes=_notes(entry, [_PEERS[sender] for sender in senders]),
            docs=entry.get("response_fields", {}),
        )
        request = self._payload(
            f"{action}{about['request_suffix']}",
            f"{action}Request",
            bases=tuple(f"{_SENDERS[sender]}[{response.name}]" for sender in senders),
            doc=entry["request"],
            notes=_notes(entry, senders),
            docs=entry.get("request_fields", {}),
        )
        return Action(name=action, request=request, response=response, profile=entry["profile"])

    def _payload(
        self, schema: str, name: str, *, bases: tuple[str, ...], doc: str, notes: str, docs: dict[str, str]
    ) -> Class:
        root = self._schemas.pop(schema, None)
        if root is None:
            raise Unaccounted(schema, "there is no such schema")
        check_keywords(root, schema)
        if root["type"] != "object":
            raise Unaccounted(schema, "the payload is not an object")
        self._definitions = root.get("definitions", {})
        return Class(name=name, bases=bases, doc=doc, notes=notes, fields=self._fields(root, schema, docs))

    # ------------------------------------------------------------------------------------------------------- types

    def _fields(self, node: dict[str, Any], place: str, docs: dict[str, str]) -> tuple[Field, ...]:
        properties = node.get("properties", {})
        if unknown := docs.keys() - properties.keys():
            raise Unaccounted(place, f"described, but not a property: {sorted(unknown)}")
        required = set(node.get("required", ()))
        return tuple(
            Field(
                name=_checked(self._data["field_names"].get(wire_name, snake(wire_name)), place),
                wire_name=wire_name,
                type=self._type(child, f"{place}/{wire_name}"),
                required=wire_name in required,
                doc=docs.get(wire_name, ""),
            )
            for wire_name, child in properties.items()
        )

    def _type(self, node: dict[str, Any], place: str) -> str:
        definition = None
        if "$ref" in node:
            check_keywords(node, place)
            definition = node["$ref"].removeprefix("#/definitions/")
            node = self._definitions[definition]
        check_keywords(node, place)
        node = self._deviate(node, place)
        match node["type"]:
            case "object":
                return self._datatype(node, place, definition)
            case "array":
                return _annotated(f"list[{self._type(node['items'], f'{place}[]')}]", node)
            case "string" if "enum" in node:
                return self._enum(node, place, definition)
            case "string" if "format" in node:
                return self._formatted(node, place)
            case "number" if "multipleOf" in node:
                return "Tenths"
            case kind:
                return self._alias(node, place) or _annotated(_SCALARS[kind], node)

    def _datatype(self, node: dict[str, Any], place: str, definition: str | None) -> str:
        name = self._datatype_names.of(place, definition)
        entry = self._data["datatypes"][name]
        fields = self._fields(node, place, entry.get("fields", {}))
        self._same_everywhere(name, fields, place)
        self._datatypes[name] = Class(
            name=name, bases=("Datatype",), doc=entry["doc"], notes=_rules(entry), fields=fields
        )
        return name

    def _enum(self, node: dict[str, Any], place: str, definition: str | None) -> str:
        name = self._enum_names.of(place, definition)
        entry = self._data["enums"][name]
        names, docs, values = entry.get("names", {}), entry.get("members", {}), node["enum"]
        if unknown := (names.keys() | docs.keys()) - set(values):
            raise Unaccounted(place, f"described, but not a value of {name}: {sorted(unknown)}")
        self._same_everywhere(name, set(values), place)
        members = tuple(
            Member(_checked(names.get(value, constant(value)), place), value, docs.get(value, "")) for value in values
        )
        if len({member.name for member in members}) != len(members):
            raise Unaccounted(place, f"two members of {name} have the same name")
        self._enums.setdefault(name, Enum(name=name, doc=entry["doc"], rules=tuple(entry["rules"]), members=members))
        return name

    def _formatted(self, node: dict[str, Any], place: str) -> str:
        format_ = node["format"]
        if format_ == "date-time":
            return "Timestamp"
        if format_ not in self._data["unchecked_formats"]:
            raise Unaccounted(place, f"format {format_!r}")
        self._unchecked_formats.discard(format_)
        return _annotated("str", node)

    def _alias(self, node: dict[str, Any], place: str) -> str | None:
        wire_name = place.rpartition("/")[2]
        aliases: dict[str, Any] = self._data["aliases"]
        for name, entry in aliases.items():
            if wire_name in entry["properties"]:
                if node != entry["schema"]:
                    raise Unaccounted(place, f"not the {name} it is named as")
                self._aliases[name] = Alias(name=name, doc=entry["doc"], type=_annotated("str", node))
                return name
        return None

    def _deviate(self, node: dict[str, Any], place: str) -> dict[str, Any]:
        for key in [key for key in self._deviations if key[0] == place]:
            deviation = self._deviations.pop(key)
            keyword = key[1]
            was = node.get(keyword)
            if "adds" in deviation and not set(was or ()) & set(deviation["adds"]):
                node = node | {keyword: [*(was or ()), *deviation["adds"]]}
            elif "was" in deviation and was == deviation["was"]:
                node = {name: value for name, value in node.items() if name != keyword}
            else:
                raise Unaccounted(place, f"{keyword} is {was}, so the deviation {deviation['rule']} does not apply")
        return node

    def _same_everywhere(self, name: str, shape: object, place: str) -> None:
        if self._shapes.setdefault(name, shape) != shape:
            raise Unaccounted(place, f"not the same {name} as elsewhere: name it apart, or name the deviation")


def _annotated(type_: str, node: dict[str, Any]) -> str:
    limits = {meta: node[keyword] for keyword, meta in CONSTRAINTS.items() if keyword in node}
    if not limits:
        return type_
    return f"Annotated[{type_}, Meta({', '.join(f'{meta}={value}' for meta, value in limits.items())})]"


def _checked(name: str, place: str) -> str:
    if not is_name(name):
        raise Unaccounted(place, f"{name!r} is not a name in Python")
    return name


def _notes(entry: dict[str, Any], senders: Iterable[str]) -> str:
    return f"{entry['profile']}; sent by the {' or the '.join(senders)}. {_rules(entry)}"


def _rules(entry: dict[str, Any]) -> str:
    return f"Rules: {', '.join(entry['rules'])}."


def _by_name(things: Mapping[str, T]) -> tuple[T, ...]:
    return tuple(things[name] for name in sorted(things))

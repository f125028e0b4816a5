"""Brings the schemas of a version and our data about them together.

Each must account for the other: a schema, property, enum or keyword without data, and data that no schema needs,
stop the reader with :class:`.schemas.Unaccounted`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from typing import Any, TypeVar

from .model import Action, Alias, Class, Enum, Field, Member, Package
from .names import constant, is_name, shortened, snake
from .schemas import CONSTRAINTS, Unaccounted, check_keywords, is_custom_data, is_untyped

__all__ = ["read"]

T = TypeVar("T")

_SENDERS = {
    "charge point": "FromChargePoint",
    "charging station": "FromChargePoint",
    "central system": "FromCentralSystem",
    "CSMS": "FromCentralSystem",
}
_PEERS = {
    "charge point": "central system",
    "central system": "charge point",
    "charging station": "CSMS",
    "CSMS": "charging station",
}
_SCALARS = {"string": "str", "integer": "Integer", "number": "float", "boolean": "bool"}
_BOUNDS_OF_INTEGER = {"minimum": "-(2**31)", "maximum": "2**31 - 1"}


def read(data: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]) -> Package:
    """The package that data and schemas describe.

    Raises:
        Unaccounted: there is something in one of them that the other knows nothing about.
    """
    return _Reader(deepcopy(dict(data)), deepcopy(dict(schemas))).package()


class _Names:
    """Which type of ours stands for which place in the schemas."""

    def __init__(self, kind: str, entries: Mapping[str, Any], endings: Iterable[str], others: Collection[str]) -> None:
        self._kind = kind
        self._entries = entries
        self._at = {place: key for key, entry in entries.items() for place in entry.get("at", ())}
        self._defined = {
            entry.get("definition", key): key
            for key, entry in entries.items()
            if "definition" in entry or "at" not in entry
        }
        self._unused = self._at.keys() | self._defined.keys()
        self.names = {key: shortened(key, endings, others) for key in entries}

    def of(self, place: str, definition: str | None) -> tuple[str, dict[str, Any]]:
        """Name and data of the type at a place, or of the one that the schemas call so."""
        key = self._at.get(place) if definition is None else self._defined.get(definition)
        if key is None:
            raise Unaccounted(definition or place, f"no {self._kind} is named for it")
        self._unused -= {definition or place}
        return self.names[key], self._entries[key]

    def check_all_used(self) -> None:
        """Refuse names that no schema asked for."""
        for place in sorted(self._unused):
            raise Unaccounted(place, f"named as {self._kind}, but not in the schemas")


class _Reader:
    def __init__(self, data: dict[str, Any], schemas: dict[str, Any]) -> None:
        for key in data["package"].get("removed", ()):
            if not any(data[kind].pop(key, None) for kind in ("enums", "datatypes", "messages")):
                raise Unaccounted(key, "removed, but not inherited")
        endings = data["package"].get("endings", ())
        self._data = data
        self._schemas = schemas
        self._datatype_names = _Names("datatype", data["datatypes"], endings, ())
        self._enum_names = _Names("enum", data["enums"], endings, self._datatype_names.names.values())
        self._shapes: dict[str, object] = {}
        self._enums: dict[str, Enum] = {}
        self._datatypes: dict[str, Class] = {}
        self._aliases: dict[str, Alias] = {}
        self._deviations = {(item["at"], item["keyword"]): item for item in data.get("deviations", ())}
        self._unchecked_formats = set(data.get("unchecked_formats", ()))
        self._untyped = set(data.get("untyped", ()))
        self._wire_names: set[str] = set()
        self._definitions: dict[str, Any] = {}

    def package(self) -> Package:
        about = self._data["package"]
        actions = tuple(self._action(name, entry) for name, entry in sorted(self._data["messages"].items()))
        self._enum_names.check_all_used()
        self._datatype_names.check_all_used()
        leftovers = [*self._schemas, *(at for at, _ in self._deviations), *self._unchecked_formats, *self._untyped]
        leftovers += self._data.get("aliases", {}).keys() - self._aliases.keys()
        leftovers += self._data["field_names"].keys() - self._wire_names
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
        directions = [_SENDERS[sender] for sender in senders]
        response = None
        if "response" in entry:
            response = self._payload(
                f"{action}{about['response_suffix']}",
                f"{action}Response",
                bases=("Response",),
                doc=entry["response"],
                notes=_notes(entry, [_PEERS[sender] for sender in senders]),
                docs=entry.get("response_fields", {}),
            )
        request = self._payload(
            f"{action}{about['request_suffix'] if response else ''}",
            f"{action}Request" if response else action,
            bases=tuple(f"{base}[{response.name}]" if response else f"Send{base}" for base in directions),
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
        self._wire_names |= properties.keys()
        required = set(node.get("required", ()))
        return tuple(
            Field(
                name=_checked(self._data["field_names"].get(wire_name, snake(wire_name)), place),
                wire_name=wire_name,
                type=self._type(child, f"{place}/{wire_name}"),
                required=wire_name in required,
                doc=docs.get(wire_name, ""),
            )
            for wire_name, child in sorted(properties.items(), key=lambda item: item[0] == "customData")  # comes last
        )

    def _type(self, node: dict[str, Any], place: str) -> str:
        definition = None
        if "$ref" in node:
            check_keywords(node, place)
            definition = node["$ref"].removeprefix("#/definitions/")
            node = self._definitions[definition]
        if is_custom_data(node):
            return "CustomData"
        if is_untyped(node) and place in self._data.get("untyped", ()):
            self._untyped.discard(place)
            return "Json"
        check_keywords(node, place)
        node = self._deviate(node, place)
        match node["type"]:
            case "object":
                return self._datatype(node, place, definition)
            case "array":
                return _annotated(f"list[{self._type(node['items'], f'{place}[]')}]", _constraints(node))
            case "string" if "enum" in node:
                return self._enum(node, place, definition)
            case "string" if "format" in node:
                return self._formatted(node, place)
            case "number" if "multipleOf" in node:
                return "Tenths"
            case "integer" if "minimum" in node or "maximum" in node:
                return _integer(node)
            case kind:
                return self._alias(node, place) or _annotated(_SCALARS[kind], _constraints(node), _default(node))

    def _datatype(self, node: dict[str, Any], place: str, definition: str | None) -> str:
        name, entry = self._datatype_names.of(place, definition)
        fields = self._fields(node, place, entry.get("fields", {}))
        self._same_everywhere(name, fields, place)
        self._datatypes[name] = Class(
            name=name, bases=("Datatype",), doc=entry["doc"], notes=_rules(entry), fields=fields
        )
        return name

    def _enum(self, node: dict[str, Any], place: str, definition: str | None) -> str:
        name, entry = self._enum_names.of(place, definition)
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
        if "default" not in node:
            return name
        default = [f"{name}.{member.name}" for member in members if member.value == node["default"]]
        if not default:
            raise Unaccounted(place, f"the default is not a value of {name}: {node['default']!r}")
        return _annotated(name, "", *default)

    def _formatted(self, node: dict[str, Any], place: str) -> str:
        format_ = node["format"]
        if format_ == "date-time":
            return "Timestamp"
        if format_ not in self._data["unchecked_formats"]:
            raise Unaccounted(place, f"format {format_!r}")
        self._unchecked_formats.discard(format_)
        return "str"

    def _alias(self, node: dict[str, Any], place: str) -> str | None:
        wire_name = place.rpartition("/")[2]
        aliases: dict[str, Any] = self._data.get("aliases", {})
        for name, entry in aliases.items():
            if wire_name in entry["properties"]:
                if node != entry["schema"]:
                    raise Unaccounted(place, f"not the {name} it is named as")
                type_ = _annotated(_SCALARS[node["type"]], _constraints(node), _default(node))
                self._aliases[name] = Alias(name=name, doc=entry["doc"], type=type_)
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


def _annotated(type_: str, constraints: str, default: str | None = None) -> str:
    metadata = [f"Meta({constraints})"] if constraints else []
    if default is not None:
        metadata.append(f"Default({default})")
    return f"Annotated[{', '.join([type_, *metadata])}]" if metadata else type_


def _constraints(node: Mapping[str, Any]) -> str:
    return ", ".join(f"{meta}={_number(node[keyword])}" for keyword, meta in CONSTRAINTS.items() if keyword in node)


def _number(value: float | str) -> float | str:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _integer(node: dict[str, Any]) -> str:
    """An integer with limits of its own; msgspec takes one constraint of a kind, so they do not narrow ``Integer``."""
    if node.get("minimum") == 0 and "maximum" not in node:
        return _annotated("Natural", "", _default(node))
    return _annotated("int", _constraints(_BOUNDS_OF_INTEGER | node), _default(node))


def _default(node: dict[str, Any]) -> str | None:
    if "default" not in node:
        return None
    value = node["default"]
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _checked(name: str, place: str) -> str:
    if not is_name(name):
        raise Unaccounted(place, f"{name!r} is not a name in Python")
    return name


def _notes(entry: dict[str, Any], senders: Iterable[str]) -> str:
    profile = entry["profile"] if len(entry["profile"]) > 1 else f"Functional block {entry['profile']}"
    return f"{profile}; sent by the {' or the '.join(senders)}. {_rules(entry)}"


def _rules(entry: dict[str, Any]) -> str:
    return f"Rules: {', '.join(entry['rules'])}."


def _by_name(things: Mapping[str, T]) -> tuple[T, ...]:
    return tuple(things[name] for name in sorted(things))

"""Where the official schemas are, and which of their keywords mean something to a decoder."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

__all__ = ["CONSTRAINTS", "Unaccounted", "check_keywords", "is_custom_data", "is_untyped", "load"]

CONSTRAINTS = {
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "minimum": "ge",
    "maximum": "le",
}
"""A keyword that limits a value, and what :class:`msgspec.Meta` calls it."""

_SAY_NOTHING = frozenset({"$schema", "$id", "title", "description", "comment", "javaType"})

_KEYWORDS = {
    "object": {"type", "properties", "required", "additionalProperties", "definitions"},
    "array": {"type", "items", "additionalItems", "minItems", "maxItems"},
    "string": {"type", "enum", "maxLength", "format", "additionalProperties", "default"},
    "integer": {"type", "minimum", "maximum", "default"},
    "number": {"type", "minimum", "maximum", "multipleOf"},
    "boolean": {"type", "default"},
    "$ref": {"$ref"},
}

_BESIDE = {
    "enum": {"type", "additionalProperties", "default"},
    "format": {"type"},
    "multipleOf": {"type"},
}
"""A keyword that makes something else of a node than its type does, and what may stand beside it."""

_CUSTOM_DATA = {
    "type": "object",
    "properties": {"vendorId": {"type": "string", "maxLength": 255}},
    "required": ["vendorId"],
}


class Unaccounted(Exception):
    """The schemas and our data do not cover each other."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")


def load(folder: str) -> dict[str, dict[str, Any]]:
    """The schemas in this folder of the ``ocpp`` distribution, by file name without its ending."""
    resources = files("ocpp").joinpath(folder).iterdir()
    return {
        resource.name.removesuffix(".json"): json.loads(resource.read_text("utf-8-sig"))
        for resource in sorted(resources, key=lambda resource: resource.name)
        if resource.name.endswith(".json")
    }


def is_custom_data(node: dict[str, Any]) -> bool:
    """Whether a node is what :class:`ocpp_sansio.messages.CustomData` stands for: the one object that is open."""
    return {keyword: value for keyword, value in node.items() if keyword not in _SAY_NOTHING} == _CUSTOM_DATA


def is_untyped(node: dict[str, Any]) -> bool:
    """Whether a node takes any value."""
    return node.keys() <= _SAY_NOTHING


def check_keywords(node: dict[str, Any], place: str) -> None:
    """Refuse a node with a keyword that nobody has thought about, or with one that does not say what it always says."""
    kind = "$ref" if "$ref" in node else node.get("type")
    if kind not in list(_KEYWORDS):  # a list of types would be unhashable
        raise Unaccounted(place, f"type {kind!r}")
    known = _KEYWORDS[kind].intersection(*({keyword} | _BESIDE[keyword] for keyword in _BESIDE if keyword in node))
    if unknown := node.keys() - known - _SAY_NOTHING:
        raise Unaccounted(place, f"keywords {sorted(unknown)} on a node of type {kind!r}")
    if kind == "object" and node.get("additionalProperties") is not False:
        raise Unaccounted(place, "an object that is open to other properties")
    if kind == "array" and not isinstance(node.get("items"), dict):
        raise Unaccounted(place, "a list that does not say what is in it")
    if node.get("multipleOf") not in (None, 0.1):
        raise Unaccounted(place, f"multipleOf {node['multipleOf']}")
    if unknown := set(node.get("required", ())) - node.get("properties", {}).keys():
        raise Unaccounted(place, f"required, but not a property: {sorted(unknown)}")

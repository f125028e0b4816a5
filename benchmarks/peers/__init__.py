"""Us and everybody beside us, each in a module of its own that says how its users would do the work.

A module has a ``NAME`` and any of these, each for one frame of the workload:

* ``decoder(frame)``: a function from the frame's bytes to whatever the peer makes of it, validated;
* ``encoder(frame)``: a function from the peer's message object to bytes or text, and such an object;
* ``constructor(frame)``: a function that makes such an object from its fields, and the fields;
* ``routes(frame)``: contenders that take a CALL through the peer's dispatch to the text that answers it.

A floor does not validate, and is what nobody who reads JSON into Python objects can get below.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

MODULES = (
    "ours",
    "floor",
    "ocpp_package",
    "json_schema",
    "attrs_classes",
    "pydantic_models",
)

OURS = "ocpp-sansio"
FLOOR = "orjson"
OCPP = "ocpp"


def available(wanted: frozenset[str] = frozenset()) -> list[ModuleType]:
    """The peers that can be imported here, and are wanted. Ours and the floors always are."""
    found: list[ModuleType] = []
    for name in MODULES:
        try:
            module = import_module(f"{__name__}.{name}")
        except ImportError:
            continue
        if not wanted or module.NAME in wanted | {OURS, FLOOR}:
            found.append(module)
    return found


def installed() -> list[str]:
    """Names to choose from."""
    return [module.NAME for module in available()]

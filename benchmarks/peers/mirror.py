"""Our message classes as somebody would write them with another library: same fields, same constraints.

The classes are built from the declarations of ours, so that nobody is measured on fewer or looser rules.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ocpp_sansio.messages import CustomData, Datatype
from ocpp_sansio.schema import Kind, Property, properties

Build = Callable[[type[Datatype], tuple[Property, ...]], type[Any]]


class Mirror:
    """Classes made by one library, one for each of ours, made when asked for."""

    def __init__(self, build: Build) -> None:
        self._classes = cache(lambda cls: build(cls, properties(cls)))

    def __getitem__(self, cls: type[Datatype]) -> type[Any]:
        return self._classes(cls)

    def type_of(self, kind: Kind) -> Any:
        """The kind's type without its constraints."""
        if kind.items is not None:
            return list[self.type_of(kind.items)]
        if kind.type is CustomData:
            return dict  # whatever is in it; no frame of the workload has one
        return self[kind.type] if issubclass(kind.type, Datatype) else kind.type

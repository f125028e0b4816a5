"""Every fault of the blocks on transport, identity, frames, JSON, RPC and payloads is survived in a test.

Each row of the catalogue is looked for in three places: the pure core, the adapters as servers and the adapters as
clients. In each it is named by a test that runs there, on every adapter; or `faults.toml` says why there is none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest

from tests.citations import CONTRACT, TESTS, Proof, all_tests, cited_in

TABLE = tomllib.loads((TESTS / "faults.toml").read_text())
ROWS = [f"F-{number:02}" for first, last in TABLE["blocks"].values() for number in range(first, last + 1)]
CORE, SERVERS, CLIENTS = PLACES = "core", "servers", "clients"
ADAPTERS = frozenset({"asyncio", "trio", "sync", "anyio"})
"""An adapter whose tests are in a file of its own is named by that file."""

REASONS = {
    (row, place): group["because"]
    for group in TABLE["reasons"]
    for row in group["rows"].split()
    for place in group["in"]
}


def where(test: Proof) -> Iterator[tuple[str, frozenset[str]]]:
    """The places where a test runs, and the adapters that it runs on there."""
    if test.path.parent != CONTRACT and test.path.parent.name != "transports":
        yield CORE, ADAPTERS
        return
    own = ADAPTERS & {test.path.stem.removeprefix("test_")}
    for place, parameter in ((SERVERS, "server"), (CLIENTS, "client")):
        if test.parameters & {parameter, "adapter"}:
            yield place, ADAPTERS
        elif own:
            yield place, own


def named() -> dict[tuple[str, str], frozenset[str]]:
    """On which adapters a row is named by a test, in each place."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for test in all_tests():
        for row in cited_in(test.text, ["F"]):
            for place, adapters in where(test):
                found[row, place] = found.get((row, place), frozenset()) | adapters
    return found


NAMED = named()


@pytest.mark.parametrize("place", PLACES)
def test_every_fault_is_named_by_a_test_or_there_is_a_reason(place: str) -> None:
    missing = {
        row: sorted(ADAPTERS - NAMED.get((row, place), frozenset()))
        for row in ROWS
        if NAMED.get((row, place)) != ADAPTERS and (row, place) not in REASONS
    }
    assert not missing


def test_a_reason_is_given_only_where_no_test_names_the_fault() -> None:
    assert {row for row, _ in REASONS} <= set(ROWS)
    assert {place for _, place in REASONS} <= set(PLACES)
    assert not [cell for cell in REASONS if NAMED.get(cell) == ADAPTERS]

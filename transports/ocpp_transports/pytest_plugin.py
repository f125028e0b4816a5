"""Fixtures for pytest, there as soon as the package is installed: pairs in virtual time.

* ``ocpp_pair``: a :class:`ocpp_sansio.testing.Pair`, made with what ``@pytest.mark.ocpp(…)`` says.
* ``ocpp_connection_pair``: a :class:`ocpp_sansio.testing.ConnectionPair`, likewise.
* ``ocpp_clock``: the clock of both. ``ocpp_seed``: their seed; for each test another one, the same each time.

A ``charge_point`` or ``central_system`` of the marker may be a function that makes one: it is called for each test, so
that none sees what another has left.

A handler that has failed fails the test, unless that has taken the exception out of the ``faults`` of its side.

``--ocpp-seed=7`` gives every test that seed, whatever its marker says; ``--ocpp-seed=random`` one that is drawn. The
report of a test that fails says which it was.

pytest imports this module whatever it is run for: nothing else of ours is imported before a fixture is asked for.
"""

from __future__ import annotations

import argparse
import random
import traceback
import zlib
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from ocpp_sansio.testing import ConnectionPair, Pair, VirtualClock

__all__ = ["ocpp_clock", "ocpp_connection_pair", "ocpp_pair", "ocpp_seed"]

P = TypeVar("P", bound="Pair | ConnectionPair")

_SHOWN = pytest.StashKey[list[tuple[str, object]]]()
"""What is to be shown if the test fails: titles, and what is turned into text only then."""
_HAS_FAILED = pytest.StashKey[bool]()


def _seed(text: str) -> int:
    if text == "random":
        return random.getrandbits(32)
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number nor 'random'") from None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--ocpp-seed``."""
    parser.getgroup("ocpp").addoption(
        "--ocpp-seed", type=_seed, metavar="N|random", help="the seed of ocpp_pair and ocpp_connection_pair"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "ocpp(*versions, **options): what ocpp_pair and ocpp_connection_pair are made with"
    )


@pytest.fixture
def ocpp_seed(request: pytest.FixtureRequest) -> int:
    """The seed of the chance that decides when something goes wrong."""
    seed: int | None = request.config.getoption("ocpp_seed")
    if seed is None:
        seed = _marked(request)[1].get("seed")
    if seed is None:
        seed = zlib.crc32(request.node.nodeid.encode())
    _show(request, "ocpp seed", f"--ocpp-seed={seed}")
    return seed


@pytest.fixture
def ocpp_clock() -> VirtualClock:
    """The clock of the pairs."""
    from ocpp_sansio.testing import VirtualClock  # noqa: PLC0415 - see above, as for those below

    return VirtualClock()


@pytest.fixture
def ocpp_pair(request: pytest.FixtureRequest, ocpp_clock: VirtualClock, ocpp_seed: int) -> Generator[Pair]:
    """Two sessions, a link between them, and handlers to be given."""
    from ocpp_sansio.testing import Pair  # noqa: PLC0415

    yield from _made(Pair, request, ocpp_clock, ocpp_seed)


@pytest.fixture
def ocpp_connection_pair(
    request: pytest.FixtureRequest, ocpp_clock: VirtualClock, ocpp_seed: int
) -> Generator[ConnectionPair]:
    """Two connections, handshake included."""
    from ocpp_sansio.testing import ConnectionPair  # noqa: PLC0415

    yield from _made(ConnectionPair, request, ocpp_clock, ocpp_seed)


def _made(cls: type[P], request: pytest.FixtureRequest, clock: VirtualClock, seed: int) -> Generator[P]:
    versions, marked = _marked(request)
    options: dict[str, Any] = {"clock": clock, **marked, "seed": seed}
    for name in ("charge_point", "central_system"):
        if callable(options.get(name)):
            options[name] = options[name]()
    pair = cls(*versions, **options)
    _show(request, f"ocpp messages of {request.fixturename}, in seconds", pair.trace)
    sides = pair.charge_point, pair.central_system
    for side in sides:
        _show(request, f"ocpp faults of the {side.role} of {request.fixturename}", _Faults(side.faults))
    yield pair
    faults = [fault for side in sides for fault in side.faults]
    for side in sides:
        side.faults.clear()  # they need not be shown twice
    if faults and _HAS_FAILED not in request.node.stash:
        raise ExceptionGroup(
            "handlers have failed; what a test expects, it takes out of the `faults` of the side", faults
        )


class _Faults:
    """What handlers have raised, with where."""

    def __init__(self, faults: list[Exception]) -> None:
        self._faults = faults

    def __str__(self) -> str:
        return "\n".join("".join(traceback.format_exception(fault)) for fault in self._faults)


def _marked(request: pytest.FixtureRequest) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    marker = request.node.get_closest_marker("ocpp")
    return ((), {}) if marker is None else (marker.args, marker.kwargs)


def _show(request: pytest.FixtureRequest, title: str, what: object) -> None:
    request.node.stash.setdefault(_SHOWN, []).append((title, what))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Add the seed, what has been said, and how handlers have failed to the report of a test that has failed."""
    report = yield
    if report.failed:
        item.stash[_HAS_FAILED] = True
        texts = [(title, str(what)) for title, what in item.stash.get(_SHOWN, ())]
        report.sections += [(title, text) for title, text in texts if text]
    return report

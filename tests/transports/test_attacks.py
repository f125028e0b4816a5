"""What an attack may cost, on a small scale; ``python -m benchmarks.attacks`` has the large one (F-49…F-53, F-95)."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from benchmarks import attacks
from benchmarks.victims import OURS, Victim, available

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]


@pytest.fixture(scope="module", params=available(OURS))
def victim(request: pytest.FixtureRequest) -> Iterator[Victim]:
    with Victim(request.param) as victim:
        yield victim


@pytest.mark.parametrize("attack", [name for name in attacks.ATTACKS if name != "idle"])
def test_an_attack_takes_no_more_memory_than_it_may_and_the_next_station_is_served(victim: Victim, attack: str):
    """F-01, F-48, F-49, F-50, F-51, F-53, F-95: bounds are those of the full scale."""
    outcome = attacks.on(victim, attack, attacks.QUICK)
    assert outcome.as_it_should, outcome.how
    assert outcome.peak <= outcome.bound

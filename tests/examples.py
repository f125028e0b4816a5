"""How many examples hypothesis makes: the profiles, by which everything scales, and a count of what was really run.

==========  ==========================================================================================================
``local``   at a desk: new examples in each run, those that failed are kept and tried first
``ci``      the same examples in each run, so that the build gives the same verdict each time; chosen by ``CI=1``
``few``     the same, a seventh as many: for the second and third interpreter of the build
``deep``    fifty times as many as ``local``: for a night, or an hour with the files one works on,
            ``pytest --hypothesis-profile=deep tests/test_session_stateful.py``. What failed is kept in ``.hypothesis``,
            and tried first in every ``local`` run after it
==========  ==========================================================================================================

A test that wants more or fewer examples than the others says so with :func:`examples`, and scales as they do. One that
only wants values takes them from :func:`generated`: they are the same each time, whatever the profile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.statistics import collector

USUAL: Final = 100
"""Examples of a test that says nothing about them, under ``local`` and ``ci``."""
AT_LEAST: Final = 25_000
"""Examples in a run of everything. With fewer, the build fails: something keeps them from being run, or counted."""


def register_profiles() -> None:
    """Make the profiles known, and load the one that is meant if none is asked for."""
    settings = hypothesis.settings
    # A slow or busy machine is no reason to fail: no deadline per example, no complaint about slow generation.
    settings.register_profile(
        "local",
        deadline=None,
        max_examples=USUAL,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile("ci", settings.get_profile("local"), derandomize=True, database=None)
    settings.register_profile("few", settings.get_profile("ci"), max_examples=15)
    settings.register_profile("deep", settings.get_profile("local"), max_examples=50 * USUAL, stateful_step_count=100)
    settings.load_profile("ci" if os.environ.get("CI") else "local")


def examples(usually: int) -> int:
    """How many examples a test makes under this profile that usually makes so many."""
    return max(1, usually * hypothesis.settings.default.max_examples // USUAL)


PLAINLY: Final = hypothesis.settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
"""Values that are alike each time, for what does not go exploring."""
SEARCH: Final = hypothesis.settings(PLAINLY, max_examples=3000)
"""For what has to be found, ``hypothesis.find(…, settings=SEARCH)``: enough that it takes no luck."""


def generated(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """So many values of a strategy, or all that it has."""
    values: list[Any] = []

    @hypothesis.settings(PLAINLY, max_examples=count)
    @hypothesis.given(strategy)
    def collect(value: Any) -> None:
        values.append(value)

    collect()
    return values


class ExampleCount:
    """A plugin of pytest: says how many examples were run, by all workers, and that a run of everything had enough."""

    def __init__(self) -> None:
        self.examples = self.tests = 0

    @pytest.hookimpl(wrapper=True, trylast=True)  # within hypothesis' own, which listens as well
    def pytest_runtest_call(self) -> Iterator[None]:
        before, told = self.examples, collector.value

        def note(statistics: Any) -> None:
            phases = [phase for phase in statistics.values() if isinstance(phase, dict)]
            cases = [case for phase in phases for case in phase.get("test-cases", ())]
            self.examples += sum(case["status"] in ("valid", "interesting") for case in cases)
            if told is not None:
                told(statistics)

        try:
            with collector.with_value(note):
                return (yield)
        finally:
            self.tests += self.examples > before

    @pytest.hookimpl(optionalhook=True)  # of xdist
    def pytest_testnodedown(self, node: Any) -> None:
        examples, tests = getattr(node, "workeroutput", {}).get("examples", (0, 0))
        self.examples += examples
        self.tests += tests

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["examples"] = self.examples, self.tests
        elif self.is_short(session.config):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.is_short(terminalreporter.config):
            terminalreporter.write_line(f"ERROR: hypothesis has to make {AT_LEAST:,} examples in all", red=True)
        if self.tests:
            terminalreporter.write_line(f"hypothesis: {self.examples:,} examples in {self.tests:,} tests")

    def is_short(self, config: pytest.Config) -> bool:
        """Whether everything was run, as the build does, with too few examples."""
        is_everything = config.args_source is config.ArgsSource.TESTPATHS and not config.option.keyword
        is_build = bool(os.environ.get("CI") and config.getoption("cov_source", None))
        return is_build and is_everything and self.examples < AT_LEAST

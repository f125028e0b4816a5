"""The fixtures for pytest, in a run of pytest of their own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = "ocpp_transports.pytest_plugin"

SUITE = """
import pytest
from ocpp_sansio import v16, v201
from ocpp_sansio.testing import Conditions


def test_calls(ocpp_pair, ocpp_clock):
    answer = v16.HeartbeatResponse(current_time=ocpp_clock.utc)
    ocpp_pair.central_system.reply(v16.HeartbeatRequest, answer)
    assert ocpp_pair.charge_point.call(v16.HeartbeatRequest()) == answer
    assert ocpp_pair.clock is ocpp_clock


@pytest.mark.ocpp("2.0.1", conditions=Conditions(delay=(1, 2)))
def test_marked(ocpp_connection_pair, ocpp_pair):
    assert ocpp_connection_pair.is_open
    assert ocpp_connection_pair.clock.now > 2
    for pair in (ocpp_connection_pair, ocpp_pair):
        assert str(pair.charge_point.peer.version) == "2.0.1"


def test_fails(ocpp_pair):
    ocpp_pair.charge_point.ask(v16.HeartbeatRequest())
    assert not ocpp_pair.seed


def test_fails_without():
    assert False
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    # Where the package is installed, pytest would find the plugin by itself, and load it twice.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(SUITE)
    return pytester


def test_pairs_are_made_as_marked_and_a_failure_tells_its_seed_and_what_was_said(suite: pytest.Pytester) -> None:
    result = suite.runpytest_inprocess("-p", PLUGIN, "--strict-markers")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_fails _*",
            "*- ocpp seed -*",
            "--ocpp-seed=*",
            "*- ocpp messages of ocpp_pair, in seconds -*",
            '*0.000  charge point * *"Heartbeat",{}]',
            "*_ test_fails_without _*",
        ]
    )
    assert str(result.stdout).count("ocpp messages") == 1
    again = suite.runpytest_inprocess("-p", PLUGIN)
    seeds = [[line for line in run.outlines if line.startswith("--ocpp-seed=")] for run in (result, again)]
    assert seeds[0] == seeds[1]


def test_a_seed_may_be_given_or_drawn(suite: pytest.Pytester) -> None:
    result = suite.runpytest_inprocess("-p", PLUGIN, "--ocpp-seed=7")
    result.stdout.fnmatch_lines(["--ocpp-seed=7"])
    suite.runpytest_inprocess("-p", PLUGIN, "--ocpp-seed=0").assert_outcomes(passed=3, failed=1)
    suite.runpytest_inprocess("-p", PLUGIN, "--ocpp-seed=random").assert_outcomes(passed=2, failed=2)


def test_it_is_found_by_pytest_and_costs_nothing_until_it_is_used() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"ocpp-sansio": PLUGIN}
    code = f"import sys, {PLUGIN}; print(*(name for name in sys.modules if name.startswith(('ocpp_', 'hypothesis'))))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ocpp_transports", PLUGIN]

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


@pytest.mark.parametrize("seed", ["abc", "1.5"])
def test_what_is_no_seed_is_refused(suite: pytest.Pytester, seed: str) -> None:
    result = suite.runpytest_inprocess("-p", PLUGIN, f"--ocpp-seed={seed}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--ocpp-seed: '{seed}' is neither a whole number nor 'random'"])


SEEDS = """
import pytest


@pytest.mark.ocpp(seed=5)
def test_marked(ocpp_pair, ocpp_seed):
    assert ocpp_pair.seed == ocpp_seed
    assert ocpp_pair.seed == "shown"
"""


@pytest.mark.parametrize(("arguments", "seed"), [([], 5), (["--ocpp-seed=9"], 9)])
def test_the_seed_of_a_marker_is_told_and_gives_way_to_the_option(
    suite: pytest.Pytester, arguments: list[str], seed: int
) -> None:
    suite.makepyfile(test_seeds=SEEDS)
    result = suite.runpytest_inprocess("-p", PLUGIN, *arguments, "test_seeds.py")
    result.stdout.fnmatch_lines([f"E *{seed} == 'shown'", f"--ocpp-seed={seed}"])


FACTORIES = """
import pytest
from ocpp_sansio import CallRefused, CentralSystem, ChargePointHandlers, v16

BOOT = v16.BootNotificationRequest(charge_point_vendor="V", charge_point_model="M")
made = []


def office():
    csms = CentralSystem()
    made.append(csms)
    return csms


pytestmark = pytest.mark.ocpp("1.6", central_system=office, charge_point=ChargePointHandlers)


def test_boots(ocpp_pair):
    accepted = v16.RegistrationStatus.ACCEPTED
    answer = v16.BootNotificationResponse(current_time=ocpp_pair.clock.utc, interval=1, status=accepted)
    ocpp_pair.central_system.reply(v16.BootNotificationRequest, answer)
    ocpp_pair.charge_point.call(BOOT)


def test_has_not_booted(ocpp_pair):
    with pytest.raises(CallRefused, match="send a BootNotification first"):
        ocpp_pair.charge_point.call(v16.HeartbeatRequest())
    assert len(made) == 2
"""


def test_a_function_makes_a_central_system_for_each_test(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_factories=FACTORIES)
    suite.runpytest_inprocess("-p", PLUGIN, "test_factories.py").assert_outcomes(passed=2)


FAULTS = """
import pytest
from ocpp_sansio import v16, v21


def jam(station, request):
    return 1 / 0


@pytest.fixture
def pair(ocpp_pair):
    ocpp_pair.central_system.handlers.on_send(v21.NotifyPeriodicEventStream)(jam)
    data = v21.StreamDataElement(t=0, v="1")
    ocpp_pair.charge_point.send(
        v21.NotifyPeriodicEventStream(data=[data], id=1, pending=0, basetime=ocpp_pair.clock.utc)
    )
    ocpp_pair.run(1)
    return ocpp_pair


pytestmark = pytest.mark.ocpp("2.1")


def test_does_not_look(pair):
    pass


def test_takes(pair):
    assert isinstance(pair.central_system.faults.pop(), ZeroDivisionError)


def test_fails_anyway(pair):
    assert not pair
"""


def test_a_handler_that_has_failed_fails_the_test(suite: pytest.Pytester) -> None:
    """Unless the test knows. What a handler raised is shown with where, once; so it is if the test fails anyway."""
    suite.makepyfile(test_faults=FAULTS)
    result = suite.runpytest_inprocess("-p", PLUGIN, "test_faults.py")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_does_not_look*",
            "*handlers have failed*`faults`*",
            "*in jam",
            "*ZeroDivisionError*",
            "*- ocpp seed -*",
            "*- ocpp messages of ocpp_pair, in seconds -*",
            "*_ test_fails_anyway _*",
            "*- ocpp faults of the central system of ocpp_pair -*",
            "*in jam",
            "ZeroDivisionError*",
        ]
    )
    assert str(result.stdout).count("in jam") == 2


def test_it_is_found_by_pytest_and_costs_nothing_until_it_is_used() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"ocpp-sansio": PLUGIN}
    code = f"import sys, {PLUGIN}; print(*(name for name in sys.modules if name.startswith(('ocpp_', 'hypothesis'))))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ocpp_transports", PLUGIN]

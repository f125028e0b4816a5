"""The page on testing, as a reader would go through it: what it says is found is found, what it says passes passes."""

from __future__ import annotations

import queue
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ocpp_sansio import CallReceived, CentralSystemSession, ErrorCode, numbered_ids, v16
from ocpp_sansio.store import Store
from ocpp_sansio.testing.referee import Foul
from tests.test_docs import blocks
from tests.test_simulation import EmptyStore, ForgetfulStore

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.once

PAGE = (Path(__file__).parents[1] / "docs" / "testing.md").read_text()
BLOCKS = blocks(PAGE)
FEW = settings(max_examples=100, stateful_step_count=20, derandomize=True, database=None, phases=[Phase.generate])


def run(*names: str) -> dict[str, Any]:
    """The names that these blocks leave, one after the other."""
    left: dict[str, Any] = {}
    for name in names:
        exec(compile(BLOCKS[name], "testing.md", "exec", dont_inherit=True), left)
    return left


def test_every_block_is_run_here() -> None:
    tried = ["system", "pair", "sleep", "machine", "port", "strategies", "simulation", "fixtures", "profiles"]
    assert list(BLOCKS) == tried
    assert len(re.findall("^```python", PAGE, re.MULTILINE)) == len(tried)


def test_the_tests_of_the_page_pass() -> None:
    run("system", "pair")["test_a_station_boots_and_reports"]()
    run("system", "pair", "sleep")["test_a_heartbeat_takes_its_time"]()
    run("simulation")["test_nothing_is_lost"](seed=7)
    settings(FEW, max_examples=5)(run("system", "strategies")["test_any_meter_values_are_stored"])()


def test_every_rule_is_on_the_page() -> None:
    rules = {rule.function.__name__ for rule in run("system", "machine")["Mine"]().rules}
    listed = re.search(r"Ours are (.+?); `attack = None`", PAGE, re.DOTALL)
    assert listed is not None
    assert rules == set(re.findall("`(.+?)`", listed[1]))


def test_the_bug_of_the_page_is_found() -> None:
    with pytest.raises(Foul, match="isoformat") as caught:
        run_state_machine_as_test(run("system", "machine")["Mine"], settings=FEW)  # type: ignore[no-untyped-call]
    assert str(caught.value) in PAGE


@pytest.mark.parametrize("store", [partial(ForgetfulStore, 7), EmptyStore], ids=["each seventh batch", "all of them"])
def test_the_simulation_of_the_page_finds_a_store_that_loses_something(store: Callable[[], Store]) -> None:
    names = run("simulation")
    names["MemoryStore"] = store
    seeds, found = names["test_nothing_is_lost"].pytestmark[0].args[1], 0
    assert len(seeds) == 20
    for seed in seeds[:6]:
        try:
            names["test_nothing_is_lost"](seed)
        except AssertionError as error:
            found += str(error).startswith(f"seed {seed}:")
    assert found > 2


class Socket:
    """In place of a connection: a central system that supports nothing."""

    def __init__(self, url: str, subprotocols: list[str]) -> None:
        assert subprotocols == ["ocpp1.6"]
        self.session = CentralSystemSession("1.6", message_ids=numbered_ids(url[-3:]))
        self.texts = queue.SimpleQueue[str]()
        self.is_open = True

    def send(self, text: str) -> None:
        self.session.receive_data(text, now=0)
        while (event := self.session.next_event()) is not None:
            if isinstance(event, CallReceived) and isinstance(event.request, v16.HeartbeatRequest):
                response = v16.HeartbeatResponse(current_time=datetime(2026, 1, 1, tzinfo=UTC))
                self.session.respond(event, response, now=0)
            elif isinstance(event, CallReceived):
                self.session.reject(event, ErrorCode.NOT_SUPPORTED, now=0)
        for answer in self.session.data_to_send():
            self.texts.put(answer)

    def recv(self, timeout: float) -> str:
        try:
            return self.texts.get_nowait()
        except queue.Empty:
            raise TimeoutError from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False


def test_a_socket_is_a_port() -> None:
    names = run("port")
    sockets: list[Socket] = []

    def connect(url: str, **options: Any) -> Socket:
        sockets.append(Socket(url, **options))
        return sockets[-1]

    names["connect"] = connect
    run_state_machine_as_test(names["Theirs"], settings=settings(FEW, max_examples=10))  # type: ignore[no-untyped-call]
    assert len(sockets) >= 20
    assert not any(socket.is_open for socket in sockets)


def test_the_fixtures_are_there(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(BLOCKS["system"] + BLOCKS["fixtures"])
    result = pytester.runpytest_inprocess("-p", "ocpp_transports.pytest_plugin", "--ocpp-seed=7")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("environment", ["", "1"])
def test_the_profiles_are_chosen_by_where_it_runs(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", environment)
    before = settings.get_current_profile_name()
    try:
        run("profiles")
        chosen: Any = settings.default
        assert settings.get_current_profile_name() == ("build" if environment else "desk")
        assert chosen.derandomize if environment else chosen.max_examples == 500
    finally:
        settings.load_profile(before)

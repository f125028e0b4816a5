"""Examples are counted wherever they are run, and a build that ran too few fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

from tests.examples import AT_LEAST, ExampleCount, examples

MODULE = """
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

@pytest.mark.parametrize("number", range(2))
@settings(max_examples=20)
@given(st.integers())
def test_given(number, value): pass

def test_two_in_one():
    for _ in range(2):
        settings(max_examples=5)(given(st.integers())(lambda value: None))()

class Machine(RuleBasedStateMachine):
    @rule()
    def step(self): pass

TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=7, stateful_step_count=2)

def test_without(): pass
"""


@pytest.mark.once
@pytest.mark.parametrize(("options", "ci"), [(["--cov=here", "-n", "2"], "1"), ([], "")], ids=["build", "desk"])
def test_every_example_is_counted_in_whichever_process_it_ran(tmp_path: Path, options: list[str], ci: str) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = trespasses\ntestpaths = .\n")
    (tmp_path / "test_module.py").write_text(MODULE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "ignore", *options]
    env = {"PATH": "", "PYTHONPATH": os.pathsep.join(sys.path), "CI": ci}
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
    assert "hypothesis: 57 examples in 4 tests" in run.stdout
    assert "5 passed" in run.stdout
    assert ("ERROR: hypothesis has to make" in run.stdout) == bool(ci)
    assert run.returncode == (1 if ci else 0)


@pytest.mark.parametrize(
    ("change", "is_short"),
    [({}, True), ({"ci": ""}, False), ({"cov": []}, False), ({"keyword": "f115"}, False), ({"where": "ARGS"}, False)],
)
def test_only_a_build_of_everything_needs_so_many(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], is_short: bool
) -> None:
    given = {"ci": "1", "cov": [True], "keyword": "", "where": "TESTPATHS"} | change
    monkeypatch.setenv("CI", given["ci"])
    source = pytest.Config.ArgsSource
    config: Any = SimpleNamespace(
        args_source=source[given["where"]],
        ArgsSource=source,
        option=SimpleNamespace(keyword=given["keyword"]),
        getoption={"cov_source": given["cov"]}.get,
    )
    count = ExampleCount()
    assert count.is_short(config) == is_short
    count.examples = AT_LEAST
    assert not count.is_short(config)


def test_profiles_differ_in_how_many_examples_they_make() -> None:
    usual = settings.default.max_examples
    assert examples(100) == usual
    assert examples(1) == max(1, usual // 100)
    assert settings.get_profile("deep").max_examples == 50 * settings.get_profile("local").max_examples
    assert settings.get_profile("few").max_examples < settings.get_profile("ci").max_examples

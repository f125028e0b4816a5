"""The benchmarks run, say what they must say, and do not find the hot path grown slow.

The guard against that compares ratios within one run, and its margins are wide: a busy machine slows everybody down,
but nothing except a change of ours makes us slow beside the others.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import report
from benchmarks.results import Figure, Results, Series
from benchmarks.targets import TARGETS, Target, Verdict
from benchmarks.wire import client_frame, client_frame_length
from benchmarks.workload import frames, meter_values

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]


def run(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, env=environment or None
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- a run, as small as it gets --


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], str]:
    """What a quick run of two cases prints, writes and draws."""
    folder = tmp_path_factory.mktemp("benchmarks")
    figures, plot = folder / "figures.json", folder / "plot.svg"
    cases = ("--case", "decode", "--case", "diagnosis", "--peer", "ocpp")
    printed = run("-m", "benchmarks", "--quick", *cases, "--json", str(figures), "--plot", str(plot))
    return printed, json.loads(figures.read_text()), plot.read_text()


def test_every_target_is_shown_with_its_bounds_measured_or_not(quick: tuple[str, dict[str, Any], str]) -> None:
    printed, figures, _ = quick
    rows = {line.split("│")[1].strip(): line for line in printed.splitlines() if line.startswith("│")}
    for target in TARGETS:
        row = rows[target.title]
        assert report.bound(target, target.must) in row
        assert report.bound(target, target.aim) in row
        assert ("not measured" in row) == (target.case not in ("decode", "diagnosis"))
    assert set(figures["targets"]) == {target.key for target in TARGETS}


def test_the_interpreter_and_its_build_are_named(quick: tuple[str, dict[str, Any], str]) -> None:
    printed, figures, plot = quick
    assert figures["environment"]["python"] in printed
    assert figures["environment"]["build"] in printed
    assert figures["environment"]["python"] in plot


def test_the_json_has_the_samples_behind_each_figure(quick: tuple[str, dict[str, Any], str]) -> None:
    _, figures, _ = quick
    decoding = [series for series in figures["series"] if series["case"] == "decode"]
    assert {series["subject"] for series in decoding} == set(frames())
    assert {series["contender"] for series in decoding} == {"ocpp-sansio", "orjson", "ocpp"}
    assert all(series["low"] <= series["median"] <= series["high"] for series in decoding)
    assert all(len(series["samples"]) > 1 for series in decoding)


@pytest.mark.parametrize(
    ("key", "bound"),
    [("decode.small", 4.0), ("decode.large", 3.0), ("diagnosis", 45.0)],
)
def test_nothing_has_become_slow_beside_the_floor(
    quick: tuple[str, dict[str, Any], str], key: str, bound: float
) -> None:
    assert quick[1]["targets"][key]["figure"]["low"] < bound


@pytest.mark.parametrize(("key", "bound"), [("decode.ocpp.small", 15.0), ("decode.ocpp.large", 50.0)])
def test_nothing_has_become_slow_beside_a_peer(quick: tuple[str, dict[str, Any], str], key: str, bound: float) -> None:
    assert quick[1]["targets"][key]["figure"]["high"] > bound


CONTEST = """
import json
from benchmarks.arena import churn, contest
from benchmarks.servers import CONSTANT, OURS
from benchmarks.workload import frames
frame = frames()["meter_values_80_request"]
once = {"rounds": 1, "seconds": 0.02, "progress": lambda done: None}
calls = contest("calls", "", [CONSTANT, OURS], frame, stations=3, **once)
for series in (*calls, *churn("connections", "", [OURS], frame, **once)):
    assert all(sample > 0 for sample in series.samples), series
print(frame.name)
"""


@pytest.mark.parametrize("compiler", ["cc", "none"])
def test_servers_are_loaded_from_another_process_with_and_without_a_compiler(compiler: str) -> None:
    assert run("-c", CONTEST, CC=compiler, PATH="/usr/bin:/bin").strip() == "meter_values_80_request"


# -- what may be said about figures --


def results(*samples: tuple[str, list[float]]) -> Results:
    return Results(Series("case", name, "subject", "ns", taken) for name, taken in samples)


def test_a_ratio_is_taken_sample_by_sample() -> None:
    """What slows the machine down for a while slows both."""
    ratio = results(("a", [10.0, 40.0, 20.0]), ("b", [5.0, 20.0, 10.0])).ratio("case", "a", "b", ["subject"])
    assert ratio == Figure(2.0, 2.0, 2.0)


def test_a_ratio_of_what_was_not_measured_is_none() -> None:
    assert results(("a", [1.0])).ratio("case", "a", "b", ["subject"]) is None


def test_a_ratio_within_its_spread_is_not_printed() -> None:
    assert report.ratio(Figure(1.1, 1.0, 1.2)) == "≈ 1 ±0.1"
    assert report.ratio(Figure(1.5, 1.4, 1.6)) == "1.5 ±0.1"


LESS = Target("key", "title", "case", 2.0, 1.0, lambda _: None)
MORE = Target("key", "title", "case", 2.0, 4.0, lambda _: None)


@pytest.mark.parametrize(
    ("target", "figure", "verdict"),
    [
        (LESS, Figure(0.9, 0.8, 1.1), Verdict.AIM),
        (LESS, Figure(1.5, 1.4, 1.9), Verdict.MUST),
        (LESS, Figure(1.9, 1.8, 2.1), Verdict.UNCLEAR),
        (LESS, Figure(2.2, 2.1, 2.3), Verdict.MISSED),
        (MORE, Figure(5.0, 4.5, 5.5), Verdict.AIM),
        (MORE, Figure(3.0, 2.5, 3.5), Verdict.MUST),
        (MORE, Figure(2.1, 1.9, 2.3), Verdict.UNCLEAR),
        (MORE, Figure(1.5, 1.4, 1.9), Verdict.MISSED),
    ],
)
def test_a_verdict_takes_the_spread_into_account(target: Target, figure: Figure, verdict: Verdict) -> None:
    assert target.verdict(figure) is verdict


def test_a_figure_below_the_floor_proves_nothing() -> None:
    """A server that seems to cost less than one that only answers a constant has been measured wrongly."""
    target = Target("key", "title", "case", 3.0, 1.5, lambda _: None, floor=1.0)
    assert target.verdict(Figure(0.74, 0.73, 0.75)) is Verdict.UNCLEAR


def test_a_comparison_tells_a_change_from_noise(tmp_path: Path) -> None:
    def measured(ours: float) -> Results:
        names = list(frames())
        pairs = [("ocpp-sansio", ours), ("orjson", 100.0)]
        return Results(Series("decode", who, name, "ns", [ns, ns * 1.02]) for who, ns in pairs for name in names)

    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(report.as_json(measured(150.0), {}, quick=True)))
    for ours, said in ((150.0, "within the spread"), (75.0, "-50% better"), (300.0, "+100% worse")):
        console = Console(record=True, width=160, file=io.StringIO())
        report.compare(measured(ours), earlier, console)
        assert said in console.export_text()


# -- the workload --


@pytest.mark.parametrize("frame", frames().values(), ids=list(frames()))
def test_a_frame_is_valid_and_keeps_its_length_under_another_id(frame: Any) -> None:
    assert frame.message_class
    assert {len(each) for each in frame.numbered(3)} == {len(frame.data) - len(frame.message_id) + 8}
    assert len(client_frame(frame.data)) == client_frame_length(client_frame(frame.data))


@pytest.mark.parametrize("count", [1, 25, 1000])
def test_meter_values_of_any_size(count: int) -> None:
    values = meter_values(count).payload["meterValue"]
    assert sum(len(each["sampledValue"]) for each in values) == count

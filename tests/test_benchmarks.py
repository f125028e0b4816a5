"""The benchmarks run, say what they must say, treat everybody alike, and do not find the hot path grown slow.

The guard against that compares ratios within one run, and its margins are wide: a busy machine slows everybody down,
but nothing except a change of ours makes us slow beside the others.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import orjson
import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks import clock, host, peers, publish, report
from benchmarks.cases import Setup, memory
from benchmarks.cases.encode import PLAIN
from benchmarks.cases.imports import SUBJECT as IMPORT
from benchmarks.peers import FLOOR, OURS, ocpp_package, ours
from benchmarks.record import Record
from benchmarks.results import Figure, Results, Series
from benchmarks.servers import CONSTANT
from benchmarks.targets import EVERY, HEARTBEAT, LARGE, METER_VALUES, SMALL, TARGETS, Target, Verdict
from benchmarks.wire import client_frame, client_frame_length
from benchmarks.workload import FOLDER, Frame, frames, meter_values
from ocpp_sansio import Version

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]


def attempt(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, env=environment or None
    )


def run(*arguments: str, **environment: str) -> str:
    done = attempt(*arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- a run, as small as it gets --

MEASURED = ("decode", "encode", "diagnosis", "inbound", "imports")


@attrs.frozen
class Run:
    """What a run prints, writes and draws."""

    printed: str
    json: dict[str, Any]
    record: Record
    plot: str


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("benchmarks")
    figures, plot = folder / "figures.json", folder / "plot.svg"
    cases = [argument for case in MEASURED for argument in ("--case", case)]
    files = ("--json", str(figures), "--plot", str(plot))
    printed = run("-m", "benchmarks", "--quick", *cases, "--peer", "ocpp", *files)
    return Run(printed, json.loads(figures.read_text()), Record.read(figures), plot.read_text())


def test_every_target_is_shown_with_its_bounds_measured_or_not(quick: Run) -> None:
    rows = {line.split("│")[1].strip(): line for line in quick.printed.splitlines() if line.startswith("│")}
    for target in TARGETS:
        row = rows[target.title]
        assert report.bound(target, target.must) in row
        assert report.bound(target, target.aim) in row
        assert ("not measured" in row) == (target.case not in MEASURED)
    assert set(quick.json["targets"]) == {target.key for target in TARGETS}


def test_the_interpreter_and_its_build_are_named(quick: Run) -> None:
    for text in (quick.printed, quick.plot):
        assert quick.json["environment"]["python"] in text
        assert quick.json["environment"]["build"] in text


def test_the_json_has_the_samples_behind_each_figure(quick: Run) -> None:
    (only,) = quick.json["runs"]
    decoding = [series for series in only["series"] if series["case"] == "decode"]
    assert {series["subject"] for series in decoding} == set(frames())
    assert {series["contender"] for series in decoding} == {"ocpp-sansio", "orjson", "ocpp"}
    assert all(series["low"] <= series["median"] <= series["high"] for series in decoding)
    assert all(len(series["samples"]) > 1 for series in decoding)


def test_what_was_written_is_read_again(quick: Run) -> None:
    assert json.loads(json.dumps(quick.record.as_json())) == quick.json


# -- the guard --

# About twice what each was when last looked at: what doubles is a mistake, what grows by half may be a neighbour.
BOUNDS = {
    "decoding small frames": ("decode", OURS, FLOOR, SMALL, 3.3),
    "decoding large frames": ("decode", OURS, FLOOR, LARGE, 2.1),
    "encoding": ("encode", PLAIN, FLOOR, EVERY, 3.8),
    "encoding, validated": ("encode", OURS, FLOOR, EVERY, 10.0),
    "diagnosis": ("diagnosis", OURS, FLOOR, METER_VALUES, 15.0),
    "a small inbound call": ("inbound", OURS, FLOOR, HEARTBEAT, 27.0),
    "a large inbound call": ("inbound", OURS, FLOOR, METER_VALUES, 2.2),
    "import": ("imports", OURS, "attrs, cattrs", [IMPORT], 4.0),
}


@pytest.mark.parametrize("what", BOUNDS)
def test_nothing_has_become_slow_beside_its_floor(quick: Run, what: str) -> None:
    case, above, below, subjects, bound = BOUNDS[what]
    figure = quick.record.results.ratio(case, above, below, subjects)
    assert figure is not None
    assert figure.low < bound


SERVED = """
import json
from benchmarks import host
from benchmarks.arena import contest
from benchmarks.servers import CONSTANT, OURS
from benchmarks.workload import frames
host.stay()
options = {"stations": 50, "rounds": 9, "seconds": 0.1, "progress": lambda done: None}
for series in contest("server", "", [CONSTANT, OURS], frames()["heartbeat_request"], **options):
    print(json.dumps(series.as_dict()))
"""


def test_a_server_has_not_become_slow_beside_one_with_a_constant_answer() -> None:
    served = Results(Series(**json.loads(line)) for line in run("-c", SERVED, **host.environment()).splitlines())
    figure = served.ratio("server", OURS, CONSTANT, [""])
    assert figure is not None
    assert 1.0 < figure.low < 6.0


@pytest.mark.parametrize(
    ("key", "bound"),
    [
        ("decode.ocpp.small", 20.0),
        ("decode.ocpp.large", 75.0),
        ("inbound.heartbeat", 4.0),
        ("inbound.meter_values", 70.0),
    ],
)
def test_nothing_has_become_slow_beside_a_peer(quick: Run, key: str, bound: float) -> None:
    assert quick.json["targets"][key]["figure"]["high"] > bound


# -- servers under load --

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


def decoding(ours: float) -> Results:
    """A run of which the outcome is known."""
    pairs = [(OURS, ours), (FLOOR, 100.0)]
    return Results(Series("decode", who, name, "ns", [ns, ns * 1.02]) for who, ns in pairs for name in frames())


def test_a_comparison_tells_a_change_from_noise() -> None:
    earlier = Record([decoding(150.0)], {}, quick=True)
    for ns, said in ((150.0, "within the spread"), (75.0, "-50% better"), (300.0, "+100% worse")):
        console = Console(record=True, width=160, file=io.StringIO())
        report.compare(decoding(ns), earlier, "earlier.json", console)
        assert said in console.export_text()


def test_of_several_runs_it_is_said_in_how_many_each_bound_held(quick: Run) -> None:
    (target,) = (target for target in TARGETS if target.key == "decode.small")
    good, bad = decoding(100 * target.must * 0.9), decoding(100 * target.must * 1.5)
    record = Record([good, bad, good], quick.record.environment, quick=True)
    told = record.as_json()
    assert told["targets"][target.key]["held"] == 2
    assert [each["targets"][target.key]["verdict"] for each in told["runs"]] == ["must", "MISSED", "must"]
    together = record.results.get("decode", OURS, SMALL[0])
    assert together is not None
    assert len(together.samples) == 6
    console = Console(record=True, width=160, file=io.StringIO())
    report.show(record, console)
    assert "2 of 3" in console.export_text()


def test_a_difference_within_its_spread_is_not_printed() -> None:
    assert report.microseconds(Figure(400.0, 100.0, 900.0)) == "≈ 0 ±0.4 µs"
    assert report.microseconds(Figure(1400.0, 1300.0, 1500.0)) == "1.4 ±0.1 µs"


def test_a_slow_first_call_does_not_decide_how_many_are_timed_together() -> None:
    """Else whoever reads a schema then would be timed call by call, each time cold, for the rest of the run."""
    first = iter([range(10**6)])
    contender = clock.Contender("", "", lambda _: sum(next(first, ())), [None])
    assert clock._calls_in(contender, 0.001) > 100


def test_memory_is_measured_as_far_as_open_files_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    setup = Setup(quick=True, peers=frozenset(), progress=lambda _: None, remark=said.append)
    monkeypatch.setattr(host, "allow_many_files", lambda count: min(count, 1150))
    assert memory.within_limit([100, 1000, 5000], setup) == [100, 1000]
    assert "1,000 connections" in said[0]
    assert memory.within_limit([100, 1000], setup) == [100, 1000]
    assert len(said) == 1


# -- what is published --

README, PERFORMANCE = (ROOT / page for page in publish.PAGES)


def test_the_readme_has_a_row_for_every_target() -> None:
    section = README.read_text().split("<!-- benchmarks: targets -->")[1].split("<!-- /benchmarks -->")[0]
    rows = [line.split(" | ") for line in section.strip().splitlines()[2:]]
    assert [row[0].removeprefix("| ") for row in rows] == [target.title for target in TARGETS]
    assert all(row[1] for row in rows), "every one has a figure"


@pytest.mark.parametrize("page", [README, PERFORMANCE], ids=publish.PAGES)
def test_the_commands_of_the_pages_exist(page: Path) -> None:
    commands = re.findall(r"python -m benchmarks( [^`#\n]*)?", page.read_text())
    assert len(commands) > 1
    for options in commands:
        command.parser().parse_args(shlex.split(options))


@pytest.mark.parametrize("page", [README, PERFORMANCE], ids=publish.PAGES)
def test_the_plots_of_the_pages_are_there(page: Path) -> None:
    shown = re.findall(r"\]\((\S+\.svg)\)", page.read_text())
    assert shown
    assert all((page.parent / plot).is_file() for plot in shown)


def test_publishing_rewrites_what_is_between_the_markers_and_nothing_else(quick: Run, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for page in publish.PAGES:
        shutil.copy(ROOT / page, tmp_path / page)
    written = publish.publish(quick.record, tmp_path)
    assert {path.name for path in written} == {"README.md", "performance.md", "decode.svg", "encode.svg"}
    for page in publish.PAGES:
        before, after = (ROOT / page).read_text(), (tmp_path / page).read_text()
        assert after != before
        assert publish.MARKED.sub("", after) == publish.MARKED.sub("", before)
    once = [path.read_text() for path in written]
    publish.publish(quick.record, tmp_path)
    assert [path.read_text() for path in written] == once


def test_every_marker_is_one_that_somebody_fills() -> None:
    named = [re.findall(r"<!-- benchmarks: (.+?) -->", page.read_text()) for page in (README, PERFORMANCE)]
    assert {name for names in named for name in names} == set(publish.SECTIONS)


def test_half_a_run_is_not_published(quick: Run, tmp_path: Path) -> None:
    """Else the pages would show figures of different runs beside each other."""
    (tmp_path / "figures.json").write_text(json.dumps(quick.json))
    for options in (["--quick"], ["--from", str(tmp_path / "figures.json")]):
        done = attempt("-m", "benchmarks", "--publish", *options)
        assert done.returncode == 1, done.stdout
    assert {"memory per idle connection at 2,000", "growth, server"} <= set(publish.missing(quick.record))


# -- the peers --

PEERS = [pytest.param(peer, id=peer.NAME) for peer in peers.available() if peer.NAME != FLOOR]


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))


def read(thing: Any, *path: str | int) -> Any:
    """What a peer has made of a property, whatever it has made of the object."""
    for step in path:
        if isinstance(thing, dict) and isinstance(step, str):
            thing = thing[step if step in thing else camel(step)]
        else:
            thing = thing[step] if isinstance(step, int) else getattr(thing, step)
    return thing


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_reads_what_is_there(peer: ModuleType) -> None:
    frame = frames()["meter_values_80_request"]
    message = peer.decoder(frame)(frame.data)
    payload = message[-1] if isinstance(message, list) else message
    assert read(payload, "transaction_id") == 720311
    for index in (0, 9):
        sample = read(payload, "meter_value", index, "sampled_value", 7)
        expected = frame.payload["meterValue"][index]["sampledValue"][7]
        assert {name: read(sample, name) for name in expected} == expected


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("frame", frames().values(), ids=list(frames()))
def test_a_peer_writes_the_message_it_was_given(peer: ModuleType, frame: Frame) -> None:
    encode, message = peer.encoder(frame)
    written = encode(message)
    assert orjson.loads(written)[:-1] == frame.elements[:-1]
    assert ours.decoder(frame)(written) == ours.decoder(frame)(frame.data)


def overdo(payload: dict[str, Any]) -> None:
    payload["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][-1]["limit"] = 16.25


def mistake(payload: dict[str, Any]) -> None:
    payload["meterValue"][-1]["sampledValue"][-1]["unit"] = "Volts"


FAULTS: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "too long": ("status_notification_request", lambda payload: payload.update(info="x" * 51)),
    "no member of the enum": ("status_notification_request", lambda payload: payload.update(errorCode="Nothing")),
    "of another type": ("status_notification_request", lambda payload: payload.update(connectorId="1")),
    "unknown": ("status_notification_request", lambda payload: payload.update(colour="red")),
    "missing": ("status_notification_request", lambda payload: payload.pop("status")),
    "missing in an answer": ("heartbeat_response", lambda payload: payload.pop("currentTime")),
    "deep inside": ("meter_values_80_request", mistake),
    "more than one decimal": ("set_charging_profile_request", overdo),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_refuses_what_is_not_valid(peer: ModuleType, fault: str) -> None:
    name, spoil = FAULTS[fault]
    frame = frames()[name]
    elements = orjson.loads(frame.data)
    decode = peer.decoder(frame)
    decode(orjson.dumps(elements))
    spoil(elements[-1])
    with pytest.raises(Exception):  # noqa: B017 - each has its own
        decode(orjson.dumps(elements))


@pytest.mark.parametrize("wrong", [{"info": "x" * 51}, {"error_code": "Nothing"}, {"connector_id": "1"}], ids=str)
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_does_not_send_what_is_not_valid(peer: ModuleType, wrong: dict[str, Any]) -> None:
    """It may be refused when it is made, or when it is sent."""
    frame = frames()["status_notification_request"]
    encode, message = peer.encoder(frame)

    def send(**changes: Any) -> object:
        if not hasattr(peer, "constructor"):
            changed = {camel(name): value for name, value in changes.items()}
            return encode([*message[:-1], {**message[-1], **changed}])
        make, fields = peer.constructor(frame)
        return encode(make(**{**fields, **changes}))

    send()
    with pytest.raises(Exception):  # noqa: B017
        send(**wrong)


def test_the_ocpp_package_validates_what_it_routes() -> None:
    async def answer(data: bytes) -> list[Any]:
        connection = ocpp_package._Memory()
        await ocpp_package.station_class(Version.V16)("CP1", connection).route_message(data)
        return json.loads(connection.sent)

    frame = frames()["meter_values_1_request"]
    ocpp_package.validate_in_threads(False)
    assert asyncio.run(answer(frame.data)) == [3, frame.message_id, {}]
    refusal = asyncio.run(answer(frame.data.replace(b'"Wh"', b'"Volts"')))
    assert refusal[0] == 4


@pytest.mark.parametrize("name", ["ocpp", "jsonschema-rs"])
def test_a_frame_of_another_version_is_read_by_that_versions_rules(name: str) -> None:
    (peer,) = (peer for peer in peers.available() if name == peer.NAME)
    data = b'[2,"1","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]'
    frame = Frame("boot_notification_request", Version.V201, data)
    peer.decoder(frame)(data)
    with pytest.raises(Exception):  # noqa: B017
        peer.decoder(Frame(frame.name, Version.V16, data))(data)


# -- the workload --


def test_the_name_of_a_frame_is_unique_over_all_versions() -> None:
    assert len(frames()) == len([*FOLDER.glob("*/*.json")])


@pytest.mark.parametrize("frame", frames().values(), ids=list(frames()))
def test_a_frame_is_valid_and_keeps_its_length_under_another_id(frame: Frame) -> None:
    assert frame.message_class
    assert {len(each) for each in frame.numbered(3)} == {len(frame.data) - len(frame.message_id) + 8}
    assert len(client_frame(frame.data)) == client_frame_length(client_frame(frame.data))


@pytest.mark.parametrize("count", [1, 25, 1000])
def test_meter_values_of_any_size(count: int) -> None:
    values = meter_values(count).payload["meterValue"]
    assert sum(len(each["sampledValue"]) for each in values) == count

"""``ocpp-sansio validate`` and ``redact``: what they print, and what their exit status says."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from ocpp_sansio import Direction, Version
from ocpp_sansio.findings import RULES
from ocpp_transports.cli import _files
from ocpp_transports.cli._app import app
from ocpp_transports.cli._findings import MAX_STATIONS_SHOWN
from ocpp_transports.recording import Recorder, read

pytestmark = pytest.mark.once

LOG = """\
2026-03-17 20:23:00.100 INFO (MainThread) [ocpp] CP_1: receive message [2,"1","BootNotification",
{"chargePointVendor":"A"}]
2026-03-17 20:23:00.200 INFO (MainThread) [ocpp] CP_1: send [4,"1","OccurenceConstraintViolation","",{}]
2026-03-17 20:23:01.000 INFO (MainThread) [custom_components.ocpp] hello
2026-03-17 20:23:02.000 INFO (MainThread) [ocpp] CP_1: send [2,"x","Reset",{"type":"Hart"}]
2026-03-17 20:23:03.000 INFO (MainThread) [ocpp] CP_1: receive message [2,"2","Heartbeat",{}]
2026-03-17 20:24:03.000 INFO (MainThread) [ocpp] CP_1: send [3,"2",{"currentTime":"2026-03-17T20:24:03Z"}]
"""
GOOD = '[2,"1","Heartbeat",{}]\n[3,"1",{"currentTime":"2026-03-17T20:24:03Z"}]\n'
ERRORS, WARNINGS_AND_ERRORS, NOTES = GOOD.replace("{}", '{"a":1}'), LOG, GOOD + GOOD


class Outcome:
    """What a run of the command came to."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.status: Any = 0
        try:
            app(arguments)
        except SystemExit as leave:
            self.status = leave.code
        self.out, self.err = capsys.readouterr()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def standard_input(data: bytes = b"") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(io.BytesIO(data)))


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "ha.log"
    path.write_text(LOG)
    return str(path)


# -- validate --


VENDOR = """
from ocpp_sansio import Action, FromChargePoint, Response, v16

class SoldResponse(Response, kw_only=True):
    pass

class SoldRequest(FromChargePoint[SoldResponse], kw_only=True):
    cents: int

class Shop:
    ACTIONS = {"1.6": v16.ACTIONS.extended(Action("Sold", SoldRequest))}

NO_VERSION = {"1.7": v16.ACTIONS}
NO_ACTIONS = {"1.6": [Action("Sold", SoldRequest)]}
"""


def test_a_vendor_s_own_actions_are_those_of_a_program(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example_vendor.py").write_text(VENDOR)
    Path("sold").write_text('[2,"1","Sold",{"cents":7}]\n[3,"1",{}]\n')
    before = sys.path.copy()
    assert "Sold" in Outcome(capsys, "validate", "sold", "--quiet").out
    run = Outcome(capsys, "validate", "sold", "--actions", "example_vendor:Shop.ACTIONS")
    assert (run.status, run.out.count("Sold")) == (0, 0)
    assert "0 errors, 0 warnings, 0 notes in 2 messages; 0 other lines" in run.out
    assert sys.path == before


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        ("nowhere_at_all:ACTIONS", "ModuleNotFoundError"),
        ("json:ACTIONS", "AttributeError"),
        ("no module", "ValueError"),
        ("json:loads", "not iterable"),
        ("example_vendor:NO_ACTIONS", "does not have an Actions for each version"),
        ("example_vendor:NO_VERSION", "1.7"),
    ],
)
def test_where_a_vendor_s_actions_are_not_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, actions: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example_vendor.py").write_text(VENDOR)
    run = Outcome(capsys, "validate", "-", "--actions", actions)
    assert run.status == 2
    assert f"--actions {actions}: " in run.err
    assert why in run.err


def test_each_finding_is_a_line_with_the_same_columns(capsys: pytest.CaptureFixture[str], log: str) -> None:
    run = Outcome(capsys, "validate", log)
    assert run.status == 1
    missing = f"{log}:1: error RPC-060 required OccurenceConstraintViolation CP_1 CP→CS BootNotification 1"
    assert run.lines[:3] == [
        f"{missing} $.chargePointModel: is required",
        f"{log}:5: error RPC-074 enum PropertyConstraintViolation CP_1 CS→CP Reset x $.type: must be one of Hard, Soft",
        f"{log}:7: note RPC-055 late - CP_1 CS→CP Heartbeat 2 -: it took 60 seconds",
    ]
    assert len(run.lines[0].split(":")[2].split()) == len(run.lines[2].split(":")[2].split()) == 9
    assert re.search(r"^Reset +enum +1 *$", run.out, re.MULTILINE)
    assert re.search(r"^2 errors, 0 warnings, 1 note in 5 messages; 1 other line; \d+\.\d s$", run.out, re.MULTILINE)
    assert run.lines[-1] == "CP_1 speaks 1.6 (a guess)"
    assert run.err == ""


def test_what_a_peer_has_sent_cannot_write_on_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a b.log"
    path.write_text(json.dumps([2, "1 \x1b[2J", "X [red]Y", {}]))
    run = Outcome(capsys, "validate", str(path), "--quiet")
    assert "\x1b" not in run.out
    assert f"{str(path).replace(' ', '·')}:1: error RPC-070 action" in run.out
    assert " X·[red]Y 1··[2J -: " in run.out


def test_many_stations_are_not_all_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "many"
    path.write_text("".join(f'CP{n}: send [2,"1","Reset",{{"type":"Hard"}}]\n' for n in range(MAX_STATIONS_SHOWN + 3)))
    run = Outcome(capsys, "validate", str(path))
    assert (run.status, run.lines[-1]) == (0, "… and 3 more stations")


def test_json_is_an_object_for_each_finding_and_one_for_all(capsys: pytest.CaptureFixture[str], log: str) -> None:
    run = Outcome(capsys, "validate", log, "--format", "json", "--tolerance", "unknown-enum")
    first, second, third, last = map(json.loads, run.lines)
    assert first == {
        "file": log,
        "line": 1,
        "severity": "error",
        "rule": "required",
        "id": "RPC-060",
        "code": "OccurenceConstraintViolation",
        "identity": "CP_1",
        "sender": "charge point",
        "version": "1.6",
        "type": "CALL",
        "messageId": "1",
        "action": "BootNotification",
        "path": "$.chargePointModel",
        "message": "is required",
    }
    assert (second["severity"], second["repair"], third["severity"]) == ("warning", "unknown-enum", "note")
    summary = last["summary"]
    assert summary["findings"] == {"error": 1, "warning": 1, "note": 1}
    assert {"action": "Reset", "rule": "enum", "error": 0, "warning": 1, "note": 0} in summary["by"]
    assert summary["files"] == [
        {
            "file": log,
            "lines": 7,
            "passedOver": 1,
            "messages": {"CALL": 3, "CALLRESULT": 1, "CALLERROR": 1},
            "stations": [{"identity": "CP_1", "version": "1.6", "guessed": True}],
        }
    ]


def test_sarif_is_what_its_readers_ask_for(capsys: pytest.CaptureFixture[str], tmp_path: Path, log: str) -> None:
    other = tmp_path / "b c.log"
    other.write_text("".join(f"[2,{n}]\n" for n in range(2)) + "[7,1]\n")
    run = Outcome(capsys, "validate", log, str(other), "--format", "sarif")
    assert run.status == 1
    document = json.loads(run.out)
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-2.1.0.json")
    (one,) = document["runs"]
    driver = one["tool"]["driver"]
    assert (driver["name"], [rule["id"] for rule in driver["rules"]]) == ("ocpp-sansio", list(RULES))
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    assert {rule["defaultConfiguration"]["level"] for rule in driver["rules"]} <= {"error", "warning", "note"}
    assert len(one["results"]) == 6
    for result in one["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert unquote(uri) in {log, str(other)}
        assert " " not in uri
    assert one["results"][1]["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "CP_1/Reset/$.type"}]
    assert "logicalLocations" not in one["results"][-1]["locations"][0]


def test_sarif_of_nothing_is_sarif(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", standard_input(GOOD.encode()))
    run = Outcome(capsys, "validate", "-", "--format", "sarif")
    assert (run.status, json.loads(run.out)["runs"][0]["results"]) == (0, [])


@pytest.mark.parametrize(
    ("file", "options", "status"),
    [
        (GOOD, [], 0),
        (LOG, [], 1),
        (LOG, ["--fail-on", "never"], 0),
        (LOG, ["--tolerance", "warn-only"], 0),
        (LOG, ["--tolerance", "warn-only", "--fail-on", "warning"], 1),
        (NOTES, ["--fail-on", "warning"], 0),
        (NOTES, ["--fail-on", "note"], 1),
        (GOOD, ["--version", "2.1"], 0),
        (GOOD, ["--tolerance", "leniency"], 2),
        (GOOD, ["--version", "3"], 2),
        (GOOD, ["--format", "xml"], 2),
        (GOOD, ["--max-findings", "-1"], 2),
        (GOOD, ["--answer-time", "0"], 2),
        (GOOD, ["--nope"], 2),
        (GOOD, ["-x"], 2),
        ("hello\n", [], 2),
        ("", [], 2),
    ],
)
def test_the_exit_status_is_for_a_build(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, file: str, options: list[str], status: int
) -> None:
    path = tmp_path / "file"
    path.write_text(file)
    run = Outcome(capsys, "validate", str(path), *options)
    assert run.status == status
    assert (status == 2) == bool(run.err)


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, log: str
) -> None:
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(LOG.encode())[:-20])
    run = Outcome(capsys, "validate", str(tmp_path / "none"), str(torn), log, "--quiet")
    assert run.status == 2
    assert f"{tmp_path / 'none'}: No such file or directory\n" in run.err
    assert f"{torn}: Compressed file ended" in run.err
    assert sum(line.startswith(log) for line in run.lines) == 3


@pytest.mark.parametrize("arguments", [[], ["{}/none"]])
def test_without_a_file_there_is_nothing_to_say(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    run = Outcome(capsys, "validate", *(each.format(tmp_path) for each in arguments))
    assert (run.status, run.out) == (2, "")
    assert run.err


def test_as_many_are_shown_as_asked_for_and_all_are_counted(capsys: pytest.CaptureFixture[str], log: str) -> None:
    run = Outcome(capsys, "validate", log, "--max-findings", "1")
    assert sum(line.startswith(log) for line in run.lines) == 1
    assert run.lines[1] == "… and 2 more"
    assert "2 errors, 0 warnings, 1 note in" in run.out
    run = Outcome(capsys, "validate", log, "--max-findings", "0", "--format", "json")
    assert json.loads(run.out)["summary"]["unshown"] == 3
    assert run.status == 1


@pytest.mark.parametrize("option", ["--quiet", "-q"])
@pytest.mark.parametrize("format_", ["text", "json"])
def test_quiet_is_without_a_summary(capsys: pytest.CaptureFixture[str], log: str, format_: str, option: str) -> None:
    assert len(Outcome(capsys, "validate", log, option, "--format", format_).lines) == 3


@pytest.mark.parametrize("command", ["validate", "redact"])
def test_an_option_that_there_is_not_is_not_taken_for_a_file(
    capsys: pytest.CaptureFixture[str], log: str, command: str
) -> None:
    run = Outcome(capsys, command, "--nope", *([log] if command == "validate" else []))
    assert (run.status, run.out) == (2, "")
    assert "There is no option --nope" in run.err


def test_how_long_an_answer_may_take_can_be_told(capsys: pytest.CaptureFixture[str], log: str) -> None:
    assert " late " in Outcome(capsys, "validate", log, "-q", "--answer-time", "59.5").out
    assert " late " not in Outcome(capsys, "validate", log, "-q", "--answer-time", "60").out


# The first of them ends between a CALL and its answer, and has a CALL that is never answered.
ROTATED = (
    f"""\
hello
CP_1: send {GOOD.splitlines()[1]}
CP_1: receive message [2,"x","Heartbeat",{{}}]
CP_1: receive message [2,"y","Heartbeat",{{}}]
CP_1: send [3,"y",{{"currentTime":"2026-03-17T20:24:03Z"}}]
CP_1: receive message [2,"z","Heartbeat",{{}}]""",
    'CP_1: send [3,"z",{"currentTime":"soon"}]\nhello\n',
    'CP_1: send [3,"a",{}]\n',
)


@pytest.mark.parametrize("together", [[], ["--together"]])
def test_files_are_one_traffic_if_they_are_said_to_be(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, together: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in zip("cab", ROTATED, strict=True):
        Path(name).write_text(content)
    run = Outcome(capsys, "validate", "c", "a", "b", "--format", "json", *together)
    *findings, last = map(json.loads, run.lines)
    told = [(each["file"], each["line"], each["rule"], each["severity"]) for each in findings]
    begins = [("c", 2, "unsolicited", "note"), ("c", 6, "outstanding", "note")]
    if together:
        assert told == [
            *begins, ("a", 1, "format", "error"), ("b", 1, "unsolicited", "error"), ("c", 3, "unanswered", "note")
        ]  # fmt: skip
    else:
        unanswered = [("c", 3, "unanswered", "note"), ("c", 6, "unanswered", "note")]
        assert told == [*begins, *unanswered, ("a", 1, "unsolicited", "note"), ("b", 1, "unsolicited", "note")]
    files = last["summary"]["files"]
    assert [(each["file"], each["lines"], each["passedOver"]) for each in files] == [
        ("c", 6, 1),
        ("a", 2, 1),
        ("b", 1, 0),
    ]
    assert [each["messages"] for each in files] == [{"CALL": 3, "CALLRESULT": 2}, *[{"CALLRESULT": 1}] * 2]
    assert sum(last["summary"]["findings"].values()) == len(findings)
    text = Outcome(capsys, "validate", "c", "a", "b", *together)
    assert text.lines.count("CP_1 speaks 1.6 (a guess)") == (1 if together else 3)


@pytest.mark.parametrize("format_", ["text", "json", "sarif"])
def test_a_file_may_have_any_name(capsys: pytest.CaptureFixture[str], tmp_path: Path, format_: str) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.log")
    try:
        Path(name).write_text(LOG)
    except OSError:
        pytest.skip("not on this platform")
    run = Outcome(capsys, "validate", name, "--format", format_)
    assert run.status == 1
    shown = {"text": "·.log:1: error", "json": "/\ufffd.log", "sarif": "/%FF.log"}[format_]
    assert shown in run.out


def test_a_compressed_file_and_standard_input_are_read_as_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: str
) -> None:
    plain = [line.partition(":")[2] for line in Outcome(capsys, "validate", log, "--quiet").lines]
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(LOG.encode()))
    monkeypatch.setattr(sys, "stdin", standard_input(LOG.encode()))
    for name in (str(packed), "-"):
        assert [line.partition(":")[2] for line in Outcome(capsys, "validate", name, "--quiet").lines] == plain
    monkeypatch.setattr(sys, "stdin", standard_input(packed.read_bytes()))
    assert len(Outcome(capsys, "validate", "-", "--quiet").lines) == len(plain)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be"])
def test_what_an_editor_or_a_shell_has_marked_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, log: str, encoding: str
) -> None:
    marked = tmp_path / "ha.log"
    plain = Outcome(capsys, "validate", log, "--quiet").out
    text = LOG if encoding == "utf-8-sig" else "\ufeff" + LOG
    marked.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert Outcome(capsys, "validate", str(marked), "--quiet").out == plain


@pytest.mark.skipif(os.name != "posix", reason="pipes of this kind")
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_read_like_a_file(capsys: pytest.CaptureFixture[str], pack: Callable[[bytes], bytes]) -> None:
    reading, writing = os.pipe()
    os.write(writing, pack(LOG.encode()))
    os.close(writing)
    try:
        assert len(Outcome(capsys, "validate", f"/dev/fd/{reading}", "--quiet").lines) == 3
    finally:
        os.close(reading)


def test_what_a_recorder_has_written_is_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "traffic.jsonl"
    with Recorder(path) as recorder:
        recorder.of("CP_1", "2.0.1")(Direction.OUT, '[2,"1","Heartbeat",{"a":1}]', 0.0)
    run = Outcome(capsys, "validate", str(path))
    assert f"{path}:1: error RPC-074 additionalProperties FormatViolation CP_1 CP→CS Heartbeat 1 $.a: " in run.out
    assert run.lines[-1] == "CP_1 speaks 2.0.1"


@pytest.mark.parametrize(
    ("is_terminal", "options", "is_shown"), [(True, [], True), (False, [], False), (True, ["--quiet"], False)]
)
def test_a_bar_is_shown_beside_a_large_file_on_a_terminal(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    log: str,
    is_terminal: bool,
    options: list[str],
    is_shown: bool,
) -> None:
    monkeypatch.setattr(_files, "LARGE", 1)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    run = Outcome(capsys, "validate", log, *options)
    assert ("ha.log" in run.err) is is_shown


def test_on_a_terminal_a_finding_is_not_wrapped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, log: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    out = re.sub(r"\x1b\[[\d;]*m", "", Outcome(capsys, "validate", log).out)
    assert f"{log}:5: error RPC-074 enum PropertyConstraintViolation CP_1 CS→CP Reset x $.type: must be one of" in out


COMMANDS = [["validate"], ["validate", "--format", "sarif"], ["redact"]]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from ocpp_transports.cli import main; main()", *arguments]


@pytest.mark.skipif(os.name != "posix", reason="a shell of this kind")
@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize(
    ("closed", "said"), [("<&-", "-: standard input is closed\n"), (">&-", "standard output: it is closed\n")]
)
def test_what_is_closed_is_named(arguments: list[str], closed: str, said: str) -> None:
    line = f'exec "$@" {closed}'
    run = subprocess.run(
        ["sh", "-c", line, "sh", *command(*arguments, "-")],
        input=GOOD, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (2, said)


@pytest.mark.skipif(os.name != "posix", reason="pipes of this kind")
@pytest.mark.parametrize("arguments", COMMANDS)
def test_who_has_seen_enough_may_leave(tmp_path: Path, arguments: list[str]) -> None:
    path = tmp_path / "many"
    path.write_text('[2,"1","Foo",{}]\n' * 20_000)
    with subprocess.Popen(
        command(*arguments, str(path)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1)
        process.stdout.close()
        assert process.wait(60) == (1 if "validate" in arguments else 0)
        assert process.stderr.read() == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is full")  # noqa: PTH110 - no file
@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_disk_that_is_full_is_told_from_a_file_that_cannot_be_read(log: str, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - no file
        run = subprocess.run(
            command(*arguments, log), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (run.returncode, run.stderr) == (2, "standard output: No space left on device\n")


@pytest.mark.parametrize("arguments", COMMANDS)
def test_what_is_printed_is_utf_8_whatever_the_platform_prefers(tmp_path: Path, arguments: list[str]) -> None:
    path = tmp_path / "log"
    path.write_text('CP_1: receive message [2,"1","Authorize",{"idTag":"A","☃":1}]\n', encoding="utf-8")
    run = subprocess.run(
        command(*arguments, str(path)),
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert "☃" in run.stdout.decode()
    assert run.stderr == b""


# -- redact --

SECRETS = """\
{"time":"2026-01-01T12:00:00.000Z","identity":"CP_1","version":"1.6","direction":"in","text":"[2,\\"CP_1-1\\",\\"Authorize\\",{\\"idTag\\":\\"04A2B3C4\\"}]"}
2026-03-17 20:23:00 CP_1: send [3,"CP_1-1",{"idTagInfo":{"status":"Accepted","parentIdTag":"04A2B3C4"}}]
the password is hunter2
{"chargePointId":"CP_1","direction":"csms-to-cp","raw":"[2,\\"x"}
{"chargePointId":"CP_1","direction":"cp-to-csms","raw":"[3,\\"x"}
[2,"1","\\ud800"]
"""


def test_what_is_redacted_is_a_recording_without_secrets(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_text(SECRETS + "garage-7\n" + json.dumps({"frame": [2, "garage-7", "Heartbeat", {}]}))
    run = Outcome(capsys, "redact", str(path), "--key", "k", "--identity", "garage-7")
    assert run.status == 0
    for secret in ("CP_1", "04A2B3C4", "hunter2", "garage"):
        assert secret not in run.out
    first, second, third, fourth, *_ = map(json.loads, run.lines)
    tag, parent = (re.findall(r"[0-9A-F]{8}", each["text"])[0] for each in (first, second))
    assert tag == parent
    assert first["identity"] == second["identity"] == first["text"].split('"')[1].removesuffix("-1")
    assert [each["direction"] for each in (first, second, third, fourth)] == ["in", "out", "out", "in"]
    assert third["text"] == '[2,"x'
    assert Outcome(capsys, "redact", str(path), "--key", "k", "--identity", "garage-7").out == run.out
    assert Outcome(capsys, "redact", str(path)).out != run.out

    written = tmp_path / "redacted"
    written.write_text(run.lines[0] + "\n")
    (message,) = read(written)
    assert (message.version, message.direction) == (Version.V16, Direction.IN)
    assert Outcome(capsys, "validate", str(written)).status == 0


def test_redact_reads_what_validate_reads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", standard_input(b'[2,"\xff","Heartbeat",{}]\n' + b'[2,"' + b"x" * 2**21))
    run = Outcome(capsys, "redact")
    assert json.loads(run.out) == {"text": '[2,"\ufffd","Heartbeat",{}]'}
    assert run.err == "line 2 is left out: it is too long\n"


STATIONS = """\
2026-03-17 20:23:00 CP_2: receive message [2,"1","DataTransfer",{"vendorId":"seen CP_1"}]
2026-03-17 20:23:01 CP_1: receive message [2,"1","DataTransfer",{"vendorId":"seen CP_2"}]
2026-03-17 20:23:02 CP_2: receive message [2,"2","DataTransfer",{"vendorId":"seen CP_1"}]
2026-03-17 20:23:03 A1: receive message [2,"A1","Heartbeat",{}]
2026-03-17 20:23:03 A1: receive message [2,"A2","Heartbeat",{}]
"""


@pytest.mark.parametrize("is_piped", [False, True])
def test_a_station_is_in_no_message_of_another_either(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_piped: bool
) -> None:
    path = tmp_path / "stations"
    path.write_text(STATIONS)
    monkeypatch.setattr(sys, "stdin", standard_input(STATIONS.encode()))
    run = Outcome(capsys, "redact", "-" if is_piped else str(path))
    assert run.status == 0
    messages = [json.loads(line) for line in run.lines]
    two, one, *_ = (message["identity"] for message in messages)
    seen = [json.loads(message["text"])[3].get("vendorId") for message in messages[:3]]
    # A pipe cannot be read twice: what its first message tells of a station is out before that is known to be one.
    assert seen == [f"seen {'CP_1' if is_piped else one}", f"seen {two}", f"seen {one}"]
    assert json.loads(messages[3]["text"])[1] == "A1"
    assert run.err == "'A1' is too short to be looked for in messages, and stays in their texts\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--key", ""], "the key must not be empty\n"),
        (["--identity", "CP"], "'CP' would be found everywhere: it takes 3 characters to look for\n"),
    ],
)
def test_options_of_redact_that_make_no_sense_are_told(
    capsys: pytest.CaptureFixture[str], log: str, arguments: list[str], said: str
) -> None:
    run = Outcome(capsys, "redact", log, *arguments)
    assert (run.status, run.out, run.err) == (2, "", said)


def test_nothing_but_what_is_too_long_is_no_message(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_text('[2,"1","DataTransfer",{"vendorId":"' + "A" * 2**21 + '"}]\n')
    run = Outcome(capsys, "redact", str(path))
    said = f"line 1 is left out: it is too long\n{path}: there is no OCPP message in it\n"
    assert (run.status, run.out, run.err) == (2, "", said)


def test_redact_says_when_there_is_nothing_to_redact_and_keeps_what_there_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = Outcome(capsys, "redact", str(tmp_path / "none"))
    assert (run.status, run.out, run.err) == (2, "", f"{tmp_path / 'none'}: No such file or directory\n")
    path = tmp_path / "torn"
    path.write_text("hello\n")
    run = Outcome(capsys, "redact", str(path))
    assert (run.status, run.out, run.err) == (2, "", f"{path}: there is no OCPP message in it\n")
    path.write_bytes(gzip.compress(GOOD.rstrip().encode())[:-8])
    run = Outcome(capsys, "redact", str(path))
    assert (run.status, len(run.lines)) == (2, 2)
    assert run.err.startswith(f"{path}: Compressed file ended")

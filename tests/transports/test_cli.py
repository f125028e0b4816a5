"""The command: what it shows, and what its exit status says."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ocpp_sansio import CentralSystem, Direction, Role, Version, v16, v21, v201, validate
from ocpp_transports import cli, sync
from ocpp_transports.cli import _blackout, demo
from ocpp_transports.cli._app import app
from ocpp_transports.cli._dialects import DIALECTS, NUMBERS
from ocpp_transports.cli._frames import Ladder, Passed, Recording
from ocpp_transports.cli._relay import Relay
from ocpp_transports.cli._story import reports
from ocpp_transports.cli._v2x import token
from ocpp_transports.store import SqliteStore

pytestmark = pytest.mark.once

HOST = "127.0.0.1"
PATIENCE = 20.0
COMMAND = "from ocpp_transports.cli import main; main()"


@pytest.fixture(autouse=True)
def _log() -> Generator[None]:
    """The command sets the log up for its process; here it shares one."""
    root, ours = logging.getLogger(), logging.getLogger("ocpp_transports")
    before = root.handlers[:], root.level, ours.handlers[:]
    yield
    root.handlers[:], ours.handlers[:] = before[0], before[2]
    root.setLevel(before[1])


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str]:
    """Run the command here; its exit status (text: what it says on leaving with 1) and what it printed."""
    try:
        app(arguments)
    except SystemExit as leave:
        return leave.code, capsys.readouterr().out
    return 0, capsys.readouterr().out


# -- demo --


def test_demo_plays_identical_sessions_of_three_versions_between_all_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = run(capsys, "demo")
    assert status == 0, out
    assert out.count("identical") == 48
    assert len(set(re.findall(r"│ (\w+) +│ (\w+) +│ 1200 Wh \+ 1000 Wh +│ complete, in order", out))) == 16
    assert re.search(r"OCPP 2\.1 +┃ OCPP 2\.0\.1 +┃ OCPP 1\.6", out)
    assert {
        tuple(pair) for pair in re.findall(r"│ (\w+) +│ (\w+) +(?:│ \d\d messages, identical ){3}│ +\d+ ms", out)
    } == set(itertools.product(("asyncio", "trio", "sync", "anyio"), repeat=2))


@pytest.fixture
def one_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sessions are played by one pair only."""
    monkeypatch.setattr(demo, "ADAPTERS", demo.ADAPTERS[:1])


@pytest.mark.usefixtures("one_pair")
def test_demo_draws_an_aligned_timed_ladder(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = run(capsys, "demo")
    sessions = out.partition("\nA link lost")[0]
    ladders = re.split(r"^OCPP (\S+), charge point on asyncio.*$", sessions, flags=re.MULTILINE)
    for version, ladder in zip(ladders[1::2], ladders[2::2], strict=True):
        rungs = [line for line in ladder.splitlines() if re.match(r" +\d+\.\d ms  ", line)]
        messages = [line for line in rungs if "CP" in line]
        assert {line.index("CP ") for line in messages} == {messages[0].index("CP ")}
        assert {line.index(" CS") for line in messages} == {messages[0].index(" CS")}
        told = [
            (("CALLERROR" in line, "CALLRESULT" in line), "▶" in line, line.split(" CS  ")[1].split()[0])
            for line in messages
        ]
        asked = [action for kind, _, action in told if kind == (False, False)]
        assert asked == ['[2,"noise","Heartb', *PLAYED[version].split()]
        answered = [action for kind, rightward, action in told if rightward and kind[1]]
        assert answered == [action for action in asked if action.startswith(("Remote", "Request"))]
        error = "FormationViolation:" if version == "1.6" else "RpcFrameworkError:"
        assert [action for kind, _, action in told if kind[0]] == [error]
        assert sum("no answer within" in line for line in rungs) == 1
        assert sum(" SEND " in line for line in messages) == (version == "2.1")
    assert ladders[1::2] == ["2.1", "2.0.1", "1.6"]


PLAYED = {
    "1.6": """
        BootNotification StatusNotification DataTransfer Heartbeat RemoteStartTransaction Authorize StartTransaction
        StatusNotification MeterValues RemoteStopTransaction StopTransaction StatusNotification
    """,
    "2.0.1": """
        BootNotification StatusNotification DataTransfer Heartbeat RequestStartTransaction Authorize TransactionEvent
        StatusNotification TransactionEvent RequestStopTransaction TransactionEvent StatusNotification
    """,
    "2.1": """
        BootNotification StatusNotification DataTransfer Heartbeat RequestStartTransaction Authorize TransactionEvent
        OpenPeriodicEventStream StatusNotification NotifyPeriodicEventStream TransactionEvent RequestStopTransaction
        ClosePeriodicEventStream TransactionEvent StatusNotification
    """,
}
"""What either end asks or says."""


def test_demo_fails_if_one_session_goes_differently(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "ADAPTERS", demo.ADAPTERS[:2])
    monkeypatch.setattr(_blackout, "ADAPTERS", demo.ADAPTERS[:1])
    scenes = []

    class OneOfThemDiffers(demo.Scene):
        def __init__(self, version: Version) -> None:
            super().__init__(version)
            scenes.append(self)
            if len(scenes) == 14:  # the first three are those of the pure core
                self.charge_point_answers = {}

    monkeypatch.setattr(demo, "Scene", OneOfThemDiffers)
    status, out = run(capsys, "demo")
    assert status == 1
    assert (out.count("messages, identical"), out.count("messages, differs")) == (11, 1)
    assert "trio → trio, 2.0.1: message" in out
    assert "NotSupported" in out


def test_demo_fails_if_one_session_breaks_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionRefusedError("no")

    monkeypatch.setattr(_blackout, "ADAPTERS", demo.ADAPTERS[:1])
    for adapter in demo.ADAPTERS[1:]:
        monkeypatch.setattr(adapter, "play", refuse)
    status, out = run(capsys, "demo")
    assert status == 1
    assert "trio → sync, 2.1: ConnectionRefusedError: no" in out


@pytest.mark.usefixtures("one_pair")
def test_demo_fails_if_a_blackout_is_not_played_to_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionRefusedError("no")

    *_, last = _blackout.ADAPTERS
    monkeypatch.setattr(last, "operate", refuse)
    monkeypatch.setattr(_blackout, "ADAPTERS", (last,))
    status, out = run(capsys, "demo")
    assert status == 1
    assert "anyio → anyio, blackout: ConnectionRefusedError: no" in out


@pytest.mark.usefixtures("one_pair")
def test_demo_fails_if_something_else_is_booked_than_was_charged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_one() -> list[_blackout.Blackout]:
        (day,) = _blackout.play_blackouts()
        assert not list(day.faults())
        del day.booked[1:]
        return [day]

    monkeypatch.setattr(_blackout, "ADAPTERS", _blackout.ADAPTERS[:1])
    monkeypatch.setattr(demo, "play_blackouts", lose_one)
    status, out = run(capsys, "demo")
    assert status == 1
    assert "complete, in order" not in out
    assert "asyncio → asyncio, blackout: charged [Charged(" in out


def test_what_is_told_in_another_order_is_a_fault() -> None:
    charged = [_blackout.Charged("TAG", 1000, 2200, "Local")]
    day = _blackout.Blackout("asyncio", "trio", charged=charged, booked=charged)
    for number, action in enumerate(["StartTransaction", "StopTransaction", "MeterValues"]):
        day.recording(Direction.OUT, f'[2,"{number}","{action}",{{}}]', 0.0)
    assert list(day.faults()) == ["told in the order ['StartTransaction', 'StopTransaction', 'MeterValues']"]


def test_demo_compares_what_matters() -> None:
    """Ids are drawn anew in each run: transcripts number them. Everything else counts, the order included."""
    one, other = Recording(), Recording()
    for recording, prefix in ((one, "a"), (other, "b")):
        recording(Direction.OUT, f'[2,"{prefix}1","Heartbeat",{{}}]', 0.0)
        recording(Direction.IN, f'[3,"{prefix}1",{{}}]', 0.0)
    assert one.transcript() == other.transcript()
    other(Direction.OUT, '[2,"b2","Heartbeat",{}]', 0.0)
    assert one.transcript() != other.transcript()


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ('[5,"1","InternalError","no",{}]', "CALLRESULTERROR ────▶ CS  InternalError: no"),
        ('[6,"1","NotifyPeriodicEventStream",{"id":1}]', 'SEND ─────────▶ CS  NotifyPeriodicEventStream {"id":1}'),
    ],
)
def test_a_ladder_has_the_frames_of_2_1(text: str, drawn: str) -> None:
    assert drawn in Ladder(Role.CHARGE_POINT).line(Passed(Direction.OUT, text, 0.0)).plain


# -- csms and station --


@contextlib.contextmanager
def csms(*arguments: str) -> Generator[tuple[str, list[str]]]:
    """The command as a process of its own: its URL, and what it has shown once the block has ended."""
    shown: list[str] = []
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            "from ocpp_transports.cli import main; main()",
            "csms",
            "--port",
            "0",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            shown.append(line)
            if url := re.search(r"ws://\S+", line):
                yield url[0], shown
                break
        process.send_signal(signal.SIGINT)
        shown.append(process.communicate(timeout=PATIENCE)[0])
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, shown


SESSIONS = {
    "1.6": {"BootNotification": 2, "Authorize": 2, "StartTransaction": 2, "MeterValues": 4, "StopTransaction": 2},
    "2.0.1": {"BootNotification": 2, "Authorize": 2, "TransactionEvent": 8, "NotifyPeriodicEventStream": 0},
    "2.1": {"BootNotification": 2, "Authorize": 2, "TransactionEvent": 8, "NotifyPeriodicEventStream": 2},
}
"""How often each action is shown: with the request and with the response."""


def test_stations_of_all_versions_play_a_session_against_the_csms(capsys: pytest.CaptureFixture[str]) -> None:
    ends: dict[str, str] = {}
    with csms() as (url, shown):
        for version in SESSIONS:
            options = ["--readings", "2", "--interval", "0.01", "--version", version]
            status, ends[version] = run(capsys, "station", url, f"CP {version}", *options)
            assert status == 0
    for version, counts in SESSIONS.items():
        theirs = [line for line in "".join(shown).splitlines() if line.startswith(f"CP {version}")]
        assert len(theirs) >= ends[version].count(" ms  CP ")
        for text in (ends[version], "\n".join(theirs)):
            assert {action: text.count(f"  {action} {{") for action in counts} == counts


@pytest.mark.parametrize(
    ("spoken", "offered", "chosen"),
    [
        ([], [], "2.1"),
        ([], ["1.6", "2.1"], "1.6"),
        (["1.6", "2.0.1"], [], "2.0.1"),
    ],
)
def test_the_station_s_order_decides_among_the_versions_of_both(
    capsys: pytest.CaptureFixture[str], spoken: list[str], offered: list[str], chosen: str
) -> None:
    """RPC-011."""
    with csms(*versions(spoken)) as (url, shown):
        status, _ = run(capsys, "station", url, "CP1", "--readings", "0", *versions(offered))
    assert status == 0
    assert f"connected, OCPP {chosen}" in "".join(shown)


def versions(numbers: list[str]) -> list[str]:
    return [argument for number in numbers for argument in ("--version", number)]


def test_a_csms_without_the_version_of_the_station_refuses_it(capsys: pytest.CaptureFixture[str]) -> None:
    """RPC-012."""
    with csms("--version", "2.1") as (url, _):
        status, _ = run(capsys, "station", url, "CP1", "--version", "1.6")
    assert "the server chose no OCPP version" in status


@pytest.mark.parametrize("version", Version)
def test_the_csms_has_an_answer_to_every_report(version: Version) -> None:
    """What it does not answer takes more than to take note of it."""
    answers = DIALECTS[version].welcome(demo._calendar())
    unanswered = {
        action.name
        for action in version.actions.values()
        if action.sent_by(Role.CHARGE_POINT) and action.response is not None and action.request not in answers
    }
    more_to_say = {"Get15118EVCertificate", "GetCertificateStatus", "NotifyEVChargingNeeds", "NotifyEVChargingSchedule"}
    new = {"GetCertificateChainStatus", "PullDynamicScheduleUpdate", "VatNumberValidation"}
    assert unanswered == {Version.V16: set(), Version.V201: more_to_say, Version.V21: more_to_say | new}[version]
    assert set(reports(version)) < set(answers)


def test_the_csms_answers_whatever_a_charge_point_may_send() -> None:
    with csms() as (url, _), sync.connect(url, "CP1") as central:
        central.call(v16.BootNotificationRequest(charge_point_vendor="V", charge_point_model="M"))
        assert central.call(v16.HeartbeatRequest()).current_time.tzinfo is not None
        assert central.call(v16.FirmwareStatusNotificationRequest(status=v16.FirmwareStatus.IDLE))
        refused = central.call(v16.SignCertificateRequest(csr="x"))
        assert refused.status is v16.GenericStatusEnumType.REJECTED


@contextlib.contextmanager
def strict_central_system(boot: v16.RegistrationStatus, tag: v16.AuthorizationStatus) -> Generator[str]:
    application = CentralSystem()
    application.authenticate(
        lambda request: request.credentials is not None and request.credentials.password == b"secret"
    )

    @application.on(v16.BootNotificationRequest)
    def on_boot(*_: object) -> v16.BootNotificationResponse:
        return v16.BootNotificationResponse(current_time=demo._calendar()(), interval=1, status=boot)

    @application.on(v16.AuthorizeRequest)
    def on_authorize(*_: object) -> v16.AuthorizeResponse:
        return v16.AuthorizeResponse(id_tag_info=v16.IdTagInfo(status=tag))

    @application.on(v16.StatusNotificationRequest)
    def on_status(*_: object) -> v16.StatusNotificationResponse:
        return v16.StatusNotificationResponse()

    with sync.serve(application, HOST, 0) as server:
        yield f"ws://{HOST}:{server.port}/"


ACCEPTED, PENDING = v16.RegistrationStatus.ACCEPTED, v16.RegistrationStatus.PENDING
VALID, BLOCKED = v16.AuthorizationStatus.ACCEPTED, v16.AuthorizationStatus.BLOCKED


@pytest.mark.parametrize(
    ("boot", "tag", "password", "says"),
    [
        (PENDING, VALID, "secret", "has not accepted the charge point"),
        (ACCEPTED, BLOCKED, "secret", "has not accepted the customer"),
        (ACCEPTED, VALID, "secret", "NotSupported"),  # StartTransaction has no handler
        (ACCEPTED, VALID, "guess", "401"),
    ],
)
def test_a_station_says_why_there_was_no_session(
    capsys: pytest.CaptureFixture[str],
    boot: v16.RegistrationStatus,
    tag: v16.AuthorizationStatus,
    password: str,
    says: str,
) -> None:
    with strict_central_system(boot, tag) as url:
        status, _ = run(capsys, "station", url, "CP1", "--password", password)
    assert says in status


def test_a_station_says_when_there_is_no_central_system(capsys: pytest.CaptureFixture[str]) -> None:
    with sync.serve(CentralSystem(), HOST, 0) as server:
        port = server.port
    status, _ = run(capsys, "station", f"ws://{HOST}:{port}/", "CP1")
    assert isinstance(status, str)
    assert "refused" in status.lower() or "connect" in status.lower()


STOPPED = {
    Version.V16: ("MeterValues", '"reason": "Remote"'),
    Version.V201: ('TransactionEvent {"eventType":"Updated"', '"stoppedReason": "Remote"'),
    Version.V21: ("NotifyPeriodicEventStream", '"stoppedReason": "Remote"'),
}


@pytest.mark.parametrize("version", Version)
def test_a_station_stops_when_told_to(capsys: pytest.CaptureFixture[str], version: Version) -> None:
    """A remote stop ends the session before all readings have been sent."""
    dialect = DIALECTS[version]
    answers = dialect.interfere(demo._calendar(), dialect.charge_point(demo._calendar()))
    heard = Recording()
    options = ["--readings", "100", "--interval", "0.01", "--version", str(version)]
    with demo.ADAPTERS[2].serve(answers, lambda _, *message: heard(*message)) as port:
        status, out = run(capsys, "station", f"ws://{HOST}:{port}/", "CP1", *options)
    assert status == 0
    reading, reason = STOPPED[version]
    assert out.count(f"─────▶ CS  {reading}") == 1
    assert any(reason in text for _, text in heard.transcript())


@pytest.mark.parametrize("version", Version)
def test_a_charge_point_does_what_it_is_asked_if_it_can(version: Version) -> None:
    """Every answer of its is valid, and a request about somebody else or another transaction is rejected."""
    requests: dict[Version, list[Any]] = {
        Version.V16: [
            v16.RemoteStartTransactionRequest(id_tag="SOMEBODY"),
            v16.RemoteStopTransactionRequest(transaction_id=1),
            v16.TriggerMessageRequest(requested_message=v16.MessageTrigger.HEARTBEAT),
        ],
        Version.V201: [
            v201.RequestStartTransactionRequest(
                remote_start_id=1, id_token=v201.IdToken(id_token="SOMEBODY", type=v201.IdTokenEnum.LOCAL)
            ),
            v201.RequestStopTransactionRequest(transaction_id="1"),
            v201.TriggerMessageRequest(requested_message=v201.MessageTrigger.HEARTBEAT),
            v201.GetBaseReportRequest(request_id=1, report_base=v201.ReportBase.FULL_INVENTORY),
        ],
        Version.V21: [
            v21.RequestStartTransactionRequest(remote_start_id=1, id_token=v21.IdToken(id_token="SOMEBODY", type="x")),
            v21.RequestStopTransactionRequest(transaction_id="1"),
            v21.TriggerMessageRequest(requested_message=v21.MessageTrigger.HEARTBEAT),
            v21.GetBaseReportRequest(request_id=1, report_base=v21.ReportBase.FULL_INVENTORY),
        ],
    }
    statuses = ["Rejected", "Rejected", "NotImplemented", "NotSupported"]
    answers = DIALECTS[version].charge_point(demo._calendar()).answers
    for request, status in zip(requests[version], statuses, strict=False):
        response: Any = answers[type(request)](request)
        validate(response)
        assert response.status == status


@pytest.mark.parametrize(("version", "card"), [(v201, v201.IdTokenEnum.ISO14443), (v21, "ISO14443")])
def test_a_token_has_a_type_of_its_version(version: Any, card: str) -> None:
    made = token(version, "CUSTOMER-1")
    assert (type(made.type), made.type) == (type(card), card)


def test_what_is_spoken_by_default_is_all_there_is_the_newest_first() -> None:
    assert Version.parse_all(NUMBERS) == tuple(DIALECTS) == tuple(reversed(Version))


# -- a scenario --

LIFE = """
    configure AllowOfflineTxForUnknownId true
    until accepted
    plug_in
    present CUSTOMER-1      # who is welcome
    until energy
    ev_ready
    charge 500
    until delivered
    cut
    charge 700
    power_loss
    mend
    until accepted
    until delivered
"""


@pytest.fixture
def life(tmp_path: Path) -> str:
    """A file with what happens at a charge point."""
    path = tmp_path / "scenario"
    path.write_text(LIFE)
    return str(path)


def stopped(shown: list[str]) -> list[tuple[str, str, str, str]]:
    """The transactions whose end a csms has shown: station, idTag, and the meter at both ends."""
    text = " ".join("".join(shown).split())
    pattern = r"identity='([^']*)'.*?id_tag='([^']*)'.*?meter_start=(\d+).*?meter_stop=(\d+)"
    return [match.groups() for part in text.split("TransactionStopped(")[1:] if (match := re.search(pattern, part))]


@pytest.mark.parametrize("source", ["file", "-"])
def test_a_station_lives_through_a_scenario_and_the_csms_has_it_in_its_ledger(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, life: str, source: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(LIFE))
    with csms() as (url, shown):
        status, out = run(capsys, "station", url, "CP1", "--scenario", life if source == "file" else source)
    assert status == 0, out
    assert re.search(r"^cut$.*^power_loss$.*^mend$", out, flags=re.MULTILINE | re.DOTALL)
    assert stopped(shown) == [("CP1", "CUSTOMER-1", "1000", STOPPED_AT)]


STOPPED_AT = "2200"
"""Wh: what the meter shows when the power is back."""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("dance", "'dance' is no line of a scenario"),
        ("plug_in 1 2", "'plug_in 1 2' is no line of a scenario"),
        ("until doomsday", "'until doomsday' is no line of a scenario"),
        ("charge plenty", "'charge plenty': invalid literal"),
        ("fault Sadness", "'fault Sadness': 'Sadness' is not a valid ChargePointErrorCode"),
        (f"present {'x' * 21}", "x': "),
    ],
)
def test_a_line_that_cannot_be_understood_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str, says: str
) -> None:
    path = tmp_path / "scenario"
    path.write_text(line)
    status, _ = run(capsys, "station", "ws://127.0.0.1:9/", "CP1", "--scenario", str(path))
    assert says in status


def test_whoever_mistypes_at_the_keyboard_is_asked_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keyboard = io.StringIO("dance\ncharge plenty\nplug_in\n")
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", keyboard)
    status, out = run(capsys, "station", "ws://127.0.0.1:9/", "CP1", "--scenario", "-")
    assert status == 0
    assert re.search(r"'dance' is no line.*'charge plenty': invalid.*^plug_in$", out, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("url", "path", "says"),
    [("wss://127.0.0.1:9/", "", "carries ws:// only"), ("ws://127.0.0.1:9/", "missing", "No such file")],
)
def test_a_scenario_that_cannot_begin_says_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, url: str, path: str, says: str
) -> None:
    status, _ = run(capsys, "station", url, "CP1", "--scenario", str(tmp_path / path))
    assert says in status


def test_what_one_run_could_not_deliver_the_next_one_does_d_01(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And what the ledger has, it still has in the next run: the same transaction is not started again (D-04)."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(LIFE.partition("power_loss")[0])  # it ends in the middle of a transaction
    second.write_text("until accepted\nuntil delivered")
    at_station, at_centre = ("--store", str(tmp_path / "station")), ("--store", str(tmp_path / "ledger"))
    starts: list[int] = []
    ends: list[Any] = []
    for scenario in (first, second):
        with csms(*at_centre) as (url, shown):
            status, out = run(capsys, "station", url, "CP1", "--scenario", str(scenario), *at_station)
            assert status == 0, out
            assert "failed" not in out
        starts.append("".join(shown).count("TransactionStarted("))
        ends.append(stopped(shown))
    assert starts == [1, 0]
    assert ends == [[], [("CP1", "CUSTOMER-1", "1000", "1000")]]  # the second run has a meter of its own


@pytest.mark.parametrize(
    "command", [("csms", "--port", "0"), ("station", "ws://127.0.0.1:9/", "CP1", "--scenario", "-")]
)
def test_a_store_that_is_in_use_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    with SqliteStore(tmp_path / "store"):
        status, _ = run(capsys, *command, "--store", str(tmp_path / "store"))
    assert "another has it open" in status


def test_a_csms_that_cannot_listen_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    with sync.serve(CentralSystem(), HOST, 0) as server:
        status, _ = run(capsys, "csms", "--port", str(server.port))
    assert "in use" in status
    status, _ = run(capsys, "csms", "--port", "99999")
    assert "port must be" in status


def test_a_line_that_is_cut_brings_nobody_to_the_far_end_until_it_is_mended() -> None:
    with socket.create_server((HOST, 0)) as far, Relay(HOST, far.getsockname()[1]) as line:
        line.cut()
        with socket.create_connection((HOST, line.port)) as near:
            assert near.recv(1) == b""
        line.mend()
        with socket.create_connection((HOST, line.port)) as near:
            near.sendall(b"x")
            arrived, _ = far.accept()
            with arrived:
                assert arrived.recv(1) == b"x"
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.accept()


# -- the command itself --


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, "0.1.0\n")


def test_without_its_libraries_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "cyclopts"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    monkeypatch.delitem(sys.modules, "ocpp_transports.cli._app", raising=False)
    with pytest.raises(SystemExit, match=r"cyclopts is missing: pip install 'ocpp-sansio\[cli\]'"):
        cli.main()

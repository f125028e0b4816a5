"""The command: what it shows, and what its exit status says."""

from __future__ import annotations

import contextlib
import logging
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from typing import Any

import pytest

from ocpp_sansio import CentralSystem, Direction, v16
from ocpp_transports import cli, sync
from ocpp_transports.cli import demo
from ocpp_transports.cli._app import app
from ocpp_transports.cli._frames import Recording
from ocpp_transports.cli._story import stop_remotely, welcome

HOST = "127.0.0.1"
PATIENCE = 20.0


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


def test_demo_plays_nine_identical_sessions(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = run(capsys, "demo")
    assert status == 0, out
    assert out.count("identical") == 9
    assert {tuple(pair) for pair in re.findall(r"│ (\w+) +│ (\w+) +│ +\d+ │ +\d+ ms │ identical", out)} == {
        (client, server) for client in ("asyncio", "trio", "sync") for server in ("asyncio", "trio", "sync")
    }


def test_demo_draws_an_aligned_timed_ladder(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = run(capsys, "demo")
    rungs = [line for line in out.splitlines() if re.match(r" +\d+\.\d ms  ", line)]
    messages = [line for line in rungs if "CP" in line]
    assert {line.index("CP ") for line in messages} == {messages[0].index("CP ")}
    assert {line.index(" CS") for line in messages} == {messages[0].index(" CS")}
    told = [
        (("CALLERROR" in line, "CALLRESULT" in line), "▶" in line, line.split(" CS  ")[1].split()[0])
        for line in messages
    ]
    actions = [action for kind, _, action in told if kind == (False, False)]
    assert actions == [
        '[2,"noise","Heartb', "BootNotification", "StatusNotification", "DataTransfer", "Authorize", "StartTransaction",
        "StatusNotification", "MeterValues", "RemoteStopTransaction", "StopTransaction", "StatusNotification",
    ]  # fmt: skip
    assert [action for kind, rightward, action in told if rightward and kind[1]] == ["RemoteStopTransaction"]
    assert [action for kind, _, action in told if kind[0]] == ["FormationViolation:"]
    assert sum("no answer within" in line for line in rungs) == 1


def test_demo_fails_if_one_session_goes_differently(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = []

    class OneOfThemDiffers(demo.Scene):
        def __init__(self) -> None:
            super().__init__()
            scenes.append(self)
            if len(scenes) == 6:  # the first is that of the pure core
                self.charge_point_answers = {}

    monkeypatch.setattr(demo, "Scene", OneOfThemDiffers)
    status, out = run(capsys, "demo")
    assert status == 1
    assert (out.count("│ identical"), out.count("│ differs")) == (8, 1)
    assert "trio → trio: message" in out
    assert "NotSupported" in out


def test_demo_fails_if_one_session_breaks_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionRefusedError("no")

    first, *others = demo.ADAPTERS
    monkeypatch.setattr(demo, "ADAPTERS", (first, *(demo.attrs.evolve(each, play=refuse) for each in others)))
    status, out = run(capsys, "demo")
    assert status == 1
    assert "trio → sync: ConnectionRefusedError: no" in out


def test_demo_compares_what_matters() -> None:
    """Ids are drawn anew in each run: transcripts number them. Everything else counts, the order included."""
    one, other = Recording(), Recording()
    for recording, prefix in ((one, "a"), (other, "b")):
        recording(Direction.OUT, f'[2,"{prefix}1","Heartbeat",{{}}]', 0.0)
        recording(Direction.IN, f'[3,"{prefix}1",{{}}]', 0.0)
    assert one.transcript() == other.transcript()
    other(Direction.OUT, '[2,"b2","Heartbeat",{}]', 0.0)
    assert one.transcript() != other.transcript()


# -- csms and station --


@contextlib.contextmanager
def csms() -> Generator[tuple[str, list[str]]]:
    """The command as a process of its own: its URL, and what it has shown once the block has ended."""
    shown: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", "from ocpp_transports.cli import main; main()", "csms", "--port", "0"],
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


def test_a_station_plays_a_session_against_the_csms(capsys: pytest.CaptureFixture[str]) -> None:
    with csms() as (url, shown):
        status, out = run(capsys, "station", url, "CP 7", "--readings", "2", "--interval", "0.01")
    assert status == 0
    for text in (out, "".join(shown)):
        actions = ["BootNotification", "Authorize", "StartTransaction", "MeterValues", "StopTransaction"]
        assert [text.count(f"{action} {{") for action in actions] == [2, 2, 2, 4, 2]
    assert "".join(shown).count("CP 7") >= out.count(" ms  CP ")


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


def test_a_station_stops_when_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    """A remote stop ends the session before all readings have been sent."""
    answers = welcome(demo._calendar()) | {v16.MeterValuesRequest: stop_remotely}
    heard = Recording()
    with demo.ADAPTERS[2].serve(answers, lambda _, *message: heard(*message)) as port:
        status, out = run(capsys, "station", f"ws://{HOST}:{port}/", "CP1", "--readings", "100", "--interval", "0.01")
    assert status == 0
    assert out.count("CALL ─────────▶ CS  MeterValues") == 1
    assert any('"reason": "Remote"' in text for _, text in heard.transcript())


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

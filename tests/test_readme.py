"""What the README says is true: its examples are taken from its text and run."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import http.client
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import unittest
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings

from ocpp_sansio import (
    Backoff,
    CallFailure,
    CallReceived,
    CallRefused,
    CentralSystem,
    ChargePointHandlers,
    ConnectionRequested,
    ErrorCode,
    Rejection,
    Repair,
    ResultRefused,
    Tolerance,
    Version,
    v16,
    v21,
    v201,
)
from ocpp_sansio.charge_point import ChargePoint
from ocpp_sansio.charge_point.effects import StartEnergy, StopEnergy
from ocpp_transports import asyncio as on_asyncio
from ocpp_transports import sync as on_threads
from ocpp_transports.recording import read
from ocpp_transports.testing import SyncAdapter
from tests.examples import examples
from tests.transports.asgi_servers import on_uvicorn

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS: dict[str, str] = dict(re.findall(r"<!-- test: (.+?) -->\n```python\n(.+?)```", README, re.DOTALL))
SHELL: list[str] = re.findall(r"```sh\n(.+?)```", README, re.DOTALL)

HOST = "127.0.0.1"
BOOT = v16.BootNotificationRequest(charge_point_vendor="Vendor", charge_point_model="Model")
PATIENCE = 20.0
SECRET = "0123456789abcdef"
VENDOR = ("actions", "csms", "SetPriceRequest")


def test_every_marked_example_is_run_below() -> None:
    assert set(BLOCKS) == {
        "csms asyncio",
        "csms trio",
        "csms sync",
        "authenticate",
        "on connected",
        "rest",
        "asgi",
        "versions",
        "send",
        "charge point",
        "keep connected",
        "operate",
        "play",
        "vendor action",
        "data transfer",
        "tolerance",
        "in production",
        "json log",
        "own loop",
        "session",
        "testing",
    }


def test_python_examples_that_are_not_run_there_are_none() -> None:
    assert README.count("```python") == len(BLOCKS)


def run(block: str, **names: Any) -> dict[str, Any]:
    """Run an example with these names at hand; the names it leaves behind."""
    exec(compile(BLOCKS[block], f"README.md, {block}", "exec", dont_inherit=True), names)
    return names


@contextlib.contextmanager
def program(source: str, directory: Path) -> Generator[int]:
    """Run the text of a central system as a program of its own, on a free port, until the block ends."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    assert source.count("port=9000") == 1
    path = directory / "csms.py"
    path.write_text(source.replace("port=9000", f"port={port}"))
    process = subprocess.Popen([sys.executable, "-W", "error", path], stderr=subprocess.PIPE, text=True)
    try:
        wait_until_it_listens(process, port)
        yield port
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, errors
    assert "no authenticate hook" in errors, "a central system that lets everybody in says so"
    assert "Traceback" not in errors


def wait_until_it_listens(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((HOST, port)):
            return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    process.kill()
    pytest.fail(f"it does not listen: {process.communicate()[1]}")


@pytest.mark.parametrize("adapter", ["asyncio", "trio", "sync"])
def test_the_central_system_of_the_readme_accepts_a_charge_point(adapter: str, tmp_path: Path) -> None:
    with program(BLOCKS[f"csms {adapter}"], tmp_path) as port:

        async def boot() -> v16.BootNotificationResponse:
            async with on_asyncio.connect(f"ws://{HOST}:{port}/ocpp", "CP1") as central:
                return await central.call(BOOT)

        response = asyncio.run(boot())
    assert response.status is v16.RegistrationStatus.ACCEPTED
    assert response.interval == 300
    assert abs(response.current_time - datetime.now(UTC)).total_seconds() < 60


def test_the_three_central_systems_differ_by_two_words() -> None:
    text = BLOCKS["csms asyncio"]
    assert BLOCKS["csms trio"] == text.replace("ocpp_transports.asyncio", "ocpp_transports.trio")
    assert BLOCKS["csms sync"] == text.replace("ocpp_transports.asyncio", "ocpp_transports.sync").replace(
        "async def", "def"
    )


def accepting() -> CentralSystem:
    csms = CentralSystem()

    @csms.on(v16.BootNotificationRequest)
    def boot(_station: object, _request: v16.BootNotificationRequest) -> v16.BootNotificationResponse:
        now = datetime.now(UTC)
        return v16.BootNotificationResponse(current_time=now, interval=300, status=v16.RegistrationStatus.ACCEPTED)

    return csms


def test_the_authenticate_hook_of_the_readme_decides() -> None:
    csms = accepting()
    run("authenticate", csms=csms, passwords={"CP1": SECRET, "CP2": "the other's secret"})

    async def attempt(identity: str, password: str | None) -> int | None:
        async with on_asyncio.serve(csms, HOST, 0) as server:
            try:
                async with on_asyncio.connect(f"ws://{HOST}:{server.port}/", identity, password=password):
                    return 101
            except on_asyncio.HandshakeFailed as failure:
                return failure.status

    attempts = [("CP1", SECRET), ("CP1", "guess"), ("CP1", None), ("CP2", SECRET), ("CP3", SECRET)]
    assert [asyncio.run(attempt(*each)) for each in attempts] == [101, 401, 401, 401, 401]


def test_the_central_system_of_the_readme_has_who_comes_back_boot(capsys: pytest.CaptureFixture[str]) -> None:
    csms = accepting()
    run("on connected", csms=csms)
    handlers, triggered = ChargePointHandlers(), list[Any]()
    boot = asyncio.Event()

    @handlers.on(v16.TriggerMessageRequest)
    def trigger(_central: object, request: v16.TriggerMessageRequest) -> v16.TriggerMessageResponse:
        triggered.append(request.requested_message)
        boot.set()
        return v16.TriggerMessageResponse(status=v16.TriggerMessageStatus.ACCEPTED)

    async def main() -> None:
        async with on_asyncio.serve(csms, HOST, 0) as server:
            for _ in range(2):
                async with on_asyncio.connect(f"ws://{HOST}:{server.port}/", "CP1", handlers=handlers) as central:
                    await boot.wait()
                    await central.call(BOOT)

    asyncio.run(main())
    assert triggered == [v16.MessageTrigger.BOOT_NOTIFICATION]
    assert capsys.readouterr().out == f"CP1 has come, from {HOST}\nCP1 has gone: 1000\n" * 2


def test_a_station_can_be_called_from_an_endpoint() -> None:
    csms = accepting()
    remote_start = run("rest")["remote_start"]
    handlers = ChargePointHandlers()

    @handlers.on(v16.RemoteStartTransactionRequest)
    def start(_central: object, request: v16.RemoteStartTransactionRequest) -> v16.RemoteStartTransactionResponse:
        known = request.id_tag == "KNOWN"
        status = v16.RemoteStartStopStatus.ACCEPTED if known else v16.RemoteStartStopStatus.REJECTED
        return v16.RemoteStartTransactionResponse(status=status)

    async def main() -> list[str]:
        async with on_asyncio.serve(csms, HOST, 0) as server:
            url = f"ws://{HOST}:{server.port}/"
            async with on_asyncio.connect(url, "CP1", handlers=handlers) as central, on_asyncio.connect(url, "CP2"):
                await central.call(BOOT)
                return [
                    await remote_start(server, "CP1", "KNOWN"),
                    await remote_start(server, "CP1", "UNKNOWN"),
                    await remote_start(server, "CP2", "KNOWN"),
                    await remote_start(server, "CP3", "KNOWN"),
                ]

    accepted, rejected, refused, absent = asyncio.run(main())
    assert (accepted, rejected, absent) == ("Accepted", "Rejected", "not connected")
    assert refused.startswith("NotSupported")


def test_an_application_of_fastapi_serves_charge_points_and_calls_them() -> None:
    csms = accepting()
    app = run("asgi", csms=csms, v16=v16, CallFailure=CallFailure)["app"]
    listener = socket.create_server((HOST, 0))
    port = listener.getsockname()[1]

    def reset(identity: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("POST", f"/stations/{identity}/reset")
            response = connection.getresponse()
            return response.status, json.load(response)

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(on_uvicorn(app, csms.limits, listener)),
        SyncAdapter().connect(f"ws://{HOST}:{port}/ocpp", "CP1") as station,
    ):
        assert station.call(BOOT).status is v16.RegistrationStatus.ACCEPTED
        assert reset("CP1") == (200, "Accepted")
        assert reset("CP2") == (404, {"detail": "not connected"})


def test_the_central_system_of_the_readme_serves_all_versions_and_hears_a_send(
    capsys: pytest.CaptureFixture[str],
) -> None:
    csms, send = run("versions")["csms"], run("send")["main"]
    boots: dict[str, Any] = {"1.6": BOOT}
    for version, messages in (("2.0.1", v201), ("2.1", v21)):
        box = messages.ChargingStation(vendor_name="Vendor", model="Model")
        reason = messages.BootReason.POWER_UP
        boots[version] = messages.BootNotificationRequest(charging_station=box, reason=reason)

    async def main() -> list[str]:
        async with on_asyncio.serve(csms, HOST, 0) as server:
            url = f"ws://{HOST}:{server.port}/"
            await send(url)
            statuses = []
            for version, boot in boots.items():
                async with on_asyncio.connect(url, version, versions=[version]) as central:
                    statuses.append((await central.call(boot)).status)
            return statuses

    assert asyncio.run(main()) == ["Accepted"] * 3
    assert capsys.readouterr().out == "CP1 2.1 ['230.1']\n"


def test_a_refused_response_reaches_the_handler_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    csms = run("versions")["csms"]
    request = v21.BootNotificationRequest(
        charging_station=v21.ChargingStation(vendor_name="Vendor", model="Model"), reason=v21.BootReason.POWER_UP
    )
    error = CallRefused("FormatViolation", "no")
    handler = csms.refusal_handler(ResultRefused(CallReceived("1", "BootNotification", request), error))

    class Station:
        identity = "CP1"

    asyncio.run(handler(Station(), request, error))
    assert capsys.readouterr().out == "CP1 FormatViolation: no\n"


def test_the_charge_point_of_the_readme_boots_and_can_be_reset() -> None:
    csms = accepting()
    names = run("charge point")

    async def main() -> tuple[Any, Any]:
        async with on_asyncio.serve(csms, HOST, 0) as server:
            url = f"ws://{HOST}:{server.port}/"
            booted = await names["main"](url)
            async with on_asyncio.connect(url, "CP1", handlers=names["handlers"]) as central:
                await central.call(BOOT)
                return booted, await csms.stations["CP1"].call(v16.ResetRequest(type=v16.ResetType.SOFT))

    booted, reset = asyncio.run(main())
    assert booted is v16.RegistrationStatus.ACCEPTED
    assert reset.status is v16.ResetStatus.ACCEPTED


def test_the_charge_point_of_the_readme_that_is_kept_connected_delivers_what_it_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    delivered = list[str]()

    def central_system() -> CentralSystem:
        csms = accepting()

        @csms.on(v16.MeterValuesRequest)
        def meter(_station: object, request: v16.MeterValuesRequest) -> v16.MeterValuesResponse:
            if len(delivered) == 2:
                raise Rejection(ErrorCode.INTERNAL_ERROR, "no more")
            delivered.append(request.meter_value[0].sampled_value[0].value)
            return v16.MeterValuesResponse()

        return csms

    def reading(watts: str) -> Any:
        return SimpleNamespace(time=datetime.now(UTC), watts=watts)

    soon = "on_connected=boot, backoff=Backoff(minimum=0.01, repeats=0, random_range=0)"
    block = BLOCKS["keep connected"].replace("on_connected=boot", soon)
    names: dict[str, Any] = {"handlers": ChargePointHandlers(), "Backoff": Backoff}
    exec(compile(block, "README.md, keep connected", "exec", dont_inherit=True), names)

    async def main() -> None:
        async with contextlib.AsyncExitStack() as before:
            port = (await before.enter_async_context(on_asyncio.serve(central_system(), HOST, 0))).port

            async def readings() -> AsyncGenerator[Any]:
                yield reading("7360")
                await before.aclose()  # and the central system is deployed anew
                async with on_asyncio.serve(central_system(), HOST, port):
                    yield reading("7370")
                    yield reading("7380")

            await names["main"]([on_asyncio.Target(f"ws://{HOST}:{port}/")], readings())

    asyncio.run(main())
    assert delivered == ["7360", "7370"]
    assert capsys.readouterr().out == "not delivered: InternalError: no more\n"


def test_what_the_readme_does_in_production_leaves_a_record_and_goes_down_gently(tmp_path: Path) -> None:
    path, csms = tmp_path / "traffic.jsonl", accepting()
    csms.authenticate(lambda _: True)
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    block = BLOCKS["in production"].replace('"0.0.0.0", 9000', f'"{HOST}", {port}').replace("over=60", "over=0.01")
    names: dict[str, Any] = {}
    exec(compile(block, "README.md, in production", "exec", dont_inherit=True), names)

    async def main() -> None:
        stop = asyncio.Event()
        serving = asyncio.create_task(names["main"](csms, path, stop))
        async with on_asyncio.keep_connected(
            f"ws://{HOST}:{port}", "CP1", backoff=Backoff(minimum=0.01, random_range=0)
        ) as central:
            await central.call(BOOT)
            stop.set()
            await serving

    asyncio.run(main())
    assert [(each.identity, each.direction.value) for each in read(path)] == [("CP1", "in"), ("CP1", "out")]


def test_the_json_log_of_the_readme_says_which_message_of_whom_it_is() -> None:
    formatter = run("json log")["AsJson"]()
    record = logging.makeLogRecord({"levelname": "INFO", "msg": "%r: hello", "args": ("CP1",), "ocpp_identity": "CP1"})
    assert json.loads(formatter.format(record)) == {"level": "INFO", "message": "'CP1': hello", "ocpp_identity": "CP1"}


def test_the_roles_of_the_readme_charge_together(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    told: list[Any] = []

    async def main() -> None:
        happened: dict[Any, asyncio.Event] = collections.defaultdict(asyncio.Event)

        def note(what: Any) -> None:
            told.append(what)
            happened[str(what)].set()

        async def commands() -> AsyncGenerator[tuple[str, v16.TriggerMessageRequest]]:
            happened["listening"].set()
            await happened["TransactionStarted"].wait()
            yield "CP1", v16.TriggerMessageRequest(requested_message=v16.MessageTrigger.HEARTBEAT)
            await happened["TransactionStopped"].wait()

        async def sensors(point: ChargePoint) -> AsyncGenerator[tuple[Any, ...]]:
            await happened["ConnectorReported"].wait()  # which an accepted one does
            yield point.plug_in, 1
            yield point.present, "TAG", 1
            await happened["Accepted"].wait()
            yield point.unplug, 1
            await happened["TransactionStopped"].wait()

        central_system = run("play", print=note)["main"](tmp_path / "central.db", port, commands())
        charge_point = run("operate", print=note)["main"](f"ws://{HOST}:{port}/", tmp_path / "station.db", sensors)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            tasks.create_task(central_system)
            await happened["listening"].wait()
            tasks.create_task(charge_point)

    asyncio.run(main())
    order = [StartEnergy(1), "Accepted", StopEnergy(1), "TransactionStopped"]
    assert [what for what in told if what in order] == order


def test_each_station_of_the_readme_is_tolerated_as_much_as_it_needs() -> None:
    names = run("tolerance")

    def tolerated(identity: str) -> Tolerance:
        request = ConnectionRequested(identity, "/", (), Version.V16, None, {})
        return Tolerance.of(names["csms"].tolerance(request))

    boot = {"action": "BootNotification", "steps": ["chargePointModel"]}
    assert tolerated("CP_2").allows(Repair.OVERLONG_STRING, action="StopTransaction", steps=["idTag"])
    assert not tolerated("CP_2").allows(Repair.OVERLONG_STRING, **boot)
    assert tolerated("OLD-17").allows(Repair.NUMBER_AS_STRING, **boot)
    assert not tolerated("OLD-17").allows(Repair.OVERLONG_STRING, **boot)
    assert not tolerated("NEW")


def test_the_tests_of_the_readme_pass_for_a_central_system_that_is_right() -> None:
    def new_csms() -> CentralSystem:
        csms = CentralSystem(versions=["1.6"])
        boot = v16.BootNotificationResponse(
            current_time=datetime(2026, 1, 1, tzinfo=UTC), interval=300, status=v16.RegistrationStatus.ACCEPTED
        )
        csms.on(v16.BootNotificationRequest)(lambda *_: boot)
        return csms

    names = run("testing", new_csms=new_csms)
    names["test_a_station_boots_over_a_slow_link"]()
    machine = names["TestMine"]
    machine.settings = settings(machine.settings, max_examples=examples(5))
    result = unittest.TestResult()
    machine("runTest").run(result)  # that it fails for one that is not right is for docs/testing.md to show
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


def test_a_vendor_of_the_readme_has_its_own_action_and_typed_data() -> None:
    names = run("vendor action")
    names = run("data transfer", handlers=names["handlers"], **{name: names[name] for name in VENDOR})

    async def main() -> tuple[Any, int]:
        actions, csms = names["actions"], names["csms"]
        async with on_asyncio.serve(csms, HOST, 0) as server:
            url = f"ws://{HOST}:{server.port}/"
            async with on_asyncio.connect(url, "CP1", handlers=names["handlers"], actions=actions):
                station = csms.stations["CP1"]
                priced = await station.call(names["SetPriceRequest"](connector_id=1, cents=31))
                return priced.status, await names["ask"](station)

    assert asyncio.run(main()) == (v16.ConfigurationStatus.ACCEPTED, 24)


def test_the_loop_of_the_readme_is_a_whole_driver(capsys: pytest.CaptureFixture[str]) -> None:
    charge_point = run("own loop")["charge_point"]
    with on_threads.serve(accepting(), HOST, 0) as server:
        charge_point(f"ws://{HOST}:{server.port}/")
    assert capsys.readouterr().out == "Accepted\n"


def test_the_session_of_the_readme_needs_neither_socket_nor_time(capsys: pytest.CaptureFixture[str]) -> None:
    run("session")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("CallSucceeded(")
    assert second.startswith("CallFailed(")
    assert "CallTimedOut(30" in second


def test_each_of_the_two_commands_sets_itself_up_in_one_line() -> None:
    demo, tests = SHELL[0].strip(), SHELL[1].strip()
    set_up = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[{}]' && .venv/bin/{}"
    assert demo == set_up.format("cli", "ocpp-sansio demo")
    assert tests == set_up.format("dev", "pytest")


def test_what_the_readme_installs_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(re.findall(r"ocpp-sansio\[(\w+)\]", README))
    assert extras <= set(project["optional-dependencies"])
    assert "ocpp-sansio" in project["scripts"]


def test_what_the_map_of_the_readme_names_exists() -> None:
    mapped = re.findall(r"^\| `(\S+?)` \|", README, re.MULTILINE)
    assert len(mapped) > 5
    assert [path for path in mapped if not (ROOT / path).exists()] == []

"""The page about tolerance: its examples do what it says, and its table has every repair."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ocpp_sansio import (
    FIELD,
    STRICT,
    CallReceived,
    CentralSystemSession,
    ConnectionRequested,
    ErrorCode,
    PeerMisbehaved,
    Repair,
    Tolerance,
    Version,
    numbered_ids,
    v16,
)
from ocpp_sansio.tolerance import MAX_DEVIATIONS, MAX_ENUM_LENGTH
from ocpp_sansio.tolerance.payloads import MAX_NUMBER

PAGE = (Path(__file__).parents[1] / "docs" / "tolerance.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- test: (.+?) -->\n```python\n(.+?)```", PAGE, re.DOTALL))
CORPUS = (Path(__file__).parent / "corpus" / "field.jsonl").read_text(encoding="utf-8").splitlines()


def run(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[block], "tolerance.md", "exec", dont_inherit=True), names)
    return names


def test_each_example_is_run_here() -> None:
    assert list(BLOCKS) == ["session", "naive", "scopes", "stations", "reading"]


def test_the_session_of_the_page_puts_up_with_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    call = run("session")["call"]
    assert isinstance(call, CallReceived)
    assert isinstance(call.request, v16.StopTransactionRequest)
    assert len(call.request.id_tag or "") == 21
    assert capsys.readouterr().out == re.findall(r"```text\n(.+?)```", PAGE, re.DOTALL)[0]


def test_the_scopes_of_the_page_are_where_they_say() -> None:
    names = run("scopes")
    careful, meters_only = names["careful"], names["meters_only"]
    serial = ("chargePointSerialNumber",)
    assert not careful.allows(Repair.OVERLONG_STRING, action="BootNotification", steps=serial)
    assert careful.allows(Repair.OVERLONG_STRING, action="BootNotification", steps=("iccid",))
    assert [careful.allows(Repair.UNKNOWN_ENUM, half=half) for half in ("request", "response")] == [True, False]
    assert not any(careful.allows(repair, action="Authorize") for repair in Repair)
    value = ("meterValue", 3, "sampledValue", 0, "value")
    assert [repair for repair in Repair if meters_only.allows(repair, steps=value)] == [
        Repair.NUMBER_AS_STRING,
        Repair.EXCESS_DECIMALS,
    ]
    assert not any(meters_only.allows(repair, steps=("connectorId",)) for repair in Repair)


def test_the_stations_of_the_page_are_told_apart() -> None:
    def of(identity: str) -> Tolerance:
        return Tolerance.of(tolerance(ConnectionRequested(identity, "/", (), Version.V16, None, {})))

    tolerance = run("stations")["csms"].tolerance
    assert of("OLD-17").allows(Repair.WRONG_TYPE, action="DataTransfer")
    assert of("OLD-18") == Tolerance(["number-as-string"])
    assert of("NEW-1") == STRICT


def test_traffic_is_read_as_the_page_says() -> None:
    names = run("reading")
    assert names["message"] == v16.AuthorizeRequest(id_tag="04A2")
    repairs = ["trailing-comma", "number-as-id", "action-case", "property-case"]
    assert [each.repair.value for each in names["deviations"]] == repairs
    session = CentralSystemSession("1.6", message_ids=numbered_ids("m"), tolerance=FIELD)
    session.receive_data(re.findall(r"read_frame\('(.+)', FIELD\)", BLOCKS["reading"])[0], now=0.0)
    call = session.next_event()
    assert isinstance(call, CallReceived)
    assert (call.request, call.deviations) == (names["message"], names["deviations"])


def test_a_time_without_a_zone_is_refused_where_the_page_says_so() -> None:
    session = CentralSystemSession("1.6", message_ids=numbered_ids("m"), tolerance=run("naive")["careful_about_time"])
    stop = '[2,"1","%s",{"meterStop":1,"timestamp":"%s","transactionId":7}]'
    session.receive_data(stop % ("StopTransaction", "2026-11-10T10:23:58"), now=0.0)
    event = session.next_event()
    assert isinstance(event, PeerMisbehaved)
    assert event.answered is ErrorCode.PROPERTY_CONSTRAINT_VIOLATION
    session.receive_data(
        '[2,"2","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available",'
        '"timestamp":"2026-11-10T10:23:58"}]',
        now=0.0,
    )
    assert isinstance(session.next_event(), CallReceived)


def test_the_table_has_every_repair_and_whether_field_makes_it() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| .+ \| (\w+) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (
            repair.value,
            {(True, True): "yes", (False, True): "responses", (False, False): "no"}[
                FIELD.allows(repair, half="request"), FIELD.allows(repair, half="response")
            ],
        )
        for repair in Repair
    ]


def test_the_figures_of_the_page_are_those_of_the_code_and_of_the_corpus() -> None:
    frames = [json.loads(line) for line in CORPUS]
    figures = [
        len(frames),
        sum(frame["strict"] == "accepted" for frame in frames),
        sum("unrecognisable" not in frame for frame in frames),
        sum(frame["field"] == "accepted" for frame in frames),
    ]
    sentence = PAGE[PAGE.index("Of 101 frames") :].partition("\n\n")[0]
    assert [int(figure) for figure in re.findall(r"\b\d+\b", sentence)] == figures
    assert f"more than {MAX_DEVIATIONS} places" in PAGE
    assert f"up to {MAX_ENUM_LENGTH} characters that the enum" in PAGE
    assert f"for a number, of up to {MAX_NUMBER} characters" in PAGE

"""DataTransfer with types: the data that goes, the data that comes, and every status in between."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from datetime import UTC, datetime
from types import NoneType
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_sansio import (
    CallFailure,
    CallSucceeded,
    CentralSystemHandlers,
    CentralSystemSession,
    ChargePointHandlers,
    ChargePointSession,
    DataTransfer,
    DataTransfers,
    Datatype,
    InvalidMessage,
    InvalidResponse,
    LocalProtocolError,
    TransferRefused,
    TransferStatus,
    numbered_ids,
    v16,
    v21,
    v201,
)
from ocpp_sansio.codec import codec_of
from ocpp_sansio.data_transfer import MAX_QUOTED
from ocpp_sansio.messages import Integer, Tenths, Timestamp
from ocpp_sansio.testing.strategies import messages, near_misses


class Price(Datatype, kw_only=True):
    """What goes: enough of everything that JSON text could get wrong."""

    cents: Integer
    factor: Tenths | None = None
    since: Timestamp | None = None
    names: list[Annotated[str, msgspec.Meta(max_length=10)]] | None = None


class Valid(Datatype, kw_only=True):
    until: Timestamp


PRICE = DataTransfer("com.example", "SetPrice", Price, Valid)
PING = DataTransfer("com.example", None, NoneType, NoneType)
SOLD = DataTransfer("com.example", "Sold", Price, NoneType)

UNTIL = "2026-11-22T18:00:00Z"
VALID = Valid(until=datetime(2026, 11, 22, 18, tzinfo=UTC))

VERSIONS = [v16, v201, v21]
versions = pytest.mark.parametrize("version", VERSIONS, ids=["1.6", "2.0.1", "2.1"])


def wire(version: Any, value: Any) -> Any:
    """How ``data`` carries a JSON value (SCH-026)."""
    return json.dumps(value, separators=(",", ":")) if version is v16 else value


def payload(message: Any) -> Any:
    return json.loads(msgspec.json.encode(message))


def asked(version: Any, vendor: str, message: str | None, data: Any = None) -> Any:
    return version.DataTransferRequest(vendor_id=vendor, message_id=message, data=data)


def price_of(*answers: Any, **options: Any) -> tuple[DataTransfers, list[Any]]:
    """Transfers of which SetPrice is answered so, and what its handler was called with."""
    transfers, calls = DataTransfers(**options), []

    @transfers.on(PRICE)
    def set_price(peer: Any, data: Price) -> Any:
        calls.append((peer, data))
        return answers[len(calls) - 1]

    transfers.on(PING)(lambda *_: None)
    return transfers, calls


# -- asking --


@versions
def test_a_request_carries_its_data_as_the_version_does(version):
    request = PRICE.request(version.DataTransferRequest, Price(cents=31, factor=0.3))
    assert type(request) is version.DataTransferRequest
    assert payload(request) == {
        "vendorId": "com.example",
        "messageId": "SetPrice",
        "data": wire(version, {"cents": 31, "factor": 0.3}),
    }


@versions
def test_a_request_without_data_and_without_a_message_id(version):
    assert payload(PING.request(version.DataTransferRequest, None)) == {"vendorId": "com.example"}


def test_timestamps_are_written_as_in_any_other_message():
    """RPC-102."""
    since = msgspec.json.decode(b'"2026-11-22T19:00:00.123456+01:00"', type=Timestamp)
    request = PRICE.request(v16.DataTransferRequest, Price(cents=1, since=since))
    assert request.data == '{"cents":1,"since":"2026-11-22T18:00:00.123Z"}'


def test_data_that_breaks_its_schema_is_not_sent():
    with pytest.raises(InvalidMessage, match=r"Price is not valid: .*cents"):
        PRICE.request(v16.DataTransferRequest, Price(cents=2**31))
    with pytest.raises(LocalProtocolError, match="declared as Price, not as Valid"):
        PRICE.request(v16.DataTransferRequest, VALID)
    with pytest.raises(LocalProtocolError, match="declared as NoneType, not as Valid"):
        PING.request(v201.DataTransferRequest, VALID)


def test_data_is_encoded_once(monkeypatch):
    codec, texts = codec_of(Price), []
    encode = codec.encode
    monkeypatch.setattr(codec, "encode", lambda data: texts.append(encode(data)) or texts[-1])
    PRICE.request(v16.DataTransferRequest, Price(cents=31))
    assert texts == [b'{"cents":31}']


def test_a_declaration_that_no_schema_can_tell_is_refused_at_once():
    class Odd(Datatype, kw_only=True):
        price: complex

    with pytest.raises(TypeError, match="complex"):
        DataTransfer("com.example", "Odd", NoneType, Odd)


# -- what the peer answers --


@versions
def test_the_answer_is_typed(version):
    accepted = version.DataTransferStatus.ACCEPTED
    response = version.DataTransferResponse(status=accepted, data=wire(version, {"until": UNTIL}))
    assert PRICE.answer_of(response) == VALID
    assert PING.answer_of(version.DataTransferResponse(status=accepted)) is None


@versions
@pytest.mark.parametrize("status", ["Rejected", "UnknownMessageId", "UnknownVendorId"])
def test_any_other_status_is_an_exception(version, status):
    response = version.DataTransferResponse(status=version.DataTransferStatus(status))
    with pytest.raises(TransferRefused) as caught:
        PRICE.answer_of(response)
    assert caught.value.status == status == str(caught.value)
    assert caught.value.response is response
    assert isinstance(caught.value, CallFailure)


def test_a_status_that_we_do_not_know_is_not_accepted():
    """One that a tolerant session has let through (F-110)."""
    with pytest.raises(TransferRefused, match="Postponed"):
        PRICE.answer_of(v16.DataTransferResponse(status="Postponed"))


def test_an_exception_says_why_where_the_peer_does():
    info = v21.StatusInfo(reason_code="NotEnabled")
    response = v21.DataTransferResponse(status=v21.DataTransferStatus.REJECTED, status_info=info)
    assert str(TransferRefused(response)) == "Rejected: NotEnabled"
    info = v21.StatusInfo(reason_code="NotEnabled", additional_info="no tariffs")
    response = v21.DataTransferResponse(status=v21.DataTransferStatus.REJECTED, status_info=info)
    assert str(TransferRefused(response)) == "Rejected: NotEnabled: no tariffs"


@versions
@pytest.mark.parametrize(
    ("transfer", "data", "path", "rule"),
    [
        (PRICE, {}, "$.data.until", "required"),
        (PRICE, {"until": "soon"}, "$.data.until", "format"),
        (PRICE, [], "$.data", "type"),
        (PRICE, None, "$.data", "required"),
        (PING, {}, "$.data", "additionalProperties"),
    ],
)
def test_an_answer_that_is_not_what_was_declared_is_invalid(version, transfer, data, path, rule):
    carried = None if data is None else wire(version, data)
    response = version.DataTransferResponse(status=version.DataTransferStatus.ACCEPTED, data=carried)
    with pytest.raises(InvalidResponse) as caught:
        transfer.answer_of(response)
    [violation] = caught.value.violations
    assert (violation.path, violation.rule) == (path, rule)
    assert json.loads(caught.value.text) == carried


def test_what_is_quoted_of_an_answer_is_bounded():
    """F-60."""
    response = v16.DataTransferResponse(status=v16.DataTransferStatus.ACCEPTED, data="[" * 100_000)
    with pytest.raises(InvalidResponse) as caught:
        PRICE.answer_of(response)
    assert caught.value.text == '"' + "[" * (MAX_QUOTED - 1)


# -- answering --


@versions
def test_a_handler_is_given_the_data_and_gives_the_answer(version):
    transfers, calls = price_of(VALID)
    request = asked(version, "com.example", "SetPrice", wire(version, {"cents": 31}))
    response = transfers.handler("peer", request)
    assert calls == [("peer", Price(cents=31))]
    assert type(response) is version.DataTransferResponse
    assert payload(response) == {"status": "Accepted", "data": wire(version, {"until": UNTIL})}


@versions
def test_a_message_without_data_is_accepted_without_data(version):
    transfers, _ = price_of()
    assert payload(transfers.handler(None, asked(version, "com.example", None))) == {"status": "Accepted"}


@versions
@pytest.mark.parametrize("status", [each for each in TransferStatus if each is not TransferStatus.ACCEPTED])
def test_a_handler_may_give_a_status_instead(version, status):
    transfers, _ = price_of(status)
    request = asked(version, "com.example", "SetPrice", wire(version, {"cents": 31}))
    assert payload(transfers.handler(None, request)) == {"status": status}


def test_the_status_accepted_will_do_where_there_is_no_data():
    transfers = DataTransfers()
    transfers.on(PING)(lambda *_: TransferStatus.ACCEPTED)
    assert payload(transfers.handler(None, asked(v16, "com.example", None))) == {"status": "Accepted"}


@versions
def test_a_vendor_and_a_message_that_are_not_known_are_told_apart(version):
    """CP16-200, CP201-173."""
    transfers, calls = price_of()
    transfers.on(DataTransfer("org.example", "Other", NoneType, NoneType))(lambda *_: None)
    for vendor, message, status in (
        ("net.example", "SetPrice", "UnknownVendorId"),
        ("net.example", None, "UnknownVendorId"),
        ("com.example", "Other", "UnknownMessageId"),
        ("com.example", "", "UnknownMessageId"),
        ("org.example", None, "UnknownMessageId"),
    ):
        request = asked(version, vendor, message, wire(version, {"cents": 31}))
        assert payload(transfers.handler(None, request)) == {"status": status}
    assert not calls


@versions
def test_an_end_without_extensions_knows_no_vendor(version):
    """CP16-201."""
    assert payload(DataTransfers().handler(None, asked(version, "com.example", None))) == {"status": "UnknownVendorId"}


@pytest.mark.parametrize(
    ("version", "status"), [(v16, "Accepted"), (v201, "UnknownVendorId"), (v21, "UnknownVendorId")]
)
def test_only_in_16_the_case_of_a_name_makes_no_difference(version, status):
    """RPC-108."""
    transfers, _ = price_of(VALID)
    request = asked(version, "COM.Example", "setprice", wire(version, {"cents": 31}))
    assert payload(transfers.handler(None, request))["status"] == status


@versions
@pytest.mark.parametrize(
    ("message", "data", "path"),
    [
        ("SetPrice", {}, "$.data.cents"),
        ("SetPrice", {"cents": 2.5}, "$.data.cents"),
        ("SetPrice", {"cents": 1, "factor": 0.25}, "$.data.factor"),
        ("SetPrice", {"cents": 1, "names": ["x", "y" * 11]}, "$.data.names[1]"),
        ("SetPrice", {"cents": 10**30}, "$.data.cents"),
        ("SetPrice", "31", "$.data"),
        ("SetPrice", None, "$.data"),
        (None, {}, "$.data"),
    ],
)
def test_data_that_does_not_fit_is_rejected_and_reported(version, message, data, path):
    reports: list[Any] = []
    transfers, calls = price_of(report=lambda *report: reports.append(report))
    carried = None if data is None else wire(version, data)
    response = payload(transfers.handler("peer", asked(version, "com.example", message, carried)))
    assert not calls
    [(peer, transfer, [violation])] = reports
    assert (peer, transfer) == ("peer", PING if message is None else PRICE)
    assert violation.path == path
    why = {"statusInfo": {"reasonCode": "InvalidValue", "additionalInfo": str(violation)}}
    assert response == {"status": "Rejected", **({} if version is v16 else why)}


@pytest.mark.parametrize("data", ["", "31 cents", '{"cents":31', '{"cents":31} ', "[" * 100_000, '"\\ud800"'])
def test_what_is_no_json_in_16_is_rejected_as_well(data):
    transfers, _ = price_of(VALID)
    response = transfers.handler(None, asked(v16, "com.example", "SetPrice", data))
    assert payload(response)["status"] == ("Accepted" if data == '{"cents":31} ' else "Rejected")


@pytest.mark.parametrize(("version", "longest"), [(v201, 512), (v21, 1024)])
def test_why_it_was_rejected_is_told_as_far_as_there_is_room(version, longest):
    """CP201-005."""
    transfers, _ = price_of()
    request = asked(version, "com.example", "SetPrice", {"x" * 50 + str(number): 1 for number in range(20)})
    info = transfers.handler(None, request).status_info
    assert len(info.additional_info) == longest


@versions
def test_an_async_handler_gives_an_awaitable(version):
    transfers = DataTransfers()

    @transfers.on(PRICE)
    async def set_price(_: Any, data: Price) -> Valid | TransferStatus:
        return VALID if data.cents else TransferStatus.REJECTED

    for cents, answer in (
        (1, {"status": "Accepted", "data": wire(version, {"until": UNTIL})}),
        (0, {"status": "Rejected"}),
    ):
        later = transfers.handler(None, asked(version, "com.example", "SetPrice", wire(version, {"cents": cents})))
        assert isinstance(later, Awaitable)
        with pytest.raises(StopIteration) as done:
            next(later.__await__())
        assert payload(done.value.value) == answer


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, LocalProtocolError),
        ({"until": UNTIL}, LocalProtocolError),
        (v16.DataTransferStatus.REJECTED, LocalProtocolError),
        (TransferStatus.ACCEPTED, LocalProtocolError),
        (Valid(until="soon"), InvalidMessage),
    ],
)
def test_an_answer_that_is_not_what_was_declared_is_the_handler_s_fault(answer, error):
    """Which the adapters answer with InternalError."""
    transfers, _ = price_of(answer)
    with pytest.raises(error):
        transfers.handler(None, asked(v16, "com.example", "SetPrice", '{"cents":31}'))


def test_a_message_has_one_handler():
    transfers, _ = price_of()
    for again in (PRICE, DataTransfer("COM.EXAMPLE", "setPRICE", NoneType, NoneType)):
        with pytest.raises(ValueError, match="has a handler already"):
            transfers.on(again)(lambda *_: None)


# -- both ends, over the wire --


def as_written(message: Any) -> Any:
    """With its timestamps cut off where those of any message are (RPC-102)."""
    codec = codec_of(type(message))
    return codec.decode(codec.encode(message))


def carry(source: Any, target: Any) -> Any:
    """The one text that one end has to send reaches the other; the one event that makes."""
    [text] = source.data_to_send()
    target.receive_data(text, now=0.0)
    [event] = iter(target.next_event, None)
    return event


@versions
def test_data_goes_there_and_back_either_way(version):
    number = {v16: "1.6", v201: "2.0.1", v21: "2.1"}[version]

    @given(messages(Price), messages(Valid), st.booleans())
    def check(data, answer, upward):
        ends = (
            ChargePointSession(number, message_ids=numbered_ids("c")),
            CentralSystemSession(number, message_ids=numbered_ids("s")),
        )
        client, server = ends if upward else ends[::-1]
        transfers, calls = price_of(answer)
        call = client.call(PRICE.request(version.DataTransferRequest, data), now=0.0)
        received = carry(client, server)
        assert server.respond(received, transfers.handler(None, received.request), now=0.0)
        outcome = carry(server, client)
        assert isinstance(outcome, CallSucceeded)
        assert outcome.call is call
        assert calls == [(None, as_written(data))]
        assert PRICE.answer_of(outcome.response) == as_written(answer)

    check()


@versions
def test_whatever_is_wrong_with_data_is_found(version):
    @given(near_misses(Price))
    def check(miss):
        reports: list[Any] = []
        transfers, _ = price_of(report=lambda *report: reports.append(report))
        request = asked(version, "com.example", "SetPrice", wire(version, miss.payload))
        assert transfers.handler(None, request).status == "Rejected"
        [(_, _, [violation])] = reports
        assert (violation.path, violation.rule) == (f"$.data{miss.path[1:]}", miss.rule)

    check()


def test_the_handler_fits_the_tables_of_both_ends():
    transfers, _ = price_of(VALID)
    for table in (CentralSystemHandlers(), ChargePointHandlers()):
        for version in VERSIONS:
            table.on(version.DataTransferRequest)(transfers.handler)

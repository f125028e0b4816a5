"""DataTransfer: what vendors say to each other, through the host."""

import pytest

from ocpp_sansio import CallTimedOut, ConnectionLost, ErrorCode, LocalProtocolError, Rejection
from ocpp_sansio.charge_point.effects import DataTransferred, HookFailed
from ocpp_sansio.v16 import DataTransferRequest, DataTransferResponse, DataTransferStatus
from tests.charge_point.harness import Bench

PONG = DataTransferResponse(status=DataTransferStatus.ACCEPTED, data="pong")


@pytest.fixture
def bench():
    bench = Bench()
    bench.online()
    return bench


def test_a_vendor_nobody_knows_is_answered_with_that_and_without_data(bench):
    """CP16-200, CP16-201."""
    answer = bench.ask(DataTransferRequest(vendor_id="com.example", data="?"))
    assert answer == DataTransferResponse(status=DataTransferStatus.UNKNOWN_VENDOR_ID)


def test_a_hook_answers_for_its_vendor_in_whatever_case(bench):
    """CP16-200, RPC-108."""
    asked = []
    bench.point.on_data_transfer("com.Example", lambda request: asked.append(request) or PONG)
    request = DataTransferRequest(vendor_id="COM.example", message_id="ping", data="?")
    assert bench.ask(request) == PONG
    assert asked == [request]


def test_the_latest_hook_of_a_vendor_counts(bench):
    bench.point.on_data_transfer("com.example", lambda _: None)
    bench.point.on_data_transfer("COM.EXAMPLE", lambda _: PONG)
    assert bench.ask(DataTransferRequest(vendor_id="com.example")) == PONG


def test_a_message_its_vendor_does_not_know_is_answered_with_that(bench):
    """CP16-200."""
    bench.point.on_data_transfer("com.example", lambda _: None)
    answer = bench.ask(DataTransferRequest(vendor_id="com.example", message_id="nonsense"))
    assert answer == DataTransferResponse(status=DataTransferStatus.UNKNOWN_MESSAGE_ID)


def test_a_hook_may_refuse_with_an_error(bench):
    """CP16-200."""

    def refuse(_):
        raise Rejection(ErrorCode.SECURITY_ERROR, "not over this line")

    bench.point.on_data_transfer("com.example", refuse)
    answer = bench.ask(DataTransferRequest(vendor_id="com.example"))
    assert answer == (ErrorCode.SECURITY_ERROR, "not over this line")


@pytest.mark.parametrize("response", [None, DataTransferResponse(status="Maybe"), object()])
def test_a_hook_that_fails_costs_the_peer_an_error_and_the_host_learns_why(bench, response):
    """F-12: it raises, or gives what cannot be sent; nothing of that comes out of ``receive_event``."""

    def fail(_):
        if response is None:
            raise KeyError("secret")
        return response

    bench.point.on_data_transfer("com.example", fail)
    assert bench.ask(DataTransferRequest(vendor_id="com.Example")) == (ErrorCode.INTERNAL_ERROR, "")
    (failed,) = bench.seen(HookFailed)
    assert failed.vendor_id == "com.Example"
    assert isinstance(failed.error, Exception)


def test_the_host_learns_what_became_of_each_transfer_of_its(bench):
    """CP16-200."""
    first = bench.do("transfer_data", "com.example", "ping", "1")
    second = bench.do("transfer_data", "com.example")
    assert bench.sent(DataTransferRequest) == [
        DataTransferRequest(vendor_id="com.example", message_id="ping", data="1"),
        DataTransferRequest(vendor_id="com.example"),
    ]
    calls = [call for call in bench.unanswered if isinstance(call.request, DataTransferRequest)]
    failure = CallTimedOut(30)
    bench.answer(failure, calls[1])
    bench.answer(PONG, calls[0])
    assert bench.seen(DataTransferred) == [DataTransferred(second, failure), DataTransferred(first, PONG)]


def test_what_cannot_be_sent_now_is_not_sent_later():
    """CP16-010, CP16-072."""
    bench = Bench()
    ticket = bench.do("transfer_data", "com.example")
    (effect,) = bench.seen(DataTransferred)
    assert effect.ticket == ticket
    assert isinstance(effect.outcome, ConnectionLost)
    assert not effect.outcome.sent
    bench.online()
    assert bench.sent(DataTransferRequest) == []


@pytest.mark.parametrize("names", [("x" * 256,), ("com.example", "x" * 51)])
def test_a_name_that_is_too_long_is_refused_and_nothing_is_sent(bench, names):
    with pytest.raises(LocalProtocolError, match="not valid"):
        bench.do("transfer_data", *names)
    bench.drain()
    assert bench.sent(DataTransferRequest) == []

"""The application objects: handlers, registration and the table of stations."""

from http import HTTPStatus

import attrs
import pytest

from ocpp_sansio import (
    CallReceived,
    CentralSystem,
    ChargePointHandlers,
    ErrorCode,
    Rejection,
    Role,
    Version,
    application,
    v16,
)


@attrs.frozen(eq=False)
class Station:
    identity: str


BOOT = CallReceived(
    "a", "BootNotification", v16.BootNotificationRequest(charge_point_vendor="v", charge_point_model="m")
)
BEAT = CallReceived("b", "Heartbeat", v16.HeartbeatRequest())


def booted(status):
    return v16.BootNotificationResponse(current_time=None, interval=0, status=status)


def handle(_station, _request):
    raise NotImplementedError


def central_system(**options):
    csms = CentralSystem(**options)
    csms.on(v16.BootNotificationRequest)(handle)
    csms.on(v16.HeartbeatRequest)(handle)
    return csms


def test_a_handler_is_found_by_the_request_and_stays_callable():
    csms = central_system()
    assert csms.role is Role.CENTRAL_SYSTEM
    assert csms.handler(Station("A"), BOOT) is handle
    assert list(csms) == [handle, handle]


def test_a_request_has_one_handler():
    csms = central_system()
    with pytest.raises(ValueError, match="handler already"):
        csms.on(v16.HeartbeatRequest)(handle)


@pytest.mark.parametrize(
    ("handlers", "request_"),
    [(CentralSystem(), v16.ResetRequest), (ChargePointHandlers(), v16.HeartbeatRequest)],
)
def test_what_the_peer_does_not_send_has_no_handler(handlers, request_):
    with pytest.raises(TypeError, match="does not send"):
        handlers.on(request_)


def test_data_transfer_goes_both_ways():
    """MSG16-06."""
    assert CentralSystem().on(v16.DataTransferRequest)(handle) is handle
    assert ChargePointHandlers().on(v16.DataTransferRequest)(handle) is handle


def test_a_charge_point_s_handlers_learn_nothing_and_refuse_what_they_lack():
    """RPC-070."""
    handlers = ChargePointHandlers()
    reset = CallReceived("a", "Reset", v16.ResetRequest(type=v16.ResetType.SOFT))
    with pytest.raises(Rejection) as caught:
        handlers.handler(None, reset)
    assert caught.value.code is ErrorCode.NOT_SUPPORTED
    handlers.on(v16.ResetRequest)(handle)
    assert handlers.handler(None, reset) is handle
    handlers.answered(None, reset, v16.ResetResponse(status=v16.ResetStatus.ACCEPTED))


def test_a_station_is_served_once_its_boot_is_accepted_whatever_the_connection():
    """RPC-075, RPC-124, CS16-003."""
    csms, station = central_system(), Station("A")
    for status in (v16.RegistrationStatus.PENDING, v16.RegistrationStatus.REJECTED):
        csms.answered(station, BOOT, booted(status))
        with pytest.raises(Rejection) as caught:
            csms.handler(station, BEAT)
        assert caught.value.code is ErrorCode.SECURITY_ERROR
    csms.answered(station, BOOT, booted(v16.RegistrationStatus.ACCEPTED))
    csms.answered(station, BEAT, v16.HeartbeatResponse(current_time=None))
    assert csms.handler(Station("A"), BEAT) is handle
    csms.answered(station, BOOT, booted(v16.RegistrationStatus.PENDING))
    with pytest.raises(Rejection):
        csms.handler(station, BEAT)


def test_a_restarted_central_system_can_be_told_whom_it_accepted():
    csms = central_system()
    csms.accept("A")
    assert csms.handler(Station("A"), BEAT) is handle


def test_registration_can_be_waived():
    assert central_system(accept_before_boot=True).handler(Station("A"), BEAT) is handle


def test_the_newest_connection_wins_and_a_late_close_of_the_old_one_changes_nothing():
    """RPC-019, F-35."""
    csms, old, new = central_system(), Station("A"), Station("A")
    assert csms.opened(old) is None
    assert csms.opened(new) is old
    csms.closed(old)
    assert dict(csms.stations) == {"A": new}
    before = csms.stations
    csms.closed(new)
    assert not csms.stations
    assert dict(before) == {"A": new}, "who looks through it is not disturbed"


def test_everybody_is_admitted_unless_a_hook_decides():
    csms = CentralSystem()
    assert not csms.is_authenticating
    assert csms.admit(None) is True

    @csms.authenticate
    def decide(_request):
        return HTTPStatus.NOT_FOUND

    assert csms.is_authenticating
    assert csms.admit(None) is HTTPStatus.NOT_FOUND
    assert decide(None) is HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("decision", "status"),
    [
        (True, None),
        (False, HTTPStatus.UNAUTHORIZED),
        (HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND),
        (HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR),
        (1, HTTPStatus.INTERNAL_SERVER_ERROR),
        (None, HTTPStatus.INTERNAL_SERVER_ERROR),
        (RuntimeError(), HTTPStatus.INTERNAL_SERVER_ERROR),
    ],
)
def test_only_true_admits(decision, status):
    """RPC-015, RPC-016: an application that errs lets nobody in."""
    assert CentralSystem.refusal(decision) is status


def test_only_so_many_accepted_charge_points_are_remembered(monkeypatch):
    """F-129."""
    monkeypatch.setattr(application, "MAX_ACCEPTED", 2)
    csms = central_system()
    for identity in "ABAC":
        csms.accept(identity)
    assert csms.handler(Station("A"), BEAT) is handle
    with pytest.raises(Rejection):
        csms.handler(Station("B"), BEAT)


def test_versions_are_given_by_number_once_each():
    assert CentralSystem(versions=["1.6"]).versions == (Version.V16,)
    for wrong in ([], ["1.6", "1.6"], ["1.7"]):
        with pytest.raises(ValueError, match=r"OCPP versions|1\.7"):
            CentralSystem(versions=wrong)

"""The application objects: handlers, registration and the table of stations."""

from http import HTTPStatus
from typing import Any

import attrs
import pytest

from ocpp_sansio import (
    CallReceived,
    CallRefused,
    CallSucceeded,
    CentralSystem,
    ChargePointHandlers,
    ConnectionRequested,
    ErrorCode,
    Limits,
    LocalProtocolError,
    NoMatch,
    PendingCall,
    Rejection,
    ResultRefused,
    Role,
    SendReceived,
    Takeover,
    Version,
    application,
    v16,
    v21,
    v201,
)
from ocpp_sansio.store import MemoryStore


@attrs.frozen(eq=False)
class Station:
    identity: str
    version: Version = Version.V16


BOOT = CallReceived(
    "a", "BootNotification", v16.BootNotificationRequest(charge_point_vendor="v", charge_point_model="m")
)
BEAT = CallReceived("b", "Heartbeat", v16.HeartbeatRequest())
RESET = v16.ResetRequest(type=v16.ResetType.SOFT)


STREAM = SendReceived(
    "c", "NotifyPeriodicEventStream", v21.NotifyPeriodicEventStream(data=[], id=1, pending=0, basetime=None)
)


def booted(status, version=v16):
    return version.BootNotificationResponse(current_time=None, interval=0, status=status)


def booting(version):
    """The BootNotification of a version, which looks at none of its properties."""
    return CallReceived("a", "BootNotification", version.ACTIONS["BootNotification"].request)


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
    reset = CallReceived("a", "Reset", RESET)
    with pytest.raises(Rejection) as caught:
        handlers.handler(None, reset)
    assert caught.value.code is ErrorCode.NOT_SUPPORTED
    handlers.on(v16.ResetRequest)(handle)
    assert handlers.handler(None, reset) is handle
    response = v16.ResetResponse(status=v16.ResetStatus.ACCEPTED)
    handlers.answered(None, reset, response)
    handlers.succeeded(None, CallSucceeded(PendingCall("b", "Heartbeat", BEAT.request, 30.0), response))
    assert handlers.handler(None, reset) is handle


def test_a_station_is_served_once_its_boot_is_accepted_whatever_the_connection_f_39():
    """RPC-075, RPC-124, CS16-003."""
    csms, station = central_system(), Station("A")
    csms.opened(station)
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


@pytest.mark.parametrize("version", [v201, v21])
def test_a_station_of_2_x_is_accepted_by_its_boot_as_well_f_39(version):
    """RPC-076, CS201-010, CS201-011."""
    csms, station = CentralSystem(versions=["2.1", "2.0.1", "1.6"]), Station("A")
    csms.opened(station)
    csms.on(version.HeartbeatRequest)(handle)
    beat = CallReceived("b", "Heartbeat", version.HeartbeatRequest())
    for status in (version.RegistrationStatus.PENDING, version.RegistrationStatus.REJECTED):
        csms.answered(station, booting(version), booted(status, version))
        with pytest.raises(Rejection) as caught:
            csms.handler(station, beat)
        assert caught.value.code is ErrorCode.SECURITY_ERROR
    csms.answered(station, booting(version), booted(version.RegistrationStatus.ACCEPTED, version))
    assert csms.handler(station, beat) is handle


def test_handlers_of_several_versions_are_told_apart_by_the_classes():
    csms = CentralSystem(versions=["2.1", "2.0.1", "1.6"], accept_before_boot=True)
    handlers = {}
    for version in (v16, v201, v21):
        handlers[version] = csms.on(version.HeartbeatRequest)(lambda *_: NotImplemented)
    for version in (v16, v201, v21):
        call = CallReceived("a", "Heartbeat", version.HeartbeatRequest())
        assert csms.handler(Station("A"), call) is handlers[version]


# -- while a station is pending --


TRIGGERED = [
    (v16.TriggerMessageRequest, v16.MessageTrigger.METER_VALUES, "MeterValues"),
    (v16.ExtendedTriggerMessageRequest, v16.MessageTriggerEnumType.SIGN_CHARGE_POINT_CERTIFICATE, "SignCertificate"),
    (v201.TriggerMessageRequest, v201.MessageTrigger.STATUS_NOTIFICATION, "StatusNotification"),
    (v201.TriggerMessageRequest, v201.MessageTrigger.SIGN_V2G_CERTIFICATE, "SignCertificate"),
    (v21.TriggerMessageRequest, v21.MessageTrigger.TRANSACTION_EVENT, "TransactionEvent"),
]


def pending_station(csms, status="PENDING"):
    station = Station("A")
    csms.opened(station)
    csms.answered(station, booting(v201), booted(v201.RegistrationStatus[status], v201))
    return station


def told(request, status):
    """A request of ours that has been answered with this status."""
    (name,) = [
        action.name for each in (v16, v201, v21) for action in each.ACTIONS.values() if action.request is type(request)
    ]
    response = {action.request: action.response for each in (v16, v201, v21) for action in each.ACTIONS.values()}
    return CallSucceeded(PendingCall("x", name, request, 30.0), response[type(request)](status=status))


def may_send(csms, station, action):
    """Whether a request reaches the place where its handler would be."""
    with pytest.raises(Rejection) as caught:
        csms.handler(station, CallReceived("b", action, None))
    return caught.value.code is ErrorCode.NOT_SUPPORTED


@pytest.mark.parametrize(("request_", "trigger", "action"), TRIGGERED)
def test_a_pending_station_may_send_what_it_was_told_to(request_, trigger, action):
    """RPC-076, CP16-014, CP201-014."""
    csms = CentralSystem()
    station = pending_station(csms)
    request = request_(requested_message=trigger)
    csms.succeeded(station, told(request, "Rejected"))
    assert not may_send(csms, station, action)
    csms.succeeded(station, told(request, "Accepted"))
    assert may_send(csms, station, action)
    assert not may_send(csms, station, "FirmwareStatusNotification")


@pytest.mark.parametrize("request_", [v201.GetBaseReportRequest, v201.GetReportRequest, v21.GetReportRequest])
def test_a_pending_station_may_send_the_report_it_was_asked_for(request_):
    """RPC-076."""
    csms = CentralSystem()
    station = pending_station(csms)
    options = {"report_base": v201.ReportBase.FULL_INVENTORY} if request_ is v201.GetBaseReportRequest else {}
    csms.succeeded(station, told(request_(request_id=1, **options), "Accepted"))
    assert may_send(csms, station, "NotifyReport")
    assert not may_send(csms, station, "StatusNotification")


def test_other_requests_of_ours_allow_a_pending_station_nothing():
    csms = CentralSystem()
    station = pending_station(csms)
    csms.succeeded(station, told(v201.ClearCacheRequest(), "Accepted"))
    csms.succeeded(station, CallSucceeded(PendingCall("x", "GetVariables", None, 30.0), v201.GetVariablesResponse))
    assert not may_send(csms, station, "NotifyReport")


def report(csms, station):
    request = v201.GetBaseReportRequest(request_id=1, report_base=v201.ReportBase.FULL_INVENTORY)
    csms.succeeded(station, told(request, "Accepted"))


def test_what_a_station_was_told_to_send_ends_with_its_next_boot_and_with_its_connection():
    csms = CentralSystem()
    for end in ("PENDING", "REJECTED", "connection", "accept"):
        station = pending_station(csms)
        report(csms, station)
        assert may_send(csms, station, "NotifyReport")
        match end:
            case "connection":
                csms.closed(station)
            case "accept":
                csms.accept("A")
                csms.answered(station, BOOT, booted(v16.RegistrationStatus.REJECTED))
            case _:
                csms.answered(station, booting(v201), booted(v201.RegistrationStatus[end], v201))
        assert not may_send(csms, station, "NotifyReport")


def test_the_right_to_send_while_pending_is_not_inherited_by_the_next_connection():
    """RPC-076, RPC-019."""
    csms = CentralSystem()
    report(csms, pending_station(csms))
    new = Station("A")
    csms.opened(new)
    assert not may_send(csms, new, "NotifyReport")


def test_a_station_of_2_x_that_comes_back_in_another_case_leaves_nothing_behind_f_30():
    """RPC-003."""
    csms = CentralSystem(versions=["2.0.1"])
    old, new = Station("CP1", Version.V201), Station("cp1", Version.V201)
    csms.opened(old)
    csms.answered(old, booting(v201), booted(v201.RegistrationStatus.PENDING, v201))
    assert csms.opened(new) == (old,)
    csms.closed(old)
    assert dict(csms.stations) == {"cp1": new}
    csms.closed(new)
    csms.opened(Station("CP1", Version.V201))
    assert csms._pending == {}


def test_nothing_is_learnt_from_a_displaced_connection():
    """RPC-075, RPC-076, RPC-019."""
    csms = CentralSystem()
    old, new = pending_station(csms), pending_station(csms)
    report(csms, old)
    assert not may_send(csms, new, "NotifyReport")
    csms.answered(old, booting(v201), booted(v201.RegistrationStatus.ACCEPTED, v201))
    assert not may_send(csms, new, "StatusNotification")
    report(csms, new)
    csms.answered(old, booting(v201), booted(v201.RegistrationStatus.REJECTED, v201))
    assert may_send(csms, new, "NotifyReport")


def test_a_station_that_is_rejected_or_silent_is_allowed_nothing():
    """CP201-017, CS201-012."""
    csms = CentralSystem()
    rejected = pending_station(csms, "REJECTED")
    report(csms, rejected)
    assert not may_send(csms, rejected, "NotifyReport")
    late = Station("B")  # its boot is answered when its connection is gone
    csms.answered(late, booting(v201), booted(v201.RegistrationStatus.PENDING, v201))
    report(csms, late)
    assert not may_send(csms, late, "NotifyReport")


# -- SENDs, and responses that are refused --


def test_a_send_has_its_handler_once_its_station_is_accepted():
    """RPC-034, RPC-076."""
    csms = CentralSystem(versions=["2.1"])
    assert csms.on_send(v21.NotifyPeriodicEventStream)(handle) is handle
    with pytest.raises(Rejection) as caught:
        csms.send_handler(Station("A"), STREAM)
    assert caught.value.code is ErrorCode.SECURITY_ERROR
    csms.accept("A")
    assert csms.send_handler(Station("A"), STREAM) is handle


def test_a_send_without_a_handler_is_not_supported():
    with pytest.raises(Rejection) as caught:
        CentralSystem(accept_before_boot=True).send_handler(Station("A"), STREAM)
    assert caught.value.code is ErrorCode.NOT_SUPPORTED


def test_a_refusal_goes_to_who_wants_to_know():
    """RPC-073."""
    error = CallRefused("FormatViolation")
    for handlers, call in ((CentralSystem(), BEAT), (ChargePointHandlers(), CallReceived("a", "Reset", RESET))):
        assert handlers.refusal_handler(ResultRefused(call, error)) is None
        assert handlers.on_result_refused(type(call.request))(handle) is handle
        assert handlers.refusal_handler(ResultRefused(call, error)) is handle
        handlers.on(type(call.request))(handle)  # the two know nothing of each other
        with pytest.raises(ValueError, match="handler already"):
            handlers.on_result_refused(type(call.request))(handle)


@pytest.mark.parametrize(
    ("decorate", "message"),
    [
        (CentralSystem().on, v21.NotifyPeriodicEventStream),
        (CentralSystem().on_send, v21.HeartbeatRequest),
        (CentralSystem().on_send, v21.HeartbeatResponse),
        (CentralSystem().on_result_refused, v21.ResetRequest),
        (CentralSystem().on_result_refused, v21.NotifyPeriodicEventStream),
        (ChargePointHandlers().on, v21.NotifyPeriodicEventStream),
        (ChargePointHandlers().on_result_refused, v21.HeartbeatRequest),
    ],
)
def test_calls_and_sends_are_kept_apart(decorate, message):
    with pytest.raises(TypeError, match="does not send"):
        decorate(message)


def test_a_restarted_central_system_can_be_told_whom_it_accepted():
    csms = central_system()
    csms.accept("A")
    assert csms.handler(Station("A"), BEAT) is handle


def test_registration_can_be_waived():
    assert central_system(accept_before_boot=True).handler(Station("A"), BEAT) is handle


def test_the_newest_connection_wins_and_a_late_close_of_the_old_one_changes_nothing():
    """RPC-019, F-35."""
    csms, old, new = central_system(), Station("A"), Station("A")
    assert csms.opened(old) == ()
    assert csms.opened(new) == (old,)
    csms.closed(old)
    assert dict(csms.stations) == {"A": new}
    before = csms.stations
    csms.closed(new)
    assert not csms.stations
    assert dict(before) == {"A": new}, "who looks through it is not disturbed"


def test_everybody_is_admitted_unless_a_hook_decides():
    """CS16-004: a charge point that is not known is told so before there is a WebSocket."""
    csms = CentralSystem()
    assert not csms.is_authenticating
    assert csms.admit(None) is True

    @csms.authenticate
    def decide(_request):
        return HTTPStatus.NOT_FOUND

    assert csms.is_authenticating
    assert csms.admit(None) is HTTPStatus.NOT_FOUND
    assert decide(None) is HTTPStatus.NOT_FOUND


def test_who_asks_to_connect_is_screened_only_where_somebody_judges_f_29():
    request = ConnectionRequested("A", "/A", (), Version.V16, None, {})
    for hook, refused in ((None, 0), (lambda _: False, 3)):
        csms = CentralSystem(limits=Limits(max_failures_per_identity=2))
        if hook is not None:
            csms.authenticate(hook)
        assert [csms.entry(request).screen(now=0) for _ in range(5)].count(None) == 5 - refused


def test_hooks_that_are_told_of_connections_stay_callable():
    csms = CentralSystem()
    connected = [csms.on_connected(lambda _: "come"), csms.on_connected(print)]
    disconnected = [csms.on_disconnected(print), csms.on_disconnected(lambda _: "gone")]
    assert (csms.connected_hooks, csms.disconnected_hooks) == (connected, disconnected)
    assert (connected[0](None), disconnected[1](None)) == ("come", "gone")


def test_who_is_accepted_is_known():
    csms = CentralSystem()
    assert not csms.is_accepted("CP1")
    csms.accept("CP1")
    assert csms.is_accepted("CP1")
    assert not csms.is_accepted("CP2")


def test_a_hook_that_is_told_of_incidents_stays_callable():
    csms = CentralSystem()
    hooks = [csms.on_incident(lambda _: "told"), csms.on_incident(print)]
    assert csms.incident_hooks == hooks
    assert hooks[0](None) == "told"


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


def test_a_central_system_plays_one_role() -> None:
    role = object()
    csms, store = CentralSystem(), MemoryStore()
    csms.play(role, store=store, act=print)
    with pytest.raises(ValueError, match="plays a role already"):
        csms.play(role, store=store, act=print)
    assert csms.part is not None
    assert (csms.part.role, csms.part.store, csms.part.is_running) == (role, store, False)


def test_it_is_served_in_one_place_by_any_number_of_servers():
    csms = central_system()
    with csms.served_in("here"):
        with csms.served_in("here"):
            pass
        with pytest.raises(LocalProtocolError, match="another event loop"), csms.served_in("there"):
            pass
        with csms.served_in("here"):
            pass
    with csms.served_in("there"):
        pass


# -- what is wrong with it is found out before a station comes --


def test_a_value_stands_for_its_member_and_nonsense_for_nothing():
    csms = CentralSystem(takeover="probe", no_match="reject")  # type: ignore[arg-type]
    assert (csms.takeover, csms.no_match) == (Takeover.PROBE, NoMatch.REJECT)
    with pytest.raises(ValueError, match="'prob' is not a valid Takeover: there is 'newest wins', 'probe', "):
        CentralSystem(takeover="prob")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="NoMatch: there is 'accept, then close', 'reject'"):
        CentralSystem(no_match="refuse")  # type: ignore[arg-type]


@pytest.mark.parametrize("limits", [{}, {"call_timeout": 3}])
def test_limits_are_limits(limits: Any):
    with pytest.raises(TypeError, match=r"limits are given as Limits\(…\), not as dict"):
        CentralSystem(limits=limits)


def test_one_hook_decides_and_it_is_a_function():
    csms = CentralSystem()
    nothing: Any = None
    with pytest.raises(TypeError, match="a function is needed, not None"):
        csms.authenticate(nothing)
    assert not csms.is_authenticating
    csms.authenticate(lambda _: False)
    with pytest.raises(ValueError, match="there is an authenticate hook already"):
        csms.authenticate(lambda _: True)
    request: Any = None
    assert csms.admit(request) is False
    for decorate in (csms.on_incident, csms.on_connected, csms.on_disconnected):
        with pytest.raises(TypeError, match="a function is needed"):
            decorate(nothing)


@pytest.mark.parametrize("wrong", [lambda *_: None, "BootNotification", None, v16.HeartbeatRequest()])
def test_a_decorator_without_the_class_of_a_message_says_how_it_is_written(wrong: Any):
    with pytest.raises(TypeError, match=r"as in @handlers.on\(HeartbeatRequest\), not "):
        CentralSystem().on(wrong)


def test_a_handler_is_a_function():
    nothing: Any = None
    csms = CentralSystem()
    with pytest.raises(TypeError, match="a function is needed, not None"):
        csms.on(v16.HeartbeatRequest)(nothing)
    assert not csms.requests


def test_the_log_can_name_the_handler_of_a_request():
    class Beat:
        def __call__(self, *_: Any) -> Any: ...

        def method(self, *_: Any) -> Any: ...

    csms = CentralSystem()
    assert csms.name_of(v16.HeartbeatRequest()) == ""
    csms.on(v16.HeartbeatRequest)(Beat())
    csms.on(v16.DataTransferRequest)(Beat().method)
    assert csms.name_of(v16.HeartbeatRequest()) == f"{__name__}.{Beat.__qualname__}"
    assert csms.name_of(v16.DataTransferRequest(vendor_id="v")) == f"{__name__}.{Beat.__qualname__}.method"


def test_a_handler_that_would_never_be_called_is_refused():
    csms = CentralSystem(versions=["1.6", "2.0.1"])
    csms.on(v201.HeartbeatRequest)(print)
    with pytest.raises(ValueError, match=r"v21\S*HeartbeatRequest is none of the messages .* of OCPP 1.6 and 2.0.1"):
        csms.on(v21.HeartbeatRequest)
    with pytest.raises(ValueError, match="none of the messages"):
        csms.on_send(v21.NotifyPeriodicEventStream)


def test_where_a_role_is_played_no_handler_of_1_6_is_left_uncalled():
    role: Any = None
    for first in (True, False):
        csms = CentralSystem(versions=["1.6", "2.0.1"])
        csms.on(v201.HeartbeatRequest)(print)
        if first:
            csms.on(v16.HeartbeatRequest)(print)
        with pytest.raises(ValueError, match="a role is played, and answers HeartbeatRequest"):  # noqa: PT012 - either
            csms.play(role, store=role, act=role)
            csms.on(v16.HeartbeatRequest)
        assert (csms.part is None) is first

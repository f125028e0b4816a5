"""RemoteStartTransaction, RemoteStopTransaction, UnlockConnector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ocpp_sansio import CallRefused
from ocpp_sansio.charge_point import Block, ConnectorSetup, Setup
from ocpp_sansio.charge_point.backbone import TransactionBegun
from ocpp_sansio.charge_point.effects import StartEnergy, StopEnergy, UnlockConnector
from ocpp_sansio.v16 import (
    AuthorizeRequest,
    BootNotificationResponse,
    ChargePointErrorCode,
    ChargePointStatus,
    ChargingProfile,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    ChargingSchedule,
    ChargingSchedulePeriod,
    Reason,
    RegistrationStatus,
    RemoteStartStopStatus,
    RemoteStartTransactionRequest,
    RemoteStartTransactionResponse,
    RemoteStopTransactionRequest,
    RemoteStopTransactionResponse,
    StartTransactionRequest,
    StopTransactionRequest,
    UnlockConnectorRequest,
    UnlockConnectorResponse,
    UnlockStatus,
)

from .harness import BOOT, EPOCH
from .station import INVALID, Station, fixed, guarded, two

ACCEPTED, REJECTED = RemoteStartStopStatus.ACCEPTED, RemoteStartStopStatus.REJECTED


def online(setup: Setup | None = None) -> Station:
    station = Station(setup)
    station.online()
    return station


def start(station: Station, connector: int | None = 1, id_tag: str = "TAG", **more: Any) -> RemoteStartStopStatus:
    answer = station.ask(RemoteStartTransactionRequest(id_tag=id_tag, connector_id=connector, **more))
    assert isinstance(answer, RemoteStartTransactionResponse)
    return answer.status


def stop(station: Station, transaction_id: int) -> RemoteStartStopStatus:
    answer = station.ask(RemoteStopTransactionRequest(transaction_id=transaction_id))
    assert isinstance(answer, RemoteStopTransactionResponse)
    return answer.status


def unlock(station: Station, connector: int = 1) -> UnlockStatus | None:
    answer = station.ask(UnlockConnectorRequest(connector_id=connector))
    return answer.status if isinstance(answer, UnlockConnectorResponse) else None


def profile(purpose: ChargingProfilePurposeType, transaction_id: int | None = None) -> ChargingProfile:
    return ChargingProfile(
        charging_profile_id=1,
        transaction_id=transaction_id,
        stack_level=0,
        charging_profile_purpose=purpose,
        charging_profile_kind=ChargingProfileKindType.RELATIVE,
        charging_schedule=ChargingSchedule(
            charging_rate_unit=ChargingRateUnitType.A,
            charging_schedule_period=[ChargingSchedulePeriod(start_period=0, limit=16.0)],
        ),
    )


# -- RemoteStartTransaction --


def test_it_is_answered_and_then_begins_as_if_the_id_tag_had_been_presented() -> None:
    """CP16-080, CP16-081: AuthorizeRemoteTxRequests."""
    station = online()
    station.play("plug_in", 1)
    assert start(station) is ACCEPTED
    assert len(station.sent(AuthorizeRequest)) == 1
    assert station.seen(StartEnergy) == []
    station.serve()
    assert station.seen(StartEnergy) == [StartEnergy(1)]
    assert [request.id_tag for request in station.sent(StartTransactionRequest)] == ["TAG"]


def test_one_that_is_accepted_may_still_come_to_nothing() -> None:
    """CP16-080, CP16-081."""
    station = online()
    station.infos["TAG"] = INVALID
    station.play("plug_in", 1)
    assert start(station) is ACCEPTED
    station.serve()
    assert station.seen(StartEnergy) == []


def test_it_begins_at_once_where_nobody_is_to_be_asked() -> None:
    """CP16-081: not AuthorizeRemoteTxRequests."""
    station = online()
    station.do("configure", "AuthorizeRemoteTxRequests", "false")
    station.play("plug_in", 1)
    assert start(station) is ACCEPTED
    station.serve()
    assert station.sent(AuthorizeRequest) == []
    assert station.seen(StartEnergy) == [StartEnergy(1)]


def test_without_a_cable_the_connector_prepares_until_the_time_is_out() -> None:
    """CP16-084; TC_011_1, TC_011_2."""
    station = online()
    assert start(station) is ACCEPTED
    station.serve()
    assert station.statuses()[-1] is ChargePointStatus.PREPARING
    station.wait(60)
    station.serve()
    assert station.statuses()[-1] is ChargePointStatus.AVAILABLE
    assert start(station) is ACCEPTED
    station.serve()
    station.play("plug_in", 1)
    assert station.seen(StartEnergy) == [StartEnergy(1)]


def test_without_a_connector_one_with_a_cable_in_is_chosen_else_the_first_that_is_free() -> None:
    """CP16-082."""
    station = online(two())
    station.play("plug_in", 2)
    assert start(station, None, "A") is ACCEPTED
    station.serve()
    assert [energy.connector for energy in station.seen(StartEnergy)] == [2]
    assert start(station, None, "B") is ACCEPTED
    station.serve()
    assert station.statuses(1)[-1] is ChargePointStatus.PREPARING
    assert start(station, None, "C") is REJECTED


@pytest.mark.parametrize("connector", [0, -1, 2])
def test_a_connector_that_cannot_be_meant_is_rejected(connector: int) -> None:
    """CP16-082; TC_027."""
    assert start(online(), connector) is REJECTED


def test_a_connector_that_is_taken_or_out_of_order_is_rejected() -> None:
    """CP16-083; TC_026."""
    station = online(two())
    station.charge("TAG", 1)
    assert start(station, 1) is REJECTED
    station.play("fault", 2, ChargePointErrorCode.GROUND_FAILURE)
    assert start(station, 2) is REJECTED


def test_a_gate_can_reject_it() -> None:
    """CP16-083: reserved for another."""
    station = guarded(lambda use: use.id_tag == "OWNER")
    assert start(station) is REJECTED
    assert start(station, id_tag="OWNER") is ACCEPTED


@pytest.mark.parametrize(
    ("purpose", "transaction_id", "status"),
    [
        (ChargingProfilePurposeType.TX_PROFILE, None, ACCEPTED),
        (ChargingProfilePurposeType.TX_PROFILE, 1, REJECTED),
        (ChargingProfilePurposeType.TX_DEFAULT_PROFILE, None, REJECTED),
        (ChargingProfilePurposeType.CHARGE_POINT_MAX_PROFILE, None, REJECTED),
    ],
)
def test_a_charging_profile_has_to_be_for_the_transaction_that_is_to_begin(
    purpose: ChargingProfilePurposeType, transaction_id: int | None, status: RemoteStartStopStatus
) -> None:
    """CP16-085."""
    assert start(online(), charging_profile=profile(purpose, transaction_id)) is status


def test_its_charging_profile_comes_with_the_transaction_to_whoever_can_do_something_with_it() -> None:
    """CP16-085: the seam for smart charging."""
    heard: list[TransactionBegun] = []
    station = Station(profiles=[lambda _: _Ear(heard)])
    station.online()
    station.play("plug_in", 1)
    sent = profile(ChargingProfilePurposeType.TX_PROFILE)
    assert start(station, charging_profile=sent) is ACCEPTED
    station.serve()
    assert [begun.charging_profile for begun in heard] == [sent]
    station.play("stop", 1)
    station.play("unplug", 1)
    station.charge()
    assert [begun.charging_profile for begun in heard] == [sent, None]


class _Ear(Block):
    def __init__(self, heard: list[TransactionBegun]) -> None:
        self.heard = heard

    def hears(self) -> Mapping[type[Any], Callable[[Any], None]]:
        return {TransactionBegun: self.heard.append}


def test_it_is_rejected_while_pending() -> None:
    """CS16-002, CP16-014."""
    station = Station()
    station.connect()
    station.answer(BootNotificationResponse(current_time=EPOCH, interval=60, status=RegistrationStatus.PENDING))
    assert start(station) is REJECTED


# -- RemoteStopTransaction --


def test_a_transaction_is_stopped_by_its_id() -> None:
    """CP16-086; TC_012."""
    station = online(two())
    station.charge("A", 1)
    station.charge("B", 2)
    assert stop(station, 102) is ACCEPTED
    station.serve()
    (request,) = station.sent(StopTransactionRequest)
    assert (request.transaction_id, request.reason, request.id_tag) == (102, Reason.REMOTE, None)
    assert station.seen(UnlockConnector) == [UnlockConnector(2)]
    assert station.statuses(2)[-1] is ChargePointStatus.FINISHING


@pytest.mark.parametrize("transaction_id", [0, 100, -1])
def test_an_id_that_is_unknown_is_rejected(transaction_id: int) -> None:
    """CP16-086; TC_028."""
    station = online()
    station.charge()
    assert stop(station, transaction_id) is REJECTED
    assert station.seen(StopEnergy) == []


def test_a_transaction_that_never_got_an_id_cannot_be_named() -> None:
    """CP16-086, CP16-075: -1 is what its messages bear, not what it is called."""
    station = online()
    station.do("configure", "TransactionMessageAttempts", "1")
    station.do("plug_in", 1)
    station.do("present", "TAG", 1)
    while not isinstance(station.unanswered[0].request, StartTransactionRequest):
        station.answer(station.proper_answer(station.unanswered[0].request))
    station.answer(CallRefused("InternalError"))
    station.serve()
    assert stop(station, -1) is REJECTED


def test_one_that_is_being_stopped_is_rejected() -> None:
    """CP16-086."""
    station = online()
    station.charge()
    station.reads = False
    assert stop(station, 101) is ACCEPTED
    assert stop(station, 101) is REJECTED
    station.read()
    station.serve()
    assert stop(station, 101) is REJECTED
    assert len(station.sent(StopTransactionRequest)) == 1


# -- UnlockConnector --


@pytest.mark.parametrize(("works", "status"), [(True, UnlockStatus.UNLOCKED), (False, UnlockStatus.UNLOCK_FAILED)])
def test_the_answer_is_what_the_host_reports(works: bool, status: UnlockStatus) -> None:
    """CP16-087; TC_017."""
    station = online()
    station.locks = None
    assert unlock(station) is None
    assert unlock(station) is None
    station.do("unlocked", 1, works)
    assert station.link is not None
    answers = [answer for _, answer in station.link.answers]
    assert answers == [UnlockConnectorResponse(status=status)] * 2


def test_a_host_that_never_reports_has_not_unlocked_it() -> None:
    """CP16-087: no request is left without an answer; and what is reported too late changes nothing."""
    station = online(Setup(BOOT, unlock_timeout=5.0))
    station.locks = None
    assert unlock(station) is None
    assert station.link is not None
    station.wait(4)
    assert unlock(station) is None
    station.wait(1)
    station.do("unlocked", 1, True)
    answers = [answer for _, answer in station.link.answers]
    assert answers == [UnlockConnectorResponse(status=UnlockStatus.UNLOCK_FAILED)] * 2


def test_a_transaction_is_stopped_first() -> None:
    """CP16-087; TC_018."""
    station = online()
    station.charge()
    station.reads = False
    assert unlock(station) is None
    assert station.seen(UnlockConnector) == []
    assert station.seen(StopEnergy) == [StopEnergy(1)]
    station.read()
    station.serve()
    assert [request.reason for request in station.sent(StopTransactionRequest)] == [Reason.UNLOCK_COMMAND]
    assert station.seen(UnlockConnector) == [UnlockConnector(1)]
    assert station.link is not None
    assert station.link.answers[-1][1] == UnlockConnectorResponse(status=UnlockStatus.UNLOCKED)


def test_what_is_about_to_begin_does_not() -> None:
    """CP16-087."""
    station = online()
    station.reads = False
    station.play("plug_in", 1)
    station.play("present", "TAG", 1)
    assert unlock(station) is UnlockStatus.UNLOCKED
    station.read()
    station.serve()
    assert station.sent(StartTransactionRequest) == []


@pytest.mark.parametrize(
    ("setup", "connector"),
    [
        (Setup(BOOT), 0),
        (Setup(BOOT), 2),
        (fixed(), 1),
        (Setup(BOOT, connectors=(ConnectorSetup(has_lock=False),)), 1),
    ],
)
def test_where_there_is_no_lock_it_is_not_supported(setup: Setup, connector: int) -> None:
    """CP16-087; TC_031."""
    assert unlock(online(setup), connector) is UnlockStatus.NOT_SUPPORTED


@pytest.mark.parametrize("connector", [1, None])
def test_an_id_tag_that_could_not_be_told_in_turn_is_rejected(connector: int | None) -> None:
    """The session may put up with one of more than 20 characters; a StartTransaction with it could never be sent."""
    station = online()
    station.do("configure", "AuthorizeRemoteTxRequests", "false")
    station.play("plug_in", 1)
    assert start(station, connector, "T" * 21) is REJECTED
    assert start(station, connector, "T" * 20) is ACCEPTED

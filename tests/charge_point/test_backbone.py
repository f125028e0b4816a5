"""The backbone: who hears what, who may send what when, and what a block has no part in."""

from datetime import UTC, datetime

import pytest

from ocpp_sansio import ConnectionLost
from ocpp_sansio.charge_point import Backbone, Block, Setup
from ocpp_sansio.charge_point.backbone import ClockSet, LinkDown, LinkUp
from ocpp_sansio.charge_point.clock import Clock
from ocpp_sansio.charge_point.effects import SetClock
from ocpp_sansio.charge_point.keys import MESSAGE_TIMEOUT, Settings
from ocpp_sansio.machine import Machine
from ocpp_sansio.v16 import DataTransferRequest, HeartbeatRequest, RegistrationStatus
from tests.charge_point.harness import BOOT, EPOCH, FakeLink

ASK = HeartbeatRequest()


@pytest.fixture
def core():
    clock = Clock(EPOCH, now=0.0, trusted=False, boot=1)
    return Backbone(Setup(BOOT), Machine(now=0.0), clock, Settings())


def drained(core):
    effects = []
    while (effect := core.machine.next_event()) is not None:
        effects.append(effect)
    return effects


def outcome_of(core, *, even_if_pending=False):
    outcomes = []
    core.call(ASK, outcomes.append, even_if_pending=even_if_pending)
    assert outcomes == []
    drained(core)
    return outcomes


def test_without_a_link_a_request_is_lost_at_once_but_not_before_the_call_returns(core):
    """RPC-131."""
    core.registration = RegistrationStatus.ACCEPTED
    assert not core.is_online
    (outcome,) = outcome_of(core)
    assert isinstance(outcome, ConnectionLost)
    assert not outcome.sent


@pytest.mark.parametrize(
    ("registration", "even_if_pending", "goes"),
    [
        (None, False, False),
        (None, True, False),
        (RegistrationStatus.PENDING, False, False),
        (RegistrationStatus.PENDING, True, True),
        (RegistrationStatus.REJECTED, False, False),
        (RegistrationStatus.REJECTED, True, False),
        (RegistrationStatus.ACCEPTED, False, True),
        (RegistrationStatus.ACCEPTED, True, True),
    ],
)
def test_who_may_send_what(core, registration, even_if_pending, goes):
    """CP16-010, CP16-013, CP16-014."""
    link = FakeLink()
    core.line.up(link)
    core.registration = registration
    lost = outcome_of(core, even_if_pending=even_if_pending)
    assert [call.request for call in link.sent] == ([ASK] if goes else [])
    assert len(lost) == (0 if goes else 1)


def test_pending_is_not_enough_without_a_link(core):
    """CP16-014."""
    core.registration = RegistrationStatus.PENDING
    assert len(outcome_of(core, even_if_pending=True)) == 1


def test_an_answer_is_waited_for_as_long_as_the_configuration_says(core):
    """RPC-055, CFG16-15."""
    core.settings[MESSAGE_TIMEOUT] = 7
    link = FakeLink()
    core.line.up(link)
    core.registration = RegistrationStatus.ACCEPTED
    outcome_of(core)
    assert [call.timeout for call in link.sent] == [7.0]


class Ear(Block):
    def __init__(self, name, heard):
        self.name, self.heard = name, heard

    def hears(self):
        return {LinkUp: lambda _: self.heard.append(self.name)}


def test_blocks_hear_what_they_asked_for_in_the_order_in_which_they_came(core):
    heard = []
    core.listen(Ear("one", heard))
    core.listen(Ear("two", heard))
    core.publish(LinkUp())
    core.publish(LinkDown())
    assert heard == ["one", "two"]


def test_a_time_that_can_be_is_taken_and_told(core):
    """CP16-011, CP16-021."""
    heard = []
    ear = Ear("", heard)
    ear.hears = lambda: {ClockSet: heard.append}
    core.listen(ear)
    utc = EPOCH.replace(year=2030)
    core.set_clock(utc)
    core.set_clock(datetime.max.replace(tzinfo=UTC))
    assert heard == [ClockSet()]
    assert drained(core) == [SetClock(utc)]
    assert core.moment().utc == utc


def test_a_block_has_no_part_in_what_it_does_not_override():
    block = Block()
    assert (block.handlers(), block.triggers(), block.hears(), block.topics) == ({}, {}, {}, ())
    block.begin()
    assert DataTransferRequest not in block.handlers()

"""TriggerMessage: the answer first, then the message, if there is one."""

import pytest

from ocpp_sansio import ErrorCode
from ocpp_sansio.charge_point import Block, ExtendedTriggerMessages
from ocpp_sansio.v16 import (
    BootNotificationRequest,
    BootNotificationResponse,
    ExtendedTriggerMessageRequest,
    ExtendedTriggerMessageResponse,
    HeartbeatRequest,
    MessageTrigger,
    MessageTriggerEnumType,
    RegistrationStatus,
    StatusNotificationRequest,
    TriggerMessageRequest,
    TriggerMessageStatus,
)
from tests.charge_point.harness import EPOCH, Bench


class Firmware(Block):
    """A profile that notes for which connectors it was asked; connector 7 is none."""

    def __init__(self, core):
        self.done = []

    def triggers(self):
        return {
            MessageTrigger.FIRMWARE_STATUS_NOTIFICATION: lambda connector: (
                None if connector == 7 else lambda: self.done.append(connector)
            )
        }


def trigger(bench, message, connector=None):
    return bench.ask(TriggerMessageRequest(requested_message=message, connector_id=connector)).status


def test_the_answer_comes_before_the_message(monkeypatch):
    """CP16-180, RPC-05A."""
    bench = Bench()
    link = bench.online()
    order = []
    call, respond = link.call, link.respond
    monkeypatch.setattr(link, "call", lambda *args, **more: order.append("message") or call(*args, **more))
    monkeypatch.setattr(link, "respond", lambda *args, **more: order.append("answer") or respond(*args, **more))
    assert trigger(bench, MessageTrigger.HEARTBEAT) is TriggerMessageStatus.ACCEPTED
    assert order == ["answer", "message"]


def test_what_sends_the_message_is_not_called_before_the_answer_is_out():
    """CP16-180."""
    out = []

    class Hasty(Block):
        def triggers(self):
            return {MessageTrigger.FIRMWARE_STATUS_NOTIFICATION: lambda _: lambda: out.append(len(bench.link.answers))}

    bench = Bench(profiles=[lambda _: Hasty()])
    bench.online()
    trigger(bench, MessageTrigger.FIRMWARE_STATUS_NOTIFICATION)
    assert out == [1]


def test_a_message_that_nobody_here_sends_is_not_implemented():
    """CP16-180, CP16-181."""
    bench = Bench()
    bench.online()
    assert trigger(bench, MessageTrigger.DIAGNOSTICS_STATUS_NOTIFICATION) is TriggerMessageStatus.NOT_IMPLEMENTED


def test_a_message_that_no_specification_knows_is_not_implemented():
    """CP16-180."""
    bench = Bench()
    bench.online()
    assert trigger(bench, "Gossip") is TriggerMessageStatus.NOT_IMPLEMENTED


def test_a_profile_brings_its_own_messages_and_decides_about_connectors():
    """CP16-181, CP16-182, CP16-184."""
    made = []
    bench = Bench(profiles=[lambda core: made.append(Firmware(core)) or made[0]])
    bench.online()
    message = MessageTrigger.FIRMWARE_STATUS_NOTIFICATION
    assert trigger(bench, message, 1) is TriggerMessageStatus.ACCEPTED
    assert trigger(bench, message, 7) is TriggerMessageStatus.REJECTED
    assert made[0].done == [1]


def test_a_connector_that_does_not_matter_is_ignored():
    """CP16-182."""
    bench = Bench()
    bench.online()
    assert trigger(bench, MessageTrigger.HEARTBEAT, 99) is TriggerMessageStatus.ACCEPTED


def test_while_pending_it_is_the_way_to_get_messages():
    """CP16-014, CP16-012."""
    bench = Bench()
    bench.connect()
    bench.answer(BootNotificationResponse(current_time=EPOCH, interval=600, status=RegistrationStatus.PENDING))
    assert trigger(bench, MessageTrigger.HEARTBEAT) is TriggerMessageStatus.ACCEPTED
    assert trigger(bench, MessageTrigger.BOOT_NOTIFICATION) is TriggerMessageStatus.ACCEPTED
    assert len(bench.sent(HeartbeatRequest)) == 1
    assert len(bench.sent(BootNotificationRequest)) == 2


@pytest.mark.parametrize("message", [MessageTrigger.HEARTBEAT, MessageTrigger.STATUS_NOTIFICATION])
def test_before_any_word_on_the_boot_notification_nothing_else_is_sent(message):
    """CP16-010."""
    bench = Bench()
    bench.connect()
    assert trigger(bench, message) is TriggerMessageStatus.REJECTED
    assert [type(call.request) for call in bench.unanswered] == [BootNotificationRequest]


def test_the_boot_notification_that_is_asked_for_may_be_on_its_way():
    """CP16-183."""
    bench = Bench()
    bench.connect()
    assert trigger(bench, MessageTrigger.BOOT_NOTIFICATION) is TriggerMessageStatus.ACCEPTED
    assert len(bench.sent(BootNotificationRequest)) == 1


# -- ExtendedTriggerMessage, of the security extension --


def extended(bench, message, connector=None):
    answer = bench.ask(ExtendedTriggerMessageRequest(requested_message=message, connector_id=connector))
    return answer.status if isinstance(answer, ExtendedTriggerMessageResponse) else answer


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (MessageTriggerEnumType.HEARTBEAT, HeartbeatRequest),
        (MessageTriggerEnumType.STATUS_NOTIFICATION, StatusNotificationRequest),
    ],
)
def test_the_extended_request_has_the_messages_of_the_plain_one_sent(message, kind):
    """CP16-253, CP16-180."""
    bench = Bench(profiles=[ExtendedTriggerMessages])
    bench.online()
    before = len(bench.sent(kind))
    assert extended(bench, message) is TriggerMessageStatus.ACCEPTED
    assert len(bench.sent(kind)) > before
    assert trigger(bench, MessageTrigger.HEARTBEAT) is TriggerMessageStatus.ACCEPTED


def test_the_extended_request_knows_nothing_of_what_only_the_plain_one_means():
    """CP16-253: the signed firmware's status is another message."""
    bench = Bench(profiles=[Firmware, ExtendedTriggerMessages])
    bench.online()
    for message in (
        MessageTriggerEnumType.FIRMWARE_STATUS_NOTIFICATION,
        MessageTriggerEnumType.LOG_STATUS_NOTIFICATION,
        MessageTriggerEnumType.SIGN_CHARGE_POINT_CERTIFICATE,
    ):
        assert extended(bench, message) is TriggerMessageStatus.NOT_IMPLEMENTED
    assert trigger(bench, MessageTrigger.FIRMWARE_STATUS_NOTIFICATION) is TriggerMessageStatus.ACCEPTED


def test_before_any_word_on_the_boot_the_extended_request_has_nothing_else_sent():
    """CP16-253, CP16-010."""
    bench = Bench(profiles=[ExtendedTriggerMessages])
    bench.connect()
    assert extended(bench, MessageTriggerEnumType.HEARTBEAT) is TriggerMessageStatus.REJECTED


def test_without_the_extension_its_request_is_not_supported():
    """CP16-002."""
    bench = Bench()
    bench.online()
    assert extended(bench, MessageTriggerEnumType.HEARTBEAT)[0] is ErrorCode.NOT_SUPPORTED

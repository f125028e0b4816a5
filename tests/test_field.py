"""Frames that real charging stations and central systems sent: each is accepted or refused as recorded, none is lost.

``strict`` in the corpus is the recorded outcome: ``accepted``; the code of the CALLERROR or, for an answer to one
of our CALLs, ``invalid: `` and the paths; or ``not OCPP`` for a text that gets no answer.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

from ocpp_sansio import (
    CallFailed,
    CallReceived,
    CallRefused,
    CallSucceeded,
    CentralSystemSession,
    ChargePointSession,
    InvalidResponse,
    numbered_ids,
    v16,
)

LINES = (Path(__file__).parent / "corpus" / "field.jsonl").read_text(encoding="utf-8").splitlines()
FRAMES = [frame for frame in map(json.loads, LINES) if frame["version"] == "1.6"]

# What an answer in the corpus must have been the answer to, by a property that tells. The first that fits.
ASKED = {
    '"configurationKey"': v16.GetConfigurationRequest(),
    '"chargingSchedule"': v16.GetCompositeScheduleRequest(connector_id=0, duration=60),
    '"Scheduled"': v16.ChangeAvailabilityRequest(connector_id=0, type=v16.AvailabilityType.OPERATIVE),
    '"NotSupported"': v16.ChangeConfigurationRequest(key="WebSocketPingInterval", value="60"),
    '"idTagInfo"': v16.AuthorizeRequest(id_tag="TAG"),
    '"currentTime"': v16.BootNotificationRequest(charge_point_model="m", charge_point_vendor="v"),
    "": v16.TriggerMessageRequest(requested_message=v16.MessageTrigger.METER_VALUES),
}
ANSWERED_BY_CENTRAL_SYSTEMS = (v16.AuthorizeRequest, v16.BootNotificationRequest)


def outcome(text: str) -> str:
    """Let the text arrive where it was meant to."""
    if text.startswith(("[3", "[4")):
        asked = next(request for part, request in ASKED.items() if part in text)
        session = ChargePointSession if isinstance(asked, ANSWERED_BY_CENTRAL_SYSTEMS) else CentralSystemSession
        message_id = text.split('"')[1]
        end = session("1.6", message_ids=lambda: message_id)
        end.call(asked, now=0)
        end.data_to_send()
    else:
        to_station = '"SetChargingProfile"' in text
        end = (ChargePointSession if to_station else CentralSystemSession)("1.6", message_ids=numbered_ids("m"))
    end.receive_data(text, now=0)
    [event] = iter(end.next_event, None)
    answers = [json.loads(answer)[2] for answer in end.data_to_send()]
    match event:
        case CallReceived() | CallSucceeded() | CallFailed(error=CallRefused()):
            assert not answers
            return "accepted"
        case CallFailed(error=InvalidResponse(violations=violations)):
            assert not answers
            return "invalid: " + ", ".join(violation.path for violation in violations)
        case _:
            return answers[0] if answers else "not OCPP"


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame["note"][:80])
def test_a_frame_from_the_field_has_its_recorded_outcome(frame):
    """F-60."""
    assert outcome(frame["frame"]) == frame["strict"]


def test_most_frames_from_the_field_are_accepted_as_they_are():
    outcomes = Counter(frame["strict"].split(":")[0] for frame in FRAMES)
    assert outcomes["accepted"] >= 0.8 * len(FRAMES)
    assert outcomes["not OCPP"] <= 2

"""Frames that real charging stations and central systems sent: each is accepted or refused as recorded, none is lost.

In the corpus ``strict`` and ``field`` are the recorded outcomes under the tolerances of these names: ``accepted``; the
code of the CALLERROR or, for an answer to one of our CALLs, ``invalid: `` and the paths; or ``not OCPP`` for a text
that gets no answer. ``deviations`` is what is put up with under FIELD, as path, repair and original. Where nobody could
tell what was meant, ``unrecognisable`` says why.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ocpp_sansio import (
    FIELD,
    STRICT,
    WARN_ONLY,
    CallFailed,
    CallReceived,
    CallRefused,
    CallSucceeded,
    CentralSystemSession,
    ChargePointSession,
    InvalidResponse,
    Repair,
    Tolerance,
    numbered_ids,
    v16,
)

LINES = (Path(__file__).parent / "corpus" / "field.jsonl").read_text(encoding="utf-8").splitlines()
FRAMES = [json.loads(line) for line in LINES]
RECOGNISABLE = [frame for frame in FRAMES if "unrecognisable" not in frame]

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


def outcome(text: str, version: str, tolerance: Tolerance = STRICT) -> tuple[str, list[list[Any]]]:
    """Let the text arrive where it was meant to. What came of it, and what was put up with."""
    if text.startswith(("[3", "[4")):
        asked = next(request for part, request in ASKED.items() if part in text)
        session = ChargePointSession if isinstance(asked, ANSWERED_BY_CENTRAL_SYSTEMS) else CentralSystemSession
        message_id = text.split('"')[1]
        end = session(version, message_ids=lambda: message_id, tolerance=tolerance)
        end.call(asked, now=0)
        end.data_to_send()
    else:
        session = ChargePointSession if '"SetChargingProfile"' in text else CentralSystemSession
        end = session(version, message_ids=numbered_ids("m"), tolerance=tolerance)
    end.receive_data(text, now=0)
    [event] = iter(end.next_event, None)
    answers = [json.loads(answer)[2] for answer in end.data_to_send()]
    match event:
        case CallReceived() | CallSucceeded() | CallFailed(error=CallRefused()):
            assert not answers
            return "accepted", [[each.path, each.repair.value, each.original] for each in event.deviations]
        case CallFailed(error=InvalidResponse(violations=violations)):
            assert not answers
            return "invalid: " + ", ".join(violation.path for violation in violations), []
        case _:
            return answers[0] if answers else "not OCPP", []


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame["note"][:80])
def test_a_frame_from_the_field_has_its_recorded_outcome(frame):
    """F-60."""
    text, version = frame["frame"], frame["version"]
    assert outcome(text, version) == (frame["strict"], [])
    assert outcome(text, version, FIELD) == (frame["field"], frame["deviations"])


def test_most_frames_from_the_field_are_accepted_as_they_are():
    outcomes = Counter(frame["strict"].split(":")[0] for frame in FRAMES)
    assert outcomes["accepted"] >= 0.8 * len(FRAMES)
    assert outcomes["not OCPP"] <= 2


def test_under_field_nearly_all_that_can_be_recognised_is_delivered_and_what_was_wrong_is_told():
    delivered = [frame for frame in RECOGNISABLE if frame["field"] == "accepted"]
    assert len(RECOGNISABLE) >= 98
    assert len(delivered) >= 0.95 * len(RECOGNISABLE)
    for frame in delivered:
        assert bool(frame["deviations"]) == (frame["strict"] != "accepted")
        assert {Repair(repair) for _, repair, _ in frame["deviations"]} <= set(Repair)


def test_what_cannot_be_recognised_is_refused_under_any_tolerance():
    for frame in FRAMES:
        delivered = outcome(frame["frame"], frame["version"], WARN_ONLY)[0] == "accepted"
        assert delivered == ("unrecognisable" not in frame), frame["note"]

"""After any malformed text the same session serves the next good call (blocks D, E).

That the same connection does so as well, over each adapter, is in the contract of the adapters.
"""

import json

import pytest

from ocpp_sansio import CallReceived, CentralSystemSession, ErrorCode, PeerMisbehaved, Version, numbered_ids
from tests.corpus.malformed import MALFORMED_IN


@pytest.mark.parametrize("version", Version, ids=str)
def test_the_corpus_is_large_and_without_repetition(version):
    texts = [row.text for row in MALFORMED_IN[version]]
    assert len(texts) >= 150
    assert len(set(texts)) == len(texts)


@pytest.fixture(scope="module")
def sessions():
    """One for all of a version."""
    return {version: CentralSystemSession(version, message_ids=numbered_ids("m")) for version in Version}


@pytest.mark.parametrize(
    ("version", "row"),
    [
        pytest.param(version, row, id=f"{version}: {row.what}: {row.text[:40]}")
        for version, rows in MALFORMED_IN.items()
        for row in rows
    ],
)
def test_a_malformed_text_is_answered_as_it_should_and_the_next_call_is_served(sessions, version, row):
    session = sessions[version]
    session.receive_data(row.text, now=0)
    events = list(iter(session.next_event, None))
    assert [type(event) for event in events] == [PeerMisbehaved]
    answers = [tuple(json.loads(text)[1:3]) for text in session.data_to_send()]
    assert answers == ([] if row.answer is None else [row.answer])
    assert len(events[0].text) <= session.limits.max_reported_text

    session.receive_data(json.dumps([2, f"good {id(row)}", "Heartbeat", {}]), now=0)
    call = session.next_event()
    assert isinstance(call, CallReceived)
    session.reject(call, ErrorCode.GENERIC_ERROR, now=0)
    assert len(session.data_to_send()) == 1
    assert session.must_close is None

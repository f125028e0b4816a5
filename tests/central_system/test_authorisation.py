"""Who may charge (CS16-030…CS16-032)."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_sansio import ErrorCode, InvalidMessage, v16
from ocpp_sansio.central_system import Anomaly, HookFailed, IdTag, IdTagChecked, LedgerAnomaly
from tests.central_system.world import ACCEPTED, INVALID, World, at, begin, end

Status = v16.AuthorizationStatus
CONCURRENT = v16.IdTagInfo(status=Status.CONCURRENT_TX)


def authorize(world: World, id_tag: str = "tag") -> Any:
    return world.station().ask(v16.AuthorizeRequest(id_tag=id_tag))


def test_cs16_030_an_authorize_is_answered_with_a_status() -> None:
    world = World()
    assert authorize(world) == v16.AuthorizeResponse(id_tag_info=ACCEPTED)
    assert world.told(IdTagChecked) == [IdTagChecked("CP1", "tag", ACCEPTED)]


def test_an_id_tag_that_nobody_knows_is_invalid() -> None:
    assert authorize(World(), "other").id_tag_info == INVALID


def test_cp16_004_case_makes_no_difference() -> None:
    world = World(tags=["TaG"])
    assert authorize(world, "tAg").id_tag_info == ACCEPTED
    assert world.system.authorisation.get("TAG") == IdTag("TaG")
    world.system.authorisation.remove("tag")
    world.system.authorisation.remove("tag")
    assert authorize(world, "TaG").id_tag_info == INVALID


@pytest.mark.parametrize(
    ("now", "status", "told"),
    [
        (99, Status.ACCEPTED, Status.ACCEPTED),
        (100, Status.ACCEPTED, Status.EXPIRED),
        (100, Status.BLOCKED, Status.BLOCKED),
    ],
)
def test_an_entry_expires_and_says_which_group_it_is_of(now: float, status: Status, told: Status) -> None:
    world = World()
    world.system.authorisation.add(IdTag("tag", status, at(100), "group"))
    world.now = now
    assert authorize(world).id_tag_info == v16.IdTagInfo(status=told, expiry_date=at(100), parent_id_tag="group")


def test_the_hook_is_asked_first_and_the_table_when_it_does_not_know() -> None:
    asked = []

    def authorise(identity: str, id_tag: str, utc: Any) -> v16.IdTagInfo | None:
        asked.append((identity, id_tag, utc))
        return v16.IdTagInfo(status=Status.BLOCKED) if id_tag == "tag" else None

    world = World(authorise=authorise, tags=["tag", "table"])
    world.now = 3
    assert authorize(world).id_tag_info.status is Status.BLOCKED
    assert authorize(world, "table").id_tag_info == ACCEPTED
    assert asked == [("CP1", "tag", at(3)), ("CP1", "table", at(3))]


def test_what_the_hook_knows_expires_as_well() -> None:
    world = World(authorise=lambda *_: v16.IdTagInfo(status=Status.ACCEPTED, expiry_date=at(0)))
    assert authorize(world).id_tag_info.status is Status.EXPIRED


def test_cs16_032_concurrent_tx_is_said_about_starts_only() -> None:
    world = World(authorise=lambda *_: CONCURRENT)
    station = world.station()
    assert station.ask(v16.AuthorizeRequest(id_tag="tag")).id_tag_info == ACCEPTED
    started = station.ask(begin())
    assert started.id_tag_info == CONCURRENT
    assert station.ask(end(started.transaction_id, id_tag="tag")).id_tag_info == ACCEPTED


HOOKS: list[Any] = [
    RuntimeError("down"),
    "Accepted",
    v16.AuthorizeResponse(id_tag_info=ACCEPTED),
    v16.IdTagInfo(status=Status.ACCEPTED, parent_id_tag="x" * 21),
    v16.IdTagInfo(status=Status.ACCEPTED, expiry_date=at(0).replace(tzinfo=None)),
]


@pytest.mark.parametrize("outcome", HOOKS)
def test_cs16_041_transactions_are_answered_whatever_the_hook_does(outcome: Any) -> None:
    def authorise(*_: object) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    world = World(authorise=authorise)
    station = world.station()
    started = station.ask(begin())
    assert started.id_tag_info == INVALID
    # CP16-047: what would be said here would be kept in the cache of the station, and it is not known.
    assert station.ask(end(started.transaction_id, id_tag="tag")) == v16.StopTransactionResponse()
    assert station.ask(v16.AuthorizeRequest(id_tag="tag")).code is ErrorCode.INTERNAL_ERROR
    assert [(each.identity, each.hook) for each in world.told(HookFailed)] == [("CP1", "authorise")] * 3


@pytest.mark.parametrize("id_tag", ["tag\0", "tag\0x", "\x1btag", "tag\n", "\u202etag", "tag\u200b"])
def test_f_67_rpc_108_an_id_tag_that_cannot_be_printed_is_nobody_s(id_tag: str) -> None:
    asked: list[Any] = []

    def authorise(*arguments: object) -> v16.IdTagInfo:
        asked.append(arguments)
        return ACCEPTED

    world = World(authorise=authorise)
    station = world.station()
    assert station.ask(v16.AuthorizeRequest(id_tag=id_tag)).id_tag_info == INVALID
    assert world.told(IdTagChecked) == [IdTagChecked("CP1", id_tag, INVALID)]
    started = station.ask(begin(id_tag=id_tag))  # what was charged is kept all the same (CS16-041)
    assert started.id_tag_info == INVALID
    entry = world.system.ledger.transaction(started.transaction_id)
    assert entry is not None
    assert entry.id_tag == id_tag
    assert [(each.kind, each.transaction) for each in world.told(LedgerAnomaly)] == [
        (Anomaly.UNPRINTABLE_ID_TAG, entry)
    ]
    assert station.ask(end(started.transaction_id, id_tag=id_tag)).id_tag_info == INVALID
    assert asked == []
    with pytest.raises(ValueError, match="nobody"):
        IdTag(id_tag)


def test_an_id_tag_may_be_of_any_letters_and_have_blanks() -> None:
    world = World(tags=["Äß 7", "カード"])
    for id_tag in ("äß 7", "カード"):
        assert authorize(world, id_tag).id_tag_info == ACCEPTED
    world.station().ask(begin(id_tag="カード"))
    assert world.told(LedgerAnomaly) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"id_tag": "x" * 21},
        {"id_tag": "x", "parent_id_tag": "x" * 21},
        {"id_tag": "x", "expiry_date": at(0).replace(tzinfo=None)},
    ],
)
def test_an_entry_has_to_fit_the_messages(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage):
        IdTag(**wrong)

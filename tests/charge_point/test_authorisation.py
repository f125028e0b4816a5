"""Who may charge: the cache, the order of decisions, and what is asked of the central system."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from ocpp_sansio import CallRefused, CallTimedOut
from ocpp_sansio.charge_point import Block, Setup
from ocpp_sansio.charge_point.authorisation import Authorisation
from ocpp_sansio.charge_point.backbone import IdTagLearnt
from ocpp_sansio.charge_point.effects import RecordQuarantined
from ocpp_sansio.store import Put
from ocpp_sansio.v16 import (
    AuthorizationStatus,
    AuthorizeRequest,
    AuthorizeResponse,
    BootNotificationRequest,
    ClearCacheRequest,
    ClearCacheStatus,
    IdTagInfo,
)
from tests.charge_point.harness import BOOT, EPOCH, Bench

Status = AuthorizationStatus
DAY = timedelta(days=1)

GOOD = IdTagInfo(status=Status.ACCEPTED)
GROUP = IdTagInfo(status=Status.ACCEPTED, parent_id_tag="GROUP")
BLOCKED = IdTagInfo(status=Status.BLOCKED)
INVALID = IdTagInfo(status=Status.INVALID)
CONCURRENT = IdTagInfo(status=Status.CONCURRENT_TX)
LAPSED = IdTagInfo(status=Status.ACCEPTED, expiry_date=EPOCH - DAY)
LASTING = IdTagInfo(status=Status.ACCEPTED, expiry_date=EPOCH + DAY)


class Gate(Bench):
    """A charge point where idTags are presented, perhaps with a local list. ``verdicts`` are the statuses given."""

    def __init__(self, setup=None, *, listed=None, **options):
        self.listed = dict(listed or {})
        self.verdicts = []
        self.learnt = []

        def make(core):
            self.core = core
            core.lists.append(lambda id_tag: self.listed.get(id_tag.upper()))
            return _Ear(self.learnt)

        super().__init__(setup, profiles=[make], **options)
        self.authorisation = next(block for block in self.point._blocks if isinstance(block, Authorisation))

    def set(self, **keys):
        for name, value in keys.items():
            self.do("configure", name, str(value).lower())

    def present(self, id_tag="TAG"):
        self.core.machine.advance(self.now)
        self.authorisation.authorise(id_tag, lambda info: self.verdicts.append(info.status))
        self.drain()
        return self.verdicts[-1] if self.verdicts else None

    def learn(self, id_tag, info):
        """As if it came with a StartTransaction.conf, or a StopTransaction.conf."""
        self.core.publish(IdTagLearnt(id_tag, info))
        self.drain()

    def cached(self):
        return [record.key for record in self.store.load() if record.topic == "cache"]


class _Ear(Block):
    profile = "LocalAuthListManagement"

    def __init__(self, learnt):
        self.learnt = learnt

    def hears(self):
        return {IdTagLearnt: self.learnt.append}


def online(*args, **options):
    gate = Gate(*args, **options)
    gate.online()
    return gate


def refused():
    return CallRefused("InternalError")


def timed_out():
    return CallTimedOut(30.0)


# -- the order of decisions, as a product --

KNOWN = {"none": None, "accepted": GOOD, "blocked": BLOCKED, "lapsed": LAPSED, "concurrent": CONCURRENT}
FLAGS = ["LocalPreAuthorize", "LocalAuthorizeOffline", "AllowOfflineTxForUnknownId", "AuthorizationCacheEnabled"]
VALID_IN_LIST = {"accepted", "concurrent"}  # CP16-04C
VALID_IN_CACHE = {"accepted"}  # CP16-04B


def oracle(is_online, listed, cached, keys):
    """What CP16-041…04E say, told the other way round: from what is known to what may be done."""
    pre, offline, unknown, has_cache = keys
    if listed != "none":  # CP16-046: the list decides, not the cache
        valid, invalid = listed in VALID_IN_LIST, listed not in VALID_IN_LIST
    elif cached != "none" and has_cache:
        valid, invalid = cached in VALID_IN_CACHE, cached not in VALID_IN_CACHE
    else:
        valid = invalid = False
    if is_online:
        return "accepted" if valid and pre else "asks"  # CP16-041, CP16-043, CP16-049
    if invalid:
        return "refused"  # CP16-045, second sentence; CP16-04E
    if valid and offline:
        return "accepted"  # CP16-044
    return "accepted" if unknown else "refused"  # CP16-045


@pytest.mark.parametrize(
    "flags", list(product([False, True], repeat=4)), ids=lambda flags: "".join("01"[f] for f in flags)
)
@pytest.mark.parametrize("is_online", [True, False], ids=["online", "offline"])
def test_the_order_of_decisions(is_online, flags):
    """CP16-041, CP16-043…046, CP16-049, CP16-04B, CP16-04C, CP16-04E, CFG16-01, CFG16-02, CFG16-12, CFG16-13."""
    for listed, cached in product(KNOWN, KNOWN):
        gate = Gate()
        if KNOWN[cached] is not None:
            gate.learn("TAG", KNOWN[cached])
        if KNOWN[listed] is not None:
            gate.listed["TAG"] = KNOWN[listed]
        gate.set(**dict(zip(FLAGS, flags, strict=True)))
        if is_online:
            gate.online()
        status = gate.present()
        outcome = "asks" if gate.sent(AuthorizeRequest) else "accepted" if status is Status.ACCEPTED else "refused"
        assert outcome == oracle(is_online, listed, cached, flags), (listed, cached)
        assert (status is None) == (outcome == "asks")


# -- with the central system --


@pytest.mark.parametrize("status", list(Status))
def test_the_answer_of_the_central_system_counts(status):
    """CP16-040, CP16-041, CP16-04B: whatever is known here."""
    gate = online()
    gate.learn("TAG", INVALID)
    assert gate.present() is None
    assert gate.sent(AuthorizeRequest) == [AuthorizeRequest(id_tag="TAG")]
    gate.answer(AuthorizeResponse(id_tag_info=IdTagInfo(status=status)))
    assert gate.verdicts == [status]


def test_presentations_of_one_id_tag_share_an_authorize():
    """CP16-041, CP16-004."""
    gate = online()
    gate.present("TAG")
    gate.present("tag")
    gate.present("OTHER")
    assert [request.id_tag for request in gate.sent(AuthorizeRequest)] == ["TAG", "OTHER"]
    gate.answer(AuthorizeResponse(id_tag_info=GOOD))
    assert gate.verdicts == [Status.ACCEPTED, Status.ACCEPTED]
    gate.answer(AuthorizeResponse(id_tag_info=BLOCKED))
    assert gate.verdicts[2:] == [Status.BLOCKED]
    gate.present("TAG")
    assert len(gate.sent(AuthorizeRequest)) == 3


@pytest.mark.parametrize("failure", [refused, timed_out], ids=["refused", "timed out"])
@pytest.mark.parametrize("known", [GOOD, BLOCKED, None], ids=["good", "blocked", "unknown"])
def test_an_authorize_without_an_answer_leaves_it_to_what_is_known(failure, known):
    """CP16-044, CP16-04E: as offline."""
    gate = online()
    if known is not None:
        gate.learn("TAG", known)
    assert gate.present() is None
    kept = gate.cached()
    gate.answer(failure())
    assert gate.verdicts == [Status.INVALID if known is None else known.status]
    assert gate.cached() == kept


def test_an_authorize_that_the_link_lost_leaves_it_to_what_is_known():
    """CP16-045, RPC-131."""
    gate = online()
    gate.set(AllowOfflineTxForUnknownId=True)
    gate.present()
    gate.disconnect()
    assert gate.verdicts == [Status.ACCEPTED]


def test_nobody_is_asked_before_the_charge_point_is_accepted():
    """CP16-010, CP16-016."""
    gate = Gate()
    gate.connect()
    assert gate.present() is Status.INVALID
    assert [type(call.request) for call in gate.link.sent] == [BootNotificationRequest]


def test_what_an_authorize_says_is_told_to_all():
    """CP16-047."""
    gate = online()
    gate.present("Tag")
    gate.answer(AuthorizeResponse(id_tag_info=GROUP))
    assert gate.learnt == [IdTagLearnt("Tag", GROUP)]
    assert gate.cached() == ["tag"]


def test_a_list_is_told_when_the_central_system_contradicts_it():
    """CP16-04D: who keeps the list reports the conflict."""
    gate = online(listed={"TAG": GOOD})
    gate.present()
    gate.answer(AuthorizeResponse(id_tag_info=BLOCKED))
    assert gate.verdicts == [Status.BLOCKED]
    assert gate.learnt == [IdTagLearnt("TAG", BLOCKED)]


# -- groups --


def test_the_group_of_an_id_tag_is_what_list_or_cache_say():
    """CP16-005, CP16-046: the list first; also of those not valid."""
    gate = Gate(listed={"LISTED": IdTagInfo(status=Status.BLOCKED, parent_id_tag="FLEET")})
    gate.learn("TAG", GROUP)
    parent_of = gate.authorisation.parent_of
    assert (parent_of("tag"), parent_of("Listed"), parent_of("OTHER")) == ("GROUP", "FLEET", None)
    gate.set(AuthorizationCacheEnabled=False)
    assert parent_of("TAG") is None


# -- the local list --


def test_a_listed_id_tag_is_never_cached():
    """CP16-046, CP16-047."""
    gate = Gate(listed={"TAG": GOOD})
    gate.learn("tag", BLOCKED)
    gate.learn("OTHER", GOOD)
    assert gate.cached() == ["other"]
    gate.listed.clear()
    assert gate.present() is Status.INVALID


def test_the_first_list_that_knows_an_id_tag_decides():
    """CP16-046."""
    gate = Gate(listed={"TAG": BLOCKED})
    gate.core.lists.append(lambda _: GOOD)
    assert gate.present("TAG") is Status.BLOCKED
    assert gate.present("OTHER") is Status.ACCEPTED


# -- the cache --


def test_the_cache_learns_from_whoever_hears_of_an_id_tag():
    """CP16-047: valid or not; the last word counts; case does not (CP16-004)."""
    gate = Gate()
    gate.learn("TAG", GOOD)
    assert gate.present("tAg") is Status.ACCEPTED
    gate.learn("tag", BLOCKED)
    assert gate.present("TAG") is Status.BLOCKED
    assert gate.cached() == ["tag"]


def test_the_cache_outlives_the_boot():
    """CP16-048, CP16-092."""
    gate = Gate()
    gate.learn("TAG", GROUP)
    after = Gate(records=gate.store.load())
    assert after.present("TAG") is Status.ACCEPTED
    assert after.authorisation.parent_of("TAG") == "GROUP"


def test_an_entry_expires_by_the_clock():
    """CP16-048, CP16-04B."""
    gate = Gate()
    gate.learn("TAG", LASTING)
    gate.wait(DAY.total_seconds() - 1)
    assert gate.present() is Status.ACCEPTED
    gate.wait(1)
    assert gate.present() is Status.EXPIRED


def test_a_date_makes_no_other_status_of_one_that_is_not_valid():
    """CP16-048."""
    gate = Gate()
    gate.learn("TAG", IdTagInfo(status=Status.BLOCKED, expiry_date=EPOCH - DAY))
    assert gate.present() is Status.BLOCKED


def test_a_full_cache_forgets_the_oldest():
    """CP16-048: oldest is whom the central system has not spoken of for longest."""
    gate = Gate(Setup(BOOT, cache_size=3))
    for id_tag in ("a", "b", "c", "a", "d"):
        gate.learn(id_tag, GOOD)
    assert sorted(gate.cached()) == ["a", "c", "d"]
    after = Gate(gate.setup, records=gate.store.load())
    after.learn("e", GOOD)
    assert sorted(after.cached()) == ["a", "d", "e"]
    after.learn("f", GOOD)
    assert sorted(after.cached()) == ["d", "e", "f"]


@pytest.mark.parametrize(
    "info", [BLOCKED, INVALID, CONCURRENT, LAPSED], ids=["blocked", "invalid", "concurrent", "lapsed"]
)
def test_a_full_cache_forgets_first_whom_it_would_refuse(info):
    """CP16-048, CP16-04B."""
    gate = Gate(Setup(BOOT, cache_size=3))
    for id_tag, said in (("a", GOOD), ("b", info), ("c", GOOD), ("d", GOOD)):
        gate.learn(id_tag, said)
    assert sorted(gate.cached()) == ["a", "c", "d"]


def test_a_full_cache_forgets_nobody_for_one_it_knows():
    gate = Gate(Setup(BOOT, cache_size=2))
    for id_tag in ("a", "b", "B"):
        gate.learn(id_tag, GOOD)
    assert sorted(gate.cached()) == ["a", "b"]


def test_a_cache_that_has_become_smaller_keeps_the_best():
    """CP16-048."""
    gate = Gate()
    for id_tag, said in (("a", GOOD), ("b", GOOD), ("c", BLOCKED)):
        gate.learn(id_tag, said)
    assert Gate(Setup(BOOT, cache_size=1), records=gate.store.load()).cached() == ["b"]


def test_a_cache_that_is_switched_off_neither_answers_nor_learns():
    """CFG16-02, CP16-047."""
    gate = Gate()
    gate.learn("TAG", GOOD)
    gate.set(AuthorizationCacheEnabled=False)
    gate.learn("OTHER", GOOD)
    assert (gate.present("TAG"), gate.present("OTHER")) == (Status.INVALID, Status.INVALID)
    assert gate.cached() == ["tag"]


def test_an_entry_that_cannot_be_read_costs_no_other():
    """D-21."""
    gate = Gate()
    gate.learn("TAG", GOOD)
    after = Gate(records=[Put("cache", "bad", b"?"), *gate.store.load()])
    assert [effect.key for effect in after.seen(RecordQuarantined)] == ["bad"]
    assert after.present("TAG") is Status.ACCEPTED


def test_what_the_session_has_put_up_with_outlives_the_boot():
    """What was refused because nobody knows its status must not be let in as unknown (CP16-045, F-110)."""
    gate = Gate()
    gate.learn("TAG", IdTagInfo(status="Suspended"))
    gate.learn("LONG", IdTagInfo(status=Status.ACCEPTED, parent_id_tag="G" * 30))
    gate.set(AllowOfflineTxForUnknownId=True)
    assert gate.present("TAG") == "Suspended"
    after = Gate(records=gate.store.load())
    assert after.seen(RecordQuarantined) == []
    assert after.present("TAG") == "Suspended"
    assert after.present("OTHER") is Status.ACCEPTED
    assert after.authorisation.parent_of("LONG") == "G" * 30


def test_an_entry_with_a_value_that_is_none_of_its_type_cannot_be_read():
    """D-21."""
    after = Gate(records=[Put("cache", "tag", b'{"number":1,"info":{"status":"Accepted","expiryDate":"soon"}}')])
    assert [effect.key for effect in after.seen(RecordQuarantined)] == ["tag"]


# -- ClearCache --


def test_a_cleared_cache_is_empty_for_good():
    """CP16-04A."""
    gate = online()
    gate.learn("TAG", GOOD)
    assert gate.ask(ClearCacheRequest()).status is ClearCacheStatus.ACCEPTED
    assert gate.cached() == []
    gate.disconnect()
    assert gate.present() is Status.INVALID


def test_a_cache_that_is_switched_off_can_be_cleared():
    """CP16-04A."""
    gate = online()
    gate.learn("TAG", GOOD)
    gate.set(AuthorizationCacheEnabled=False)
    assert gate.ask(ClearCacheRequest()).status is ClearCacheStatus.ACCEPTED
    assert gate.cached() == []


def test_where_there_is_no_cache_there_is_none_to_clear():
    """CP16-04A, CP16-116."""
    gate = online(Setup(BOOT, cache_size=0))
    gate.learn("TAG", GOOD)
    assert gate.ask(ClearCacheRequest()).status is ClearCacheStatus.REJECTED
    assert gate.cached() == []

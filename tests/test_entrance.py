"""The way of a request from its arrival to its verdict, in virtual time."""

from __future__ import annotations

import tracemalloc
from http import HTTPStatus
from typing import Any

import attrs
import pytest

from ocpp_sansio import (
    ConnectionRequested,
    Credentials,
    Incident,
    Limits,
    Refusal,
    SecurityIncident,
    Takeover,
    Version,
    entrance,
)
from ocpp_sansio.entrance import Admitted, Contested, Entrance, Entry, Verdict
from ocpp_sansio.facts import CertificateFacts

FAILED, LIMITED, TAKEOVER, TAKEOVER_LIMITED = Incident
PASSWORD = Credentials(b"CP1", b"password")


@attrs.frozen(eq=False)
class Station:
    identity: str
    version: Version = Version.V16


def request(
    identity: str = "CP1", source: str = "192.0.2.1", version: Version | None = Version.V16, **options: Any
) -> ConnectionRequested:
    options = {"credentials": PASSWORD} | options
    return ConnectionRequested(identity, f"/{identity}", (), version, headers={}, source=source, **options)


class Door:
    """An entrance, and what has been reported there."""

    def __init__(self, takeover: Takeover = Takeover.NEWEST_WINS, *, is_authenticating: bool = True, **limits: Any):
        self.entrance = Entrance(Limits(**limits), takeover)
        self.is_authenticating = is_authenticating
        self.reported: list[SecurityIncident] = []

    def entry(self, *args: Any, **options: Any) -> Entry:
        return Entry(self.entrance, request(*args, **options), is_authenticating=self.is_authenticating)

    def attempt(self, *args: Any, decision: object = True, now: float = 0.0, **options: Any) -> Verdict:
        """A request, from its beginning to its end."""
        entry = self.entry(*args, **options)
        verdict: Verdict = entry.screen(now=now) or entry.judge(decision, now=now)
        self.reported += entry.incidents
        if isinstance(verdict, Admitted):
            self.entrance.registry.enter(Station(args[0] if args else "CP1", options.get("version", Version.V16)))
        return verdict

    def status(self, *args: Any, **options: Any) -> int:
        verdict = self.attempt(*args, **options)
        return verdict.status if isinstance(verdict, Refusal) else 101

    @property
    def kinds(self) -> list[Incident]:
        return [each.kind for each in self.reported]

    def __len__(self) -> int:
        door = self.entrance
        throttles = (door.identities, door.sources, door.undecided, door.proven, door.takeovers)
        return sum(map(len, throttles)) + len(door._known)


def retry_after(verdict: Verdict) -> int:
    assert isinstance(verdict, Refusal)
    assert verdict.status == HTTPStatus.TOO_MANY_REQUESTS
    ((name, value),) = verdict.headers
    assert name == "Retry-After"
    return int(value)


# -- decisions --


@pytest.mark.parametrize(
    ("decision", "status"),
    [
        (True, None),
        (False, 401),
        (HTTPStatus.NOT_FOUND, 404),
        (HTTPStatus.OK, 500),
        (1, 500),
        (None, 500),
        (RuntimeError(), 500),
        (Refusal(503), 503),
    ],
)
def test_only_true_admits(decision: object, status: int | None):
    """RPC-015, RPC-016: an application that errs lets nobody in."""
    verdict = Door().attempt(decision=decision)
    assert verdict == (Admitted() if status is None else Refusal(status))


def test_a_refusal_may_say_more_than_a_status():
    verdict = Door().attempt(decision=Refusal(429, [("Retry-After", "7")]))
    assert retry_after(verdict) == 7
    for wrong in ((200, ()), (401, [("Bad name", "")]), (401, [("Name", "a\r\nb")]), (799, ())):
        with pytest.raises(ValueError, match=r"refuse|fit|799"):
            Refusal(*wrong)


def test_without_a_hook_nothing_is_counted_and_nothing_remembered():
    door = Door(is_authenticating=False, max_failures_per_identity=1)
    assert [door.status(f"CP{number}") for number in range(50)] == [101] * 50
    assert door.status("CP0", version=None) == 101
    assert (len(door), door.reported) == (0, [])


# -- unlimited attempts --


def test_attempts_that_fail_are_limited_per_station_and_wait_longer_each_time_f_29():
    door = Door(max_failures_per_identity=3, failure_interval=5, max_failure_interval=30)
    sources = (f"192.0.2.{number}" for number in range(100))
    now, waits = 0.0, []
    for _ in range(6):
        while (verdict := door.attempt("CP1", next(sources), decision=False, now=now)) == Refusal(401):
            pass
        waits.append(retry_after(verdict))
        now += waits[-1]
    assert waits == [10, 20, 30, 30, 30, 30]
    assert door.kinds[:4] == [FAILED, FAILED, FAILED, LIMITED]
    assert door.reported[0] == SecurityIncident(FAILED, "CP1", "192.0.2.0")
    assert door.status("CP2", "192.0.2.100") == 101, "another station has nothing to do with it"


def test_attempts_that_fail_are_limited_per_address_f_29():
    door = Door(max_failures_per_source=3)
    assert [door.status(f"CP{n}", decision=HTTPStatus.NOT_FOUND) for n in range(5)] == [404, 404, 404, 429, 429]
    assert door.status("CP9", "192.0.2.2") == 101
    assert len(door.entrance.identities) == 3, "who is held up at the one table takes no place in the other"


def test_an_attempt_that_one_table_refuses_costs_nothing_in_the_other_f_29():
    door = Door(max_failures_per_identity=1, max_failures_per_source=2)
    statuses = [door.status("CP1", decision=False) for _ in range(5)]
    assert statuses == [401, 429, 429, 429, 429]
    assert door.status("CP2") == 101


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_is_not_the_client_s_fault_is_not_counted_f_29(status: int):
    door = Door(max_failures_per_identity=1, max_failures_per_source=1)
    assert [door.status(decision=HTTPStatus(status)) for _ in range(5)] == [status] * 5
    assert [door.status(decision=RuntimeError()) for _ in range(5)] == [500] * 5
    assert (len(door), door.reported) == (0, [])


def test_attempts_at_the_same_time_are_all_counted_f_29():
    door = Door(max_failures_per_identity=3)
    entries = [door.entry() for _ in range(10)]
    screened = [entry.screen(now=0) for entry in entries]
    assert [each is None for each in screened] == [True] * 3 + [False] * 7
    for entry in entries[:3]:
        assert entry.judge(False, now=0) == Refusal(401)
    assert [each.kind for entry in entries for each in entry.incidents] == [FAILED, FAILED, FAILED, LIMITED]


def test_all_stations_behind_one_address_may_come_at_once_f_29():
    """After a power cut, or a start of the central system, whose hook takes its time; one has the wrong password."""
    door = Door(max_failures_per_source=3)
    for wave in range(3):
        entries = [door.entry(f"CP{wave}-{number}") for number in range(500)]
        assert [entry.screen(now=0) for entry in entries] == [None] * 500
        decisions = [number != wave for number in range(500)]
        verdicts = [entry.judge(decision, now=0) for entry, decision in zip(entries, decisions, strict=True)]
        assert verdicts == [Admitted() if decision else Refusal(401) for decision in decisions]
    assert retry_after(door.attempt("CP")) == 10


def test_who_makes_many_attempts_at_once_waits_for_longer_than_who_fails_one_by_one_f_29():
    """It is found out once: after that, each attempt counts from its beginning until all is forgiven."""
    door = Door(max_failures_per_source=3, failure_interval=5, max_failure_interval=300)

    def at_once(wave: str, now: float) -> tuple[int, int]:
        entries = [door.entry(f"{wave}-{number}") for number in range(100)]
        screened = [entry.screen(now=now) for entry in entries]
        heard = [entry for entry, refusal in zip(entries, screened, strict=True) if refusal is None]
        assert [entry.judge(False, now=now) for entry in heard] == [Refusal(401)] * len(heard)
        door.reported += [each for entry in heard for each in entry.incidents]
        return len(heard), max([retry_after(refusal) for refusal in screened if refusal], default=0)

    assert at_once("first", 0) == (100, 0)
    assert door.kinds == [FAILED] * 3 + [LIMITED] + [FAILED] * 97
    assert at_once("second", 299) == (0, 1)
    assert at_once("third", 300) == (1, 300)
    assert at_once("fourth", 599) == (0, 1)
    assert at_once("fifth", 1199) == (2, 2)
    assert at_once("all is forgiven", 1199 + 900) == (100, 0)


def test_where_too_many_have_failed_who_is_let_in_makes_nobody_wait_longer_f_29():
    door = Door(max_failures_per_source=2, failure_interval=5)
    assert [door.status("CP0", decision=False) for _ in range(2)] == [401, 401]
    for wave in range(10):
        entries = [door.entry(f"CP{wave}-{number}") for number in range(2)]
        assert entries[0].screen(now=10) is None
        refusal = entries[1].screen(now=10)
        assert refusal is not None
        assert retry_after(refusal) == 20
        assert entries[0].judge(True, now=10) == Admitted()


def test_how_many_attempts_of_one_address_are_undecided_is_bounded_and_forgotten_in_time_f_29():
    door = Door(max_undecided_per_source=2)
    entries = [door.entry(f"CP{number}") for number in range(3)]
    assert [entry.screen(now=0) is None for entry in entries] == [True, True, False]
    assert door.status("CP9", "192.0.2.2") == 101, "another address has nothing to do with it"
    assert retry_after(door.attempt("CP8")) == entrance.UNDECIDED_FOR / 2
    assert entries[0].judge(False, now=0) == Refusal(401)
    assert [door.status("CP7", now=0) for _ in range(3)] == [101] * 3
    assert entries[1].judge(True, now=0) == Admitted()
    assert len(door.entrance.undecided) == 0
    stuck = [door.entry(f"{number}") for number in range(2)]
    assert [entry.screen(now=0) for entry in stuck] == [None, None]
    assert door.status("CP6", now=1) == 429
    assert door.status("CP6", now=entrance.UNDECIDED_FOR) == 101


def test_a_station_is_not_locked_out_by_what_others_try_in_its_name_f_29():
    door = Door(max_failures_per_identity=3, max_failures_per_source=3)
    assert door.status("CP1", "192.0.2.1") == 101
    for number in range(50):
        door.attempt("CP1", f"198.51.100.{number}", decision=False)  # in its name, from elsewhere
        door.attempt(f"CP{number + 2}", "192.0.2.1", decision=False)  # in other names, from where it is
    assert door.status("CP1", "198.51.100.200") == door.status("CP99", "192.0.2.1") == 429
    door.entrance.registry.leave(door.entrance.registry.stations["CP1"])
    assert door.status("CP1", "192.0.2.1") == 101
    # Whoever is where the station is has no more attempts than anybody else.
    statuses = [door.status("CP1", "192.0.2.1", decision=False) for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]


def test_where_a_station_is_changes_with_it_and_only_when_it_proves_who_it_is_f_29():
    door = Door(max_failures_per_identity=1)
    door.attempt("CP1", "192.0.2.1")
    door.attempt("CP1", "198.51.100.1", decision=False)
    assert not door.entrance.is_known("cp1", "198.51.100.1")
    assert door.status("CP1", "192.0.2.1") == 101
    assert door.status("CP1", "198.51.100.2") == 429
    door.attempt("CP1", "198.51.100.2", now=1000)
    assert door.entrance.is_known("cp1", "198.51.100.2")
    assert not door.entrance.is_known("cp1", "192.0.2.1")


def test_there_are_no_more_attempts_than_one_station_has_by_spelling_it_otherwise_f_29():
    door = Door(max_failures_per_identity=2)
    spellings = ("station", "Station", "STATION", "sTaTiOn")
    assert [door.status(each, decision=False, version=Version.V201) for each in spellings] == [401, 401, 429, 429]


def test_the_addresses_of_one_network_are_one_source_f_29():
    door = Door(max_failures_per_source=1)
    for known, same, other in (
        ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ("::ffff:203.0.113.1", "203.0.113.1", "::ffff:203.0.113.2"),
        ("not: an address", "not: an address", "not: another address"),
        ("/run/socket", "/run/socket", "/run/other"),
    ):
        sources = (known, same, other)
        statuses = [door.status(f"CP {source}", source, decision=False) for source in sources]
        assert statuses == [401, 429, 401], sources


def test_an_address_that_nobody_knows_is_nobody_s_f_29():
    door = Door(max_failures_per_source=1)
    assert [door.status(f"CP{number}", "", decision=False) for number in range(5)] == [401] * 5
    door.attempt("CP1", "")
    assert not door.entrance.is_known("cp1", "")


def test_limits_can_be_switched_off():
    door = Door(max_failures_per_identity=None, max_failures_per_source=None, max_takeovers=None)
    assert {door.status(decision=False) for _ in range(1000)} == {401}
    assert {door.status() for _ in range(1000)} == {101}
    assert LIMITED not in door.kinds
    assert TAKEOVER_LIMITED not in door.kinds


def test_memory_is_flat_whoever_tries_whatever_f_29_f_129(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(entrance, "MAX_PROVEN", 500)
    door = Door(max_throttled=500)

    def attack(count: int) -> None:
        for number in range(count):
            spread = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"
            door.entrance.registry.__init__()  # type: ignore[misc]  # nobody stays
            door.attempt(f"CP{number}", spread, decision=number % 5 == 0, now=number * 1e-3)
            door.reported.clear()

    attack(2_000)
    tracemalloc.start()
    try:
        attack(2_000)
        before, _ = tracemalloc.get_traced_memory()
        attack(6_000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(door) <= 5 * 500
    assert after - before < 2**18


# -- identity takeover --


def test_the_newest_connection_wins_once_it_is_authenticated_f_33():
    door = Door()
    assert door.status() == 101
    assert door.status(decision=False) == 401
    assert (door.kinds, len(door.entrance.registry.stations)) == ([FAILED], 1)
    assert door.status() == 101
    assert door.reported[1:] == [SecurityIncident(TAKEOVER, "CP1", "192.0.2.1")]


def test_a_duel_is_limited_f_36():
    door = Door(max_takeovers=3, takeover_interval=10)
    statuses = [door.status(now=number * 0.01) for number in range(1000)]
    assert statuses == [101] * 4 + [429] * 996
    assert door.kinds == [TAKEOVER] * 3 + [TAKEOVER_LIMITED]
    assert retry_after(door.attempt(now=9.99)) == 1
    assert [door.status(now=1000) for _ in range(4)] == [101, 101, 101, 429]
    assert len(door.entrance.takeovers) == 1


def test_a_station_whose_connection_has_ended_takes_nobody_s_place_f_36():
    door = Door(max_takeovers=1)
    for _ in range(20):
        assert door.status() == 101
        door.entrance.registry.leave(door.entrance.registry.stations["CP1"])
    assert door.reported == []


@pytest.mark.parametrize("takeover", Takeover)
def test_a_client_that_has_left_takes_nobody_s_place_and_is_judged_all_the_same_f_29_f_36(takeover: Takeover):
    door = Door(takeover, max_takeovers=1, max_failures_per_identity=1)
    door.attempt("CP1")
    for _ in range(3):
        entry = door.entry("CP1")
        assert entry.screen(now=0) is None
        assert entry.judge(True, has_left=True, now=0) == Admitted()
        assert entry.incidents == []
    assert len(door.entrance.takeovers) == 0
    assert len(door.entrance.proven) == 0, "it had the right password"
    entry = door.entry("CP1")
    entry.screen(now=0)
    assert entry.judge(False, has_left=True, now=0) == Refusal(401)
    assert door.status("CP1") == 429


def test_a_request_that_cannot_be_opened_takes_nobody_s_place():
    """RPC-012."""
    door = Door(Takeover.REFUSE_NEW)
    door.attempt()
    assert door.entry(version=None).judge(True, now=0) == Admitted()


def test_the_new_connection_can_be_refused_f_33():
    door = Door(Takeover.REFUSE_NEW)
    assert [door.status() for _ in range(3)] == [101, 409, 409]
    assert door.status("CP2") == 101
    door.entrance.registry.leave(door.entrance.registry.stations["CP1"])
    assert door.status() == 101


@pytest.mark.parametrize("is_alive", [False, True])
def test_the_old_connection_can_be_probed_f_33_f_34(is_alive: bool):
    door = Door(Takeover.PROBE)
    assert door.status() == 101
    (old,) = door.entrance.registry.stations.values()
    entry = door.entry()
    assert entry.screen(now=0) is None
    assert entry.judge(True, now=0) == Contested((old,))
    if is_alive:
        assert entry.probed(is_alive=True, now=1) == Refusal(409)
    else:
        door.entrance.registry.leave(old)
        assert entry.probed(is_alive=False, now=5) == Admitted()
    assert entry.incidents == []


def test_who_else_has_come_in_meanwhile_is_probed_as_well_f_33():
    door = Door(Takeover.PROBE)
    door.attempt()
    (old,) = door.entrance.registry.stations.values()
    first, second = door.entry(), door.entry()
    assert first.judge(True, now=0) == second.judge(True, now=0) == Contested((old,))
    door.entrance.registry.leave(old)
    assert first.probed(is_alive=False, now=5) == Admitted()
    new = Station("CP1")
    door.entrance.registry.enter(new)
    assert second.probed(is_alive=False, now=5) == Contested((new,))
    assert second.probed(is_alive=True, now=6) == Refusal(409)


@pytest.mark.parametrize(
    ("shown", "wins"),
    [
        ({"credentials": PASSWORD}, True),
        ({"credentials": None, "certificate": CertificateFacts(("CP1",))}, True),
        ({"credentials": None}, False),
    ],
)
def test_who_proves_who_it_is_need_not_wait_for_the_old_connection_f_33(shown: dict[str, Any], wins: bool):
    door = Door(Takeover.PROBE_UNPROVEN)
    door.attempt(**shown)
    assert isinstance(door.attempt(**shown), Admitted if wins else Contested)
    assert door.kinds == [TAKEOVER] * wins


def test_where_nobody_is_asked_nothing_is_proven_f_33():
    door = Door(Takeover.PROBE_UNPROVEN, is_authenticating=False)
    door.attempt()
    assert isinstance(door.attempt(), Contested)


# -- exposed credentials --


def test_no_incident_and_no_verdict_shows_a_secret_f_40():
    door = Door(max_failures_per_identity=1)
    secret = Credentials(b"CP1", b"canary-secret")
    verdicts = [door.attempt(credentials=secret, decision=False) for _ in range(3)]
    assert "canary" not in repr((verdicts, door.reported, door.entry(credentials=secret)))

"""Who is let in, how often anybody may try, and what becomes of a second connection of one identity."""

from __future__ import annotations

import json
import logging
import queue
import select
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from ocpp_sansio import (
    Account,
    Authentication,
    CentralSystem,
    ConnectionLost,
    ConnectionReplaced,
    ConnectionRequested,
    Incident,
    Limits,
    PasswordHash,
    SecurityIncident,
    SecurityProfile,
    Takeover,
)

from .adapters import Adapter, ServerEnd
from .contract import Contract
from .peers import RawPeer, knocking, raw_client
from .samples import PATIENCE, RESET, central_system

__all__ = ["AdmissionContract"]

PASSWORD = b"a canary's password"
PROBING = {Takeover.PROBE, Takeover.PROBE_UNPROVEN}
HEARTBEAT = '[2,"1","Heartbeat",{}]'


def guarded(**options: Any) -> CentralSystem:
    """A central system whose stations CP_1 and CP_2 have the password."""
    account = Account(SecurityProfile.BASIC, (PasswordHash.of(PASSWORD, salt=b"saltsalt", rounds=1),))
    hook = Authentication({"CP_1": account, "CP_2": account}, rounds=1)
    return central_system(accept_before_boot=True, **{"authenticate": hook, **options})


def told(csms: CentralSystem) -> queue.Queue[SecurityIncident]:
    """What there is to tell of incidents."""
    incidents: queue.Queue[SecurityIncident] = queue.Queue()
    csms.on_incident(incidents.put)
    return incidents


def refused(served: ServerEnd, identity: str = "CP_1", password: bytes | None = b"a canary's guess") -> Any:
    """The whole answer to a request that is refused."""
    with knocking(served.port, identity, password=password) as peer:
        return peer.read_answer()


def is_alive(peer: RawPeer) -> None:
    """Let it say something, and be answered."""
    peer.send(HEARTBEAT)
    while (received := peer.receive())[0] != 1:
        pass
    assert json.loads(received[1])[:2] == [3, "1"]


def is_asked(peer: RawPeer) -> bool:
    """Whether it is asked something, before its connection is closed."""
    try:
        while (received := peer.receive())[0] not in (1, 8):
            pass
    except (EOFError, ConnectionError):
        return False
    return received[0] == 1


def closed(peer: RawPeer) -> int:
    """Have it consent to being closed. The code that it is closed with."""
    while (received := peer.receive())[0] != 8:
        pass
    with suppress(OSError):  # whoever keeps the frames may not wait for it
        peer.send(received[1], opcode=8)
    assert peer.read_all() == b""
    return int.from_bytes(received[1][:2])


@contextmanager
def asked(served: ServerEnd, identity: str = "CP_1", **options: Any) -> Generator[tuple[RawPeer, list[Future[Any]]]]:
    """A charge point that is asked two things, one of which is on the wire."""
    with raw_client(served.port, identity, **options) as peer:
        is_alive(peer)
        station = served.csms.stations[identity]
        calls = [served.start_work(lambda: station.call(RESET)) for _ in range(2)]
        assert json.loads(peer.receive_text())[2] == "Reset"
        yield peer, calls


class AdmissionContract(Contract):
    """A central system. Override ``server``."""

    @pytest.fixture
    def server(self) -> Adapter:
        """The adapter under test."""
        raise NotImplementedError("override the fixture `server`")

    # -- no authentication --

    def test_without_the_password_nobody_gets_in_and_nothing_tells_why_f_25_f_26_f_27(self, server: Adapter) -> None:
        with server.serve(guarded()) as served:
            answers = [
                refused(served),
                refused(served, "CP_3"),
                refused(served, "CP_3", None),
                refused(served, "CP_1", None),
            ]
            assert {status for status, _, _ in answers} == {401}
            assert all(answer == answers[0] for answer in answers)
            assert answers[0][1]["www-authenticate"].startswith("basic")
            assert not served.csms.stations
            with raw_client(served.port, password=PASSWORD) as peer:
                is_alive(peer)

    def test_what_a_client_writes_of_where_it_comes_from_is_not_believed_f_23(self, server: Adapter) -> None:
        csms, requests = guarded(authenticate=None), list[ConnectionRequested]()

        @csms.authenticate
        def keep(request: ConnectionRequested) -> bool:
            requests.append(request)
            return True

        claims = (
            "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: example.com\r\n"
            "Forwarded: for=198.51.100.7;proto=https\r\nX-Real-IP: 198.51.100.7\r\n"
            "X-SSL-Client-Verify: SUCCESS\r\nX-SSL-Client-S-DN: CN=CP_1\r\nX-Client-Cert: CP_1\r\n"
            'X-Forwarded-Client-Cert: Subject="CN=CP_1"\r\n'
        )
        with server.serve(csms) as served, raw_client(served.port, fields=claims):
            (request,) = requests
        assert (request.source, request.secure, request.certificate) == ("127.0.0.1", False, None)

    def test_a_browser_is_refused_f_32(self, server: Adapter) -> None:
        origin = "Origin: https://example.com\r\n"
        with server.serve(guarded()) as served:
            with knocking(served.port, password=PASSWORD, fields=origin) as page:
                assert page.read_answer()[0] == 403
            with raw_client(served.port, password=PASSWORD) as peer:
                is_alive(peer)

    @pytest.mark.parametrize("offered", ["1.2", "1.5", "2.0", "2.1", "1.6x", "2.0.1, OCPP1.6"])
    def test_a_version_that_is_not_spoken_ends_at_once_f_31(self, server: Adapter, offered: str) -> None:
        """RPC-012."""
        csms = guarded()
        with server.serve(csms) as served, knocking(served.port, version=offered, password=PASSWORD) as peer:
            head = peer.read_head().lower()
            assert head.startswith("http/1.1 101 ")
            assert "sec-websocket-protocol" not in head
            assert closed(peer) == 1002
            assert not csms.stations

    @pytest.mark.parametrize(
        ("offered", "chosen"), [("1.6, ocpp2.0.1", "1.6"), ("2.0.1,ocpp1.6", "2.0.1"), ("1.2, ocpp1.5, ocpp1.6", "1.6")]
    )
    def test_the_first_version_that_is_spoken_is_chosen_and_stays_f_31(
        self, server: Adapter, offered: str, chosen: str
    ) -> None:
        """RPC-011."""
        csms = guarded(versions=["2.0.1", "1.6"])
        with server.serve(csms) as served, raw_client(served.port, version=offered, password=PASSWORD) as peer:
            assert f"sec-websocket-protocol: ocpp{chosen}" in peer.head.lower().split("\r\n")
            peer.send('[2,"1","Authorize",{"idTag":"TAG"}]')  # as it is in 1.6 only
            understood = "NotSupported" if chosen == "1.6" else "OccurrenceConstraintViolation"
            answer = json.loads(peer.receive_text())
            assert answer[2] == understood

    # -- unlimited attempts --

    def test_attempts_are_limited_and_the_hook_is_not_asked_then_f_29(self, server: Adapter) -> None:
        judged, judge = list[str](), Authentication({})

        def count(request: ConnectionRequested) -> Any:
            judged.append(request.identity)
            return judge(request)

        limits = Limits(max_failures_per_identity=3, failure_interval=100)
        csms = guarded(authenticate=count, limits=limits)
        incidents = told(csms)
        with server.serve(csms) as served:
            answers = [refused(served) for _ in range(6)]
            assert [status for status, _, _ in answers] == [401] * 3 + [429] * 3
            assert all(1 <= int(fields["retry-after"]) <= 200 for _, fields, _ in answers[3:])
            assert judged == ["CP_1"] * 3
            assert refused(served, "CP_2")[0] == 401
            kinds = [incidents.get(timeout=PATIENCE) for _ in range(5)]
        failed, limited = Incident.AUTHENTICATION_FAILED, Incident.ATTEMPTS_LIMITED
        expected = [(failed, "CP_1")] * 3 + [(limited, "CP_1"), (failed, "CP_2")]
        assert kinds == [SecurityIncident(kind, identity, "127.0.0.1") for kind, identity in expected]
        assert incidents.empty()

    def test_attempts_in_a_station_s_name_do_not_keep_it_out_f_29(self, server: Adapter) -> None:
        with server.serve(guarded(limits=Limits(max_failures_per_source=3, failure_interval=100))) as served:
            with raw_client(served.port, password=PASSWORD) as peer:
                is_alive(peer)
            statuses = [refused(served, f"CP_{number}")[0] for number in range(2, 8)]
            assert statuses == [401] * 3 + [429] * 3
            assert refused(served, "CP_2", PASSWORD)[0] == 429
            with raw_client(served.port, password=PASSWORD) as peer:
                is_alive(peer)

    # -- exposed credentials --

    def test_neither_password_nor_guess_is_in_the_log_f_40(
        self, server: Adapter, caplog: pytest.LogCaptureFixture
    ) -> None:
        csms = guarded(limits=Limits(max_failures_per_identity=2))
        reported: list[SecurityIncident] = []
        csms.on_incident(reported.append)

        @csms.on_incident
        def fail(_: SecurityIncident) -> None:
            raise LookupError("the hook of incidents has come to grief")

        with caplog.at_level(logging.DEBUG), server.serve(csms) as served:
            with raw_client(served.port, password=PASSWORD) as peer:
                is_alive(peer)
            assert [refused(served)[0] for _ in range(3)] == [401, 401, 429]
        assert "authentication failed" in caplog.text
        assert "come to grief" in caplog.text
        assert len(reported) == 3
        shown = caplog.text + repr(reported) + repr([vars(record) for record in caplog.records])
        assert "canary" not in shown
        assert "YSBjYW5hcn" not in shown  # as it is written in the header

    # -- identity takeover --

    def test_nobody_takes_the_place_of_a_station_without_its_password_f_33(self, server: Adapter) -> None:
        with server.serve(guarded()) as served, raw_client(served.port, password=PASSWORD) as peer:
            is_alive(peer)
            station = served.csms.stations["CP_1"]
            assert refused(served)[0] == 401
            assert served.csms.stations["CP_1"] is station
            is_alive(peer)

    def test_calls_to_a_connection_that_is_replaced_have_an_outcome_of_their_own_f_37_f_38(
        self, server: Adapter
    ) -> None:
        csms = guarded(limits=Limits(close_timeout=0.5))
        incidents = told(csms)
        with server.serve(csms) as served, asked(served, password=PASSWORD) as (old, calls):
            station = csms.stations["CP_1"]
            with asked(served, password=PASSWORD) as (new, others):
                sent, queued = (call.exception(PATIENCE) for call in calls)
                assert isinstance(sent, ConnectionReplaced)
                assert sent.sent
                assert isinstance(queued, ConnectionLost)
                # The answer of the one is no answer of the other, even if the ids were the same (F-38).
                with suppress(OSError):
                    old.send(json.dumps([3, "1", {"status": "Accepted"}]))
                assert closed(old) == 1008
                assert served.do(station.wait_closed).code in {1006, 1008}
                assert csms.stations["CP_1"] is not station  # F-35
                new.send(HEARTBEAT)
                assert json.loads(new.receive_text())[1] == "1"
            outcomes = [call.exception(PATIENCE) for call in others]
            assert not any(isinstance(outcome, ConnectionReplaced) for outcome in outcomes)
        assert incidents.get(timeout=PATIENCE) == SecurityIncident(Incident.TAKEOVER, "CP_1", "127.0.0.1")

    def test_a_connection_that_says_nothing_more_does_not_keep_the_new_one_out_f_34_f_35(self, server: Adapter) -> None:
        csms = guarded(limits=Limits(close_timeout=0.2))
        with server.serve(csms) as served, raw_client(served.port, password=PASSWORD) as old:
            is_alive(old)
            station = csms.stations["CP_1"]
            with raw_client(served.port, password=PASSWORD) as new:
                is_alive(new)
                assert served.do(station.wait_closed).code in {1006, 1008}  # long after the new one is in
                assert "CP_1" in csms.stations
                is_alive(new)

    def test_a_duel_for_an_identity_is_limited_f_36(self, server: Adapter, caplog: pytest.LogCaptureFixture) -> None:
        csms = guarded(limits=Limits(max_takeovers=3, takeover_interval=1000, close_timeout=3))
        incidents, statuses, winners = told(csms), list[int](), list[RawPeer]()
        with caplog.at_level(logging.WARNING), server.serve(csms) as served, ExitStack() as duel:
            for _ in range(50):
                peer = duel.enter_context(knocking(served.port, password=PASSWORD))
                statuses.append(int(peer.read_head().split(" ")[1]))
                if statuses[-1] == 101:
                    is_alive(peer)
                    winners.append(peer)
            assert statuses == [101] * 4 + [429] * 46
            assert [closed(peer) for peer in winners[:-1]] == [1008] * 3
            is_alive(winners[-1])
            assert len(csms.stations) == 1
        kinds = [incidents.get(timeout=PATIENCE).kind for _ in range(4)]
        assert kinds == [Incident.TAKEOVER] * 3 + [Incident.TAKEOVER_LIMITED]
        assert incidents.empty()
        assert len(caplog.records) == 1

    def test_a_second_connection_can_be_refused_until_the_first_has_ended_f_33(self, server: Adapter) -> None:
        csms = guarded(takeover=Takeover.REFUSE_NEW)
        with server.serve(csms) as served:
            with raw_client(served.port, password=PASSWORD) as old:
                is_alive(old)
                assert refused(served, password=PASSWORD)[0] == 409
                is_alive(old)
                station = csms.stations["CP_1"]
            served.do(station.wait_closed)
            with raw_client(served.port, password=PASSWORD) as new:
                is_alive(new)

    @pytest.mark.parametrize("takeover", Takeover, ids=lambda each: each.name)
    def test_of_many_that_come_at_once_one_is_connected_f_33_f_37(self, server: Adapter, takeover: Takeover) -> None:
        if takeover in PROBING:
            server.skip_if_beyond("F-33: probing")
        csms = guarded(takeover=takeover, limits=Limits(max_takeovers=None, probe_timeout=0.05, close_timeout=3))
        with server.serve(csms) as served, ExitStack() as crowd:
            peers = [crowd.enter_context(knocking(served.port, password=PASSWORD)) for _ in range(12)]
            statuses = [int(peer.read_head().split(" ")[1]) for peer in peers]
            asked = served.start("CP_1", RESET)
            winners = [peer for peer, status in zip(peers, statuses, strict=True) if status == 101]
            assert [is_asked(peer) for peer in winners].count(True) == 1
            assert len(csms.stations) == 1
            assert set(statuses) <= {101, 409}
            assert takeover is not Takeover.REFUSE_NEW or len(winners) == 1
        assert isinstance(asked.exception(PATIENCE), ConnectionLost)

    def test_a_connection_that_gives_a_sign_of_life_is_kept_where_it_is_probed_f_33(self, server: Adapter) -> None:
        server.skip_if_beyond("F-33: probing")
        csms = guarded(takeover=Takeover.PROBE)
        with server.serve(csms) as served, raw_client(served.port, password=PASSWORD) as old:
            is_alive(old)
            station = csms.stations["CP_1"]
            with knocking(served.port, password=PASSWORD) as new:
                # Whatever comes is one. It may come too soon, so more does.
                while not select.select([new.stream], [], [], 0.01)[0]:
                    is_alive(old)
                assert new.read_answer()[0] == 409
            is_alive(old)
            assert csms.stations["CP_1"] is station

    def test_a_connection_that_gives_none_makes_room_where_it_is_probed_f_34(self, server: Adapter) -> None:
        server.skip_if_beyond("F-33: probing")
        csms = guarded(takeover=Takeover.PROBE, limits=Limits(probe_timeout=0.1, close_timeout=0.2))
        with server.serve(csms) as served, asked(served, password=PASSWORD) as (_, calls):
            station = csms.stations["CP_1"]
            with raw_client(served.port, password=PASSWORD) as new:
                is_alive(new)
                assert csms.stations["CP_1"] is not station
                assert station.closed.code == 1006
                assert all(isinstance(call.exception(PATIENCE), ConnectionLost) for call in calls)

    def test_who_waits_for_a_probe_may_leave_f_33(self, server: Adapter) -> None:
        server.skip_if_beyond("F-33: probing")
        csms = guarded(takeover=Takeover.PROBE, limits=Limits(probe_timeout=0.1, close_timeout=0.2))
        with server.serve(csms) as served, raw_client(served.port, password=PASSWORD) as old:
            is_alive(old)
            station = csms.stations["CP_1"]
            with knocking(served.port, password=PASSWORD) as new:
                new.reset()
            with raw_client(served.port, password=PASSWORD) as another:
                is_alive(another)
                assert csms.stations["CP_1"] is not station
        assert not csms.stations

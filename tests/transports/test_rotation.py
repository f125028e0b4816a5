"""A password and a security profile that the central system changes while its charge point is connected."""

from __future__ import annotations

import queue
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import trustme

from ocpp_sansio import CentralSystem, v16
from ocpp_sansio import charge_point as cp
from ocpp_sansio.charge_point.effects import LogSecurityEvent, Reconnect
from ocpp_sansio.security import Account, Authentication, PasswordHash, SecurityProfile
from ocpp_sansio.store import MemoryStore
from ocpp_transports.tls import client_context, server_context
from tests.transports.certificates import issued, root, station
from tests.transports.contract import BOOT, PATIENCE, Adapter, central_system, on_client, on_server
from tests.transports.test_roles import Host, operated

pytestmark = pytest.mark.usefixtures("nothing_is_left_over")

OLD, NEW = bytes(range(20)), bytes(range(1, 21))
CHANGE = v16.ChangeConfigurationRequest(key="AuthorizationKey", value=NEW.hex())


class Vault:
    """The accounts of a central system: as A01 has it, the new password counts once the station has accepted it."""

    def __init__(self) -> None:
        self.passwords = {OLD}
        self.profile = SecurityProfile.BASIC
        self.upgrade: SecurityProfile | None = None

    def find(self, identity: str) -> Account | None:
        if identity != "CP_1":
            return None
        hashes = (PasswordHash.of(each, salt=b"saltsaltsalt", rounds=1) for each in self.passwords)
        return Account(self.profile, tuple(hashes), upgrade=self.upgrade)


def guarded(vault: Vault) -> tuple[CentralSystem, queue.Queue[str]]:
    """A central system that knows its stations, and the security events that it hears of."""
    csms, events = central_system(authenticate=None), queue.Queue[str]()
    csms.authenticate(Authentication(vault.find, rounds=1))
    csms.on(v16.StatusNotificationRequest)(lambda *_: v16.StatusNotificationResponse())

    @csms.on(v16.SecurityEventNotificationRequest)
    def note(_: Any, request: v16.SecurityEventNotificationRequest) -> v16.SecurityEventNotificationResponse:
        events.put(request.type)
        return v16.SecurityEventNotificationResponse()

    return csms, events


def a_station() -> cp.ChargePoint:
    equipment = cp.Equipment(root_certificate=True, client_certificate=True)
    secured = partial(cp.Security, profile=SecurityProfile.BASIC, password=OLD, equipment=equipment)
    return cp.ChargePoint(cp.Setup(BOOT), now=time.monotonic(), utc=datetime.now(UTC), profiles=[secured])


@on_client
@on_server
def test_a_new_password_counts_from_the_next_connection_on_once_it_is_accepted_f_24_rpc_146(
    client: Adapter, server: Adapter
) -> None:
    """CP16-220, A01: what is open stays open, what is queued is kept, and the old password is good no more."""
    vault, store, host, point = Vault(), MemoryStore(), Host(), a_station()
    csms, events = guarded(vault)
    security = point.block(cp.Security)
    with server.serve(csms) as served:
        with operated(client, served.url, host, store, point, password=OLD) as operating:
            assert events.get(timeout=PATIENCE) == "StartupOfTheDevice"
            assert served.call("CP_1", CHANGE).status is v16.ConfigurationStatus.ACCEPTED
            change = host.wait_for(Reconnect)
            vault.passwords = {NEW}
            operating.tell(security.report, "VendorEvent")
            assert events.get(timeout=PATIENCE) == "VendorEvent"
        with pytest.raises(client.module.HandshakeFailed, match="401"), client.connect(served.url, password=OLD):
            pass
        security.report("AnotherEvent", now=time.monotonic())
        assert security.former_link == cp.LinkSecurity(SecurityProfile.BASIC, OLD)
        with operated(client, served.url, host, store, point, password=change.password):
            while (event := events.get(timeout=PATIENCE)) != "AnotherEvent":
                assert event == "VendorEvent"  # told again: its answer may have been lost with the connection
        assert security.former_link is None


def profile(number: int) -> v16.ChangeConfigurationRequest:
    return v16.ChangeConfigurationRequest(key="SecurityProfile", value=str(number))


@on_client
@on_server
def test_a_higher_profile_is_used_from_the_next_connection_on_and_there_is_no_way_back_f_21_f_22_rpc_152(
    client: Adapter, server: Adapter
) -> None:
    """CP16-222, A05."""
    vault, store, host, point = Vault(), MemoryStore(), Host(), a_station()
    (csms, events), (its_neighbour, secured) = guarded(vault), guarded(vault)  # each is served in a thread of its own
    its_neighbour.accept("CP_1")
    authority = trustme.CA()
    for_server = server_context([issued(authority)], client_ca=root(authority))
    for_client = client_context(ca=root(authority), certificate=station(authority))
    with server.serve(csms) as plain, server.serve(its_neighbour, ssl=for_server) as secure:
        url = secure.url.replace("ws:", "wss:")
        with operated(client, plain.url, host, store, point, password=OLD):
            assert events.get(timeout=PATIENCE) == "StartupOfTheDevice"
            vault.upgrade = SecurityProfile.MUTUAL_TLS
            assert plain.call("CP_1", profile(3)).status is v16.ConfigurationStatus.ACCEPTED
            assert host.wait_for(Reconnect).profile == SecurityProfile.MUTUAL_TLS
        point.block(cp.Security).report("VendorEvent", now=time.monotonic())
        with operated(client, url, host, store, point, ssl=for_client):
            while (event := secured.get(timeout=PATIENCE)) != "VendorEvent":
                assert event == "StartupOfTheDevice"
            vault.profile, vault.upgrade = SecurityProfile.MUTUAL_TLS, None
            for lower in (0, 1, 2, 3):
                assert secure.call("CP_1", profile(lower)).status is v16.ConfigurationStatus.REJECTED
        with pytest.raises(client.module.HandshakeFailed, match="401"), client.connect(plain.url, password=OLD):
            pass
        assert point.block(cp.Security).former_link is None


@on_client
def test_a_central_system_that_is_not_to_be_trusted_is_reported_to_the_one_that_is_once_f_17_rpc_149(
    client: Adapter,
) -> None:
    """D-23: each attempt is logged, and the event is told when there is a connection."""
    store, point, host = MemoryStore(), a_station(), Host()
    csms, events = guarded(Vault())
    authority, stranger = trustme.CA(), trustme.CA()
    trusted = client_context(ca=root(authority))
    context = server_context([issued(stranger)])
    with client.serve(csms, ssl=context) as served:
        url = served.url.replace("ws:", "wss:")
        with operated(client, url, host, store, point, password=OLD, ssl=trusted):
            for number in (2, 3):  # the first of all is the start of the device
                assert host.wait_for(LogSecurityEvent, number).type == "InvalidCentralSystemCertificate"
    with client.serve(csms) as served, operated(client, served.url, host, store, point, password=OLD) as operating:
        assert events.get(timeout=PATIENCE) == "StartupOfTheDevice"
        assert events.get(timeout=PATIENCE) == "InvalidCentralSystemCertificate"
        operating.tell(point.block(cp.Security).report, "VendorEvent")
        assert events.get(timeout=PATIENCE) == "VendorEvent"

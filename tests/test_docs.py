"""The examples of docs/, as a reader would run them; and that the maps there lead somewhere."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme
import uvicorn

from ocpp_sansio import CertificateFacts, ConnectionRequested, Credentials, Limits, Version, v16
from ocpp_sansio.charge_point import LinkSecurity, Security, Setup
from ocpp_sansio.charge_point.effects import LockConnector, Reconnect
from ocpp_sansio.store import MemoryStore
from ocpp_transports.testing.samples import central_system
from tests.charge_point.harness import BOOT, EPOCH, Bench
from tests.transports.asgi_host import hosting, in_loops
from tests.transports.certificates import issued, root, station

ROOT = Path(__file__).parents[1]
ROLES = (ROOT / "docs" / "roles.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()


def blocks(page: str) -> dict[str, str]:
    return dict(re.findall(r"<!-- test: (.+?) -->\n```python\n(.+?)```", page, re.DOTALL))


BLOCKS = blocks(ROLES)


def test_a_profile_of_the_docs_joins_a_charge_point() -> None:
    assert list(BLOCKS) == ["profile"]
    names: dict[str, Any] = {}
    exec(compile(BLOCKS["profile"], "roles.md", "exec", dont_inherit=True), names)
    bench = Bench(profiles=[names["Staff"]])
    bench.do("plug_in", 1)
    bench.do("present", "staff-1", 1)  # offline, and nobody else knows it
    assert bench.seen(LockConnector) == [LockConnector(1)]
    bench.online()
    version = bench.ask(v16.GetLocalListVersionRequest())
    assert version == v16.GetLocalListVersionResponse(list_version=1)
    assert "LocalAuthListManagement" in bench.point.setting("SupportedFeatureProfiles")


def test_the_contexts_of_the_docs_do_for_profile_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    for name, pair in {
        "ecdsa": issued(authority),
        "rsa": issued(authority, is_rsa=True),
        "station": station(authority),
    }.items():
        for suffix, pem in zip(("pem", "key"), pair, strict=True):
            (tmp_path / f"{name}.{suffix}").write_bytes(pem)
    for name in ("stations-ca.pem", "operator-ca.pem"):
        (tmp_path / name).write_bytes(root(authority))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(blocks(SECURITY)["contexts"], "security.md", "exec", dont_inherit=True), names)
    assert names["for_server"].verify_mode is names["for_client"].verify_mode is ssl.CERT_REQUIRED


def test_the_accounts_of_the_docs_are_judged_by() -> None:
    names: dict[str, Any] = {}
    exec(compile(blocks(SECURITY)["accounts"], "security.md", "exec", dont_inherit=True), names)

    def judge(identity: str, password: bytes | None, secure: bool, *names_: str) -> object:
        credentials = None if password is None else Credentials(identity.encode(), password)
        certificate = CertificateFacts(names_, ("Example CSO",)) if names_ else None
        return names["csms"].admit(
            ConnectionRequested(identity, "/", (), Version.V16, credentials, {}, secure=secure, certificate=certificate)
        )

    assert judge("CP1", b"0123456789abcdef", True) is True
    assert judge("CP1", b"0123456789abcdef", False) is False
    assert judge("CP2", None, True, "SN-0815") is True
    assert judge("CP2", None, True, "CP2") is False
    assert [judge("CP3", bytes(20), secure) for secure in (False, True)] == [True, True]


def test_the_charge_point_of_the_docs_can_be_raised_to_profile_2_only() -> None:
    names: dict[str, Any] = {}
    exec(compile(blocks(SECURITY)["charge point"], "security.md", "exec", dont_inherit=True), names)
    point = names["new_charge_point"](Setup(BOOT), MemoryStore(), 0.0, EPOCH)
    bench = Bench(profiles=[names["security"], names["ExtendedTriggerMessages"]])
    bench.online()
    statuses = [
        bench.ask(v16.ChangeConfigurationRequest(key="SecurityProfile", value=value)).status for value in ("3", "2")
    ]
    assert statuses == [v16.ConfigurationStatus.REJECTED, v16.ConfigurationStatus.ACCEPTED]
    assert point.block(Security).link == LinkSecurity(1, bytes(16))
    assert [effect.profile for effect in bench.seen(Reconnect)] == [2]


def test_every_file_of_the_map_is_there_and_every_block_is_on_it() -> None:
    table = ROLES[ROLES.index("## Where a rule lives") : ROLES.index("## Another profile")]
    rows = [line.split("|")[2:4] for line in table.splitlines() if line.startswith("| ")][1:]
    for folder, column in (("charge_point", 0), ("central_system", 1)):
        named = {name for row in rows for name in re.findall(r"`(\w+\.py)`", row[column])}
        there = {path.name for path in (ROOT / "ocpp_sansio" / folder).glob("*.py")}
        assert named <= there
        assert there - named <= {"__init__.py", f"{folder}.py", "options.py"}, "the composer composes only"


def test_every_topic_of_the_charge_point_is_told() -> None:
    topics = {topic for block in Bench(profiles=[Security]).point._blocks for topic in block.topics} | {
        "boot",
        "quarantine",
    }
    told = set(re.findall(r"`([a-z-]+)`", ROLES[ROLES.index("| topic |") : ROLES.index("and the central system:")]))
    assert told == topics


ASGI = blocks((ROOT / "docs" / "asgi.md").read_text())


def test_the_application_of_the_docs_is_given_to_a_server_with_settings_that_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert list(ASGI) == ["alone", "starlette"]
    given: list[uvicorn.Config] = []
    monkeypatch.setattr(
        uvicorn, "run", lambda app, **options: given.append(uvicorn.Config(app, log_config=None, **options))
    )
    csms = central_system()
    exec(compile(ASGI["alone"], "asgi.md", "exec", dont_inherit=True), {"csms": csms})
    (config,) = given
    assert (config.ws_max_size, config.port) == (csms.limits.max_message_size, 9000)


@in_loops
async def test_an_application_of_starlette_mounts_it() -> None:
    names: dict[str, Any] = {"csms": central_system()}
    exec(compile(ASGI["starlette"], "asgi.md", "exec", dont_inherit=True), names)
    scope = {"path": "/ocpp/CP_1", "raw_path": b"/ocpp/CP_1", "query_string": b""}
    async with hosting(names["app"], **scope) as host:
        assert await host.heard(1) == {"type": "websocket.accept", "subprotocol": "ocpp1.6"}


def test_every_limit_of_the_table_for_asgi_exists() -> None:
    page = (ROOT / "docs" / "asgi.md").read_text()
    named = {name for row in re.findall(r"^\| (`.+?) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named - {"Limits"} <= {field.name for field in attrs.fields(Limits)}
    assert len(named) > 6

"""Hypothesis knows the messages by itself: ``st.from_type`` makes valid ones, and of other classes those inside."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import attrs
import msgspec
import pytest
from hypothesis import strategies as st

from ocpp_sansio import CustomData, Datatype, v16, v21, v201
from ocpp_sansio.codec import codec_of
from ocpp_sansio.messages import (
    FromCentralSystem,
    FromChargePoint,
    Request,
    Response,
    Send,
    SendFromChargePoint,
    offer_to_hypothesis,
)
from tests.examples import generated

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def some(cls: Any) -> list[Any]:
    return generated(st.from_type(cls), 25)


@dataclass
class Ticket:
    """Somebody's own."""

    start: v16.StartTransactionRequest
    status: v16.ChargePointStatus
    evses: list[v201.EVSE]
    token: v21.IdToken | None


@attrs.frozen
class Wrapped:
    ticket: Ticket
    note: CustomData


class Price(Datatype, kw_only=True):
    """What goes in somebody's DataTransfers."""

    currency: Annotated[str, msgspec.Meta(max_length=3)]
    cents: Annotated[int, msgspec.Meta(ge=0, le=10)]


@pytest.mark.parametrize(
    "cls", [v16.StartTransactionRequest, v16.ChargingProfile, v201.EVSE, v21.TransactionEventRequest, Price]
)
def test_messages_and_data_types_are_valid(cls):
    for message in some(cls):
        assert type(message) is cls
        codec_of(cls).encode(message)


class PriceResponse(Response, kw_only=True):
    """Somebody's own."""


class PriceRequest(FromCentralSystem[PriceResponse], kw_only=True):
    price: Price


@pytest.mark.parametrize(
    ("base", "there_are", "there_is_no"),
    [
        (Request, {"v16", "v201", "v21"}, Response),
        (FromChargePoint, {"v16", "v201", "v21"}, Response),
        (FromCentralSystem, {"v16", "v201", "v21"}, Response),
        (Response, {"v16", "v201", "v21"}, Request),
        (Datatype, {"v16", "v201", "v21"}, CustomData),
        (Send, {"v21"}, Request),
        (SendFromChargePoint, {"v21"}, Request),
    ],
)
def test_of_a_base_class_they_are_any_message_of_any_version(base, there_are, there_is_no):
    messages = some(base)
    for message in messages:
        assert isinstance(message, base)
        assert not isinstance(message, there_is_no)
        codec_of(type(message)).encode(message)
    assert {type(message).__module__.split(".")[1] for message in messages} == there_are


def test_a_request_may_be_told_by_its_response():
    assert {type(message) for message in some(FromChargePoint[v16.HeartbeatResponse])} == {v16.HeartbeatRequest}
    assert {type(message) for message in some(Request[PriceResponse])} == {PriceRequest}
    with pytest.raises(TypeError, match=r"no message that is a .*HeartbeatResponse"):
        some(FromCentralSystem[v16.HeartbeatResponse])


def test_those_inside_other_classes_are_valid_too():
    wrapped = some(Wrapped)
    for each in wrapped:
        codec_of(v16.StartTransactionRequest).encode(each.ticket.start)
        assert isinstance(each.ticket.status, v16.ChargePointStatus)
        assert all(type(evse) is v201.EVSE for evse in each.ticket.evses)
        assert len(each.note.vendor_id) <= 255
    assert {type(each.ticket.token) for each in wrapped} == {type(None), v21.IdToken}


def test_classes_that_are_older_than_hypothesis_are_offered_later(monkeypatch):
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "hypothesis.strategies")

        class Older(Datatype):
            code: Annotated[str, msgspec.Meta(max_length=2)]

        offer_to_hypothesis()  # to nobody
    offer_to_hypothesis()
    assert all(len(older.code) <= 2 for older in some(Older))


# -- from a clean state --

USE = """
from dataclasses import dataclass
from hypothesis import given, settings, strategies as st
from ocpp_sansio import v16, validate

@dataclass
class Ticket:
    start: v16.StartTransactionRequest

seen = []

@settings(max_examples=20, database=None)
@given(ticket=..., info=st.from_type(v16.IdTagInfo))
def check(ticket: Ticket, info):
    seen.append(validate(ticket.start).id_tag)
    validate(info)

check()
assert len(seen) == 20
"""


def fresh(code: str, tmp_path: Path) -> None:
    """Run it in a new interpreter, where this tree is installed as its ``pyproject.toml`` says."""
    info = tmp_path / "ocpp_sansio-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ocpp-sansio\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        "\n".join(
            f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in entries.items())
            for group, entries in PROJECT["entry-points"].items()
        )
    )
    root = Path(__file__).parents[1]
    path = os.pathsep.join([str(tmp_path), str(root), str(root / "transports")])
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "first",
    ["import hypothesis", "import ocpp_sansio.v16", "from ocpp_sansio import v16, v201; import hypothesis.strategies"],
)
def test_whoever_has_both_needs_no_further_import(first, tmp_path):
    fresh(f"{first}\n{USE}", tmp_path)


def test_importing_hypothesis_imports_nothing_of_ours_but_its_entry_point(tmp_path):
    fresh(
        "import sys, hypothesis\n"
        "ours = {name for name in sys.modules if name.startswith('ocpp_')}\n"
        "assert ours == {'ocpp_transports', 'ocpp_transports._hypothesis'}, ours",
        tmp_path,
    )


def test_importing_messages_imports_neither_hypothesis_nor_the_strategies(tmp_path):
    fresh(
        "import sys\n"
        "from ocpp_sansio import v16\n"
        "assert not {name for name in sys.modules if name.partition('.')[0] == 'hypothesis'}\n"
        "import hypothesis\n"
        "from ocpp_sansio import v201\n"
        "assert 'ocpp_sansio.testing' not in sys.modules",
        tmp_path,
    )

"""The versions and their names."""

import pytest

from ocpp_sansio import ErrorCode, Version, v16, v21, v201
from ocpp_sansio.version import identity_key


@pytest.mark.parametrize(("number", "name"), [("1.6", "ocpp1.6"), ("2.0.1", "ocpp2.0.1"), ("2.1", "ocpp2.1")])
def test_a_version_has_a_subprotocol(number, name):
    """RPC-010."""
    version = Version(number)
    assert str(version) == number
    assert version.subprotocol == name
    assert Version.from_subprotocol(name) is version


@pytest.mark.parametrize("name", ["OCPP1.6", "ocpp1.5", "ocpp2.0", "", "ocpp1.6 "])
def test_any_other_name_is_unknown(name):
    """RPC-010: case-sensitive; obsolete versions are not spoken."""
    assert Version.from_subprotocol(name) is None


def test_the_case_of_an_identity_counts_in_1_6_only_f_30():
    """RPC-003, RPC-004."""
    keys = {version: identity_key("Cp|É", version) for version in (None, *Version)}
    assert keys == {None: "Cp|É", Version.V16: "Cp|É", Version.V201: "cp|é", Version.V21: "cp|é"}


def test_the_messages_are_found_by_version():
    assert [version.actions for version in Version] == [v16.ACTIONS, v201.ACTIONS, v21.ACTIONS]


@pytest.mark.parametrize("code", ErrorCode)
@pytest.mark.parametrize("version", Version)
def test_every_code_of_every_version_can_be_read_back(code, version):
    """RPC-090. The four codes that 1.6 lacks are written as others."""
    lacking = {ErrorCode.RPC_FRAMEWORK_ERROR, ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED} if version is Version.V16 else set()
    assert ErrorCode.parse(code.spelling(version)) is code or code in lacking


def test_1_6_keeps_its_misspellings():
    """JE 5.1 and 5.2."""
    assert ErrorCode.FORMAT_VIOLATION.spelling(Version.V16) == "FormationViolation"
    assert ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION.spelling(Version.V16) == "OccurenceConstraintViolation"
    assert ErrorCode.FORMAT_VIOLATION.spelling(Version.V201) == "FormatViolation"


@pytest.mark.parametrize("versions", ["1.6", Version.V16, ["1.6"], (Version.V16,)])
def test_one_version_may_be_named_by_itself(versions):
    assert Version.parse_all(versions) == (Version.V16,)


@pytest.mark.parametrize("wrong", ["1.5", "ocpp1.6", 1.6, ["ocpp1.6"]])
def test_who_names_a_version_wrongly_is_told_how_they_are_named(wrong):
    with pytest.raises(ValueError, match=r"is not a valid Version: there is '1.6', '2.0.1', '2.1'"):
        Version.parse_all([wrong] if isinstance(wrong, float) else wrong)

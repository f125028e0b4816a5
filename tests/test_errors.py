"""What the exceptions say."""

import copy
import pickle

import pytest

from ocpp_sansio import (
    CallCancelled,
    CallFailure,
    CallRefused,
    CallTimedOut,
    ConnectionLost,
    ErrorCode,
    InvalidMessage,
    InvalidResponse,
    LocalProtocolError,
    OcppError,
    Rejection,
    Violation,
)

VIOLATION = Violation("$.idTag", "required", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "is missing")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (CallRefused("GenericError", "no"), "GenericError: no"),
        (CallRefused("GenericError"), "GenericError"),
        (CallTimedOut(2.5), "no answer within 2.5 s"),
        (ConnectionLost(True), "the connection was lost before the answer came"),
        (ConnectionLost(False), "the connection was lost before it was sent"),
        (InvalidResponse([VIOLATION], "[3]"), "the answer is not valid: $.idTag: is missing"),
        (CallCancelled(), "cancelled"),
    ],
)
def test_a_failure_explains_itself(error, text):
    assert str(error) == text
    assert isinstance(error, CallFailure)


def test_an_invalid_message_names_every_violation():
    error = InvalidMessage("AuthorizeRequest", [VIOLATION])
    assert isinstance(error, LocalProtocolError)
    assert str(error) == "AuthorizeRequest is not valid: $.idTag: is missing"
    assert error.violations == (VIOLATION,)


@pytest.mark.parametrize(
    "error",
    [
        CallRefused("GenericError", "no", {"a": 1}),
        CallTimedOut(1),
        ConnectionLost(sent=True),
        InvalidResponse([VIOLATION], "[3]"),
        InvalidMessage("AuthorizeRequest", [VIOLATION]),
        Rejection(ErrorCode.GENERIC_ERROR),
    ],
)
def test_an_exception_can_be_copied_and_sent_to_another_process(error):
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin).keys() == vars(error).keys()


def test_the_text_of_an_exception_lists_only_the_first_violations():
    assert str(InvalidMessage("X", [VIOLATION] * 12)).endswith("; and 2 more")


def test_a_rejection_has_an_error_code():
    with pytest.raises(ValueError, match="nonsense"):
        Rejection("nonsense")
    assert Rejection("NotSupported").code is ErrorCode.NOT_SUPPORTED


def test_a_rejection_is_not_a_failure():
    """Raising what a call failed with in a handler must not answer the peer with the other peer's fault."""
    rejection = Rejection(ErrorCode.NOT_SUPPORTED, "no", {"a": 1})
    assert isinstance(rejection, OcppError)
    assert not isinstance(rejection, CallFailure)
    assert (rejection.code, rejection.description, rejection.details) == (ErrorCode.NOT_SUPPORTED, "no", {"a": 1})

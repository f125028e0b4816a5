import contextlib

import pytest
from websockets.frames import EXTERNAL_CLOSE_CODES

from ocpp_sansio.closing import close_frame


def test_the_codes_that_a_close_frame_may_have_are_those_of_the_standard():
    """RPC-017."""
    fit: set[int] = set()
    for code in range(6000):
        with contextlib.suppress(ValueError):
            fit.add(close_frame(code, "")[0])
    assert fit == {int(code) for code in EXTERNAL_CLOSE_CODES} | set(range(3000, 5000))
    with pytest.raises(ValueError, match="1006 is not for use"):
        close_frame(1006, "")


def test_a_reason_is_cut_where_a_character_ends_and_is_always_utf_8():
    assert close_frame(1000, "x" * 200) == (1000, "x" * 123)
    assert close_frame(1000, "ä" * 100) == (1000, "ä" * 61)
    assert close_frame(1000, "\ud800") == (1000, "?")

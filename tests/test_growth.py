"""The yardstick tells linear work from quadratic work, and gives a busy machine another chance."""

from __future__ import annotations

import itertools

import pytest

from tests import growth
from tests.growth import assert_linear

pytestmark = pytest.mark.once


def test_linear_work_is_linear() -> None:
    assert_linear(lambda text: text.count("b"), lambda size: "a" * size)


def test_quadratic_work_is_not() -> None:
    def search(text: str) -> None:
        for _ in itertools.repeat(None, len(text)):
            text.count("b")

    with pytest.raises(AssertionError, match="the time grew by"):
        assert_linear(search, lambda size: "a" * size, up_to=2**14)


def test_one_bad_measurement_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter([1, 1, 1, 16, 2, 15])
    monkeypatch.setattr(growth, "measure", lambda *_: next(measured))
    assert_linear(len, "x".__mul__)
    assert next(measured, None) is None

"""The adapters' log is listened to here, whatever has been imported by then: the benchmarks silence it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _log_is_on() -> Iterator[None]:
    logger = logging.getLogger("ocpp_transports")
    before = logger.level
    logger.setLevel(logging.NOTSET)
    yield
    logger.setLevel(before)

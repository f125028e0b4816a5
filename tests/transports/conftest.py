"""The adapters' log is listened to here, whatever has been imported by then: the benchmarks silence it."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator

import pytest

from ocpp_transports.testing import nothing_left_over
from tests.transports.asgi_servers import AsgiServer


@pytest.fixture(autouse=True)
def _log_is_on() -> Iterator[None]:
    logger = logging.getLogger("ocpp_transports")
    before = logger.level
    logger.setLevel(logging.NOTSET)
    yield
    logger.setLevel(before)


@pytest.fixture
def nothing_is_left_over() -> Iterator[None]:
    with nothing_left_over():
        yield


@pytest.fixture
def log() -> Iterator[queue.Queue[str]]:
    """The warnings of the adapters, and what is worse."""
    records: queue.Queue[str] = queue.Queue()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.put(record.getMessage())

    logger, listener = logging.getLogger("ocpp_transports"), Listener(logging.WARNING)
    logger.addHandler(listener)
    yield records
    logger.removeHandler(listener)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under one interpreter every adapter meets every other, and every ASGI server runs; under the others of the build
    each adapter meets only itself, and how a server comes to its end there is its own business.
    """
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        pair = {str(params[end]) for end in ("client", "server") if end in params}
        if len(pair) == 2 or any(isinstance(value, AsgiServer) for value in params.values()):
            item.add_marker("once")

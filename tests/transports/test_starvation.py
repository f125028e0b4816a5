"""A server that runs out of descriptors serves again once there are some."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from tests.citations import TESTS
from tests.transports.contract import PATIENCE, Adapter, on_server, raw_client
from tests.transports.starved_process import SPARE


@on_server
@pytest.mark.once
def test_without_descriptors_a_server_waits_and_accepts_again_f_13(server: Adapter) -> None:
    command = [sys.executable, "-m", "tests.transports.starved_process", server.name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=TESTS.parent, text=True, **pipes) as process:
        try:
            port = int(process.stdout.readline())
            with ExitStack() as crowd:
                for _ in range(SPARE + 2):
                    crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
                while "Too many open files" not in process.stderr.readline():
                    pass
            with raw_client(port) as peer:
                peer.send('[2,"1","Heartbeat",{}]')
                assert peer.receive_text().startswith('[3,"1"')
        finally:
            process.communicate(timeout=PATIENCE)
        assert process.returncode == 0

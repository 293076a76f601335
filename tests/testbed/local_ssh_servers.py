"""Finds and kills the SSH servers that a state directory records."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

from flow_core.providers.local.sshd.server_files import ServerRecord, SshFolder


def find_live_servers(state: Path) -> Iterator[ServerRecord]:
    for record in state.glob("local/*/ssh/server.json"):
        found = ServerRecord.read(SshFolder(record.parent))
        if found is not None and found.process.is_alive:
            yield found


def kill_servers(state: Path) -> None:
    """Kills the servers; returns when none is alive."""
    deadline = time.monotonic() + 30
    while servers := list(find_live_servers(state)):
        for server in servers:
            server.process.send(signal.SIGKILL)
        assert time.monotonic() < deadline, "an SSH server does not end"
        time.sleep(0.005)

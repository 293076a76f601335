"""Kills in any order lose no task, let no GPU be used twice, and leave nothing behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from testbed.hosts_lab import Lab
from testbed.kill_rounds import Place, kill_in_rounds

from flow_core.agent.calls import CONTEXT
from flow_core.agent.layout import Layout


def kill_server(lab: Lab) -> None:
    """Kills the server with all its sessions."""
    lab.servers[0].stop(signal.SIGKILL)
    lab.servers[0].start()


@pytest.mark.needs("sshd", "linux", "bash")
async def test_no_kill_loses_a_task_a_gpu_or_a_line(lab: Lab, tmp_path: Path) -> None:
    provider = lab.start()
    await provider.list_tasks()
    ways = {
        "server": lambda: kill_server(lab),
        "session": lambda: lab.servers[0].drop_sessions(),
        "agent": lab.kill_agents,
    }
    await kill_in_rounds(Place(lab.context, provider, lambda: Layout(lab.root(), CONTEXT), tmp_path, ways))

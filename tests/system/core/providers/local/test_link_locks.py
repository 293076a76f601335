"""Tasks in a state directory where neither flock nor pipes can be relied on, as on a file system of a network."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from flow_core.models.task import TaskStatus


async def test_tasks_wait_run_and_end_by_links_alone(machine: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("FLOW_LOCKS", "link")
    first = await machine.running(await machine.submit("sleep 1000", instance_type="a100:2"))
    waiting = [await machine.submit("sleep 1000", instance_type="a100:2") for _ in range(2)]
    for task in waiting:
        await machine.until_task(task, lambda now: now.message.startswith("waiting"))
    (root,) = machine.home.glob("state/local/*")
    assert not [*root.rglob("*.bell"), *root.rglob("*.lock")]
    assert len([*root.glob("gpus/*.held")]) == 2
    await machine.provider.cancel_task(first.task_id)
    lost, last = [await machine.running(waiting[0]), waiting[1]]
    os.kill(machine.supervisor(lost), signal.SIGKILL)
    end = await machine.ended(lost)
    assert (end.status, end.message) == (TaskStatus.FAILED, "lost: its supervisor was killed")
    await machine.until_task(last, lambda now: now.is_running)
    await machine.provider.cancel_task(last.task_id)
    await machine.ended(last)
    await machine.until(lambda: not [*root.glob("gpus/*.held")], "its supervisor gives the GPUs back")
    assert not Path(root, "queue", ".lock.held").exists()

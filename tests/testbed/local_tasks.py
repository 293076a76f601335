"""Tasks of this machine: one that the tests of a module share, and the end of all that a test left running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from testbed.local_ssh_servers import kill_servers
from testbed.waiting import DEADLINE_S

from flow_core import Flow
from flow_core.config import Context


@contextmanager
def running_task(state: Path, command: str, **settings: str) -> Iterator[str]:
    """Runs a task in a state directory of its own; yields its id. The settings are variables of the environment.

    Whoever uses it sets FLOW_STATE_DIR to `state`.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"FLOW_STATE_DIR": str(state), **settings}.items():
            patch.setenv(name, value)
        with Flow("local") as flow:
            task = flow.submit(command, gpu="a100") if "FLOW_LOCAL_GPUS" in settings else flow.submit(command)
            task_id = task.wait_until_started(DEADLINE_S).task_id
    yield task_id
    end_tasks(state)


def end_tasks(state: Path) -> None:
    """Ends what a test left running in a state directory."""
    kill_servers(state)
    names = {folder.parent.name for folder in state.glob("local/*/contexts/*/tasks") if any(folder.iterdir())}
    for name in names:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FLOW_STATE_DIR", str(state))
            with Flow(Context(name, "local")) as flow:
                for task in flow.list_tasks(limit=100_000):
                    if not task.is_terminal:
                        flow.cancel(task.task_id)

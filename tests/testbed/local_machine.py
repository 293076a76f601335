"""Local contexts in a state directory of their own, and the questions that tests ask about them."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from testbed.local_ssh_servers import kill_servers
from testbed.waiting import task_until, until

from flow_core.agent.machine_id import get_machine_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.processes.table import find_process, iter_variable
from flow_core.agent.records import MalformedRecord, read_json
from flow_core.config import Context
from flow_core.models.task import TaskRecord
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.provider import LocalProvider


class Machine:
    """Local contexts, and the questions tests ask about them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.provider = self.open("local")

    def open(self, name: str) -> LocalProvider:
        return LocalProvider(Context(name, "local"))

    async def submit(self, command: str | list[str], **fields: Any) -> TaskRecord:
        return await self.provider.submit(TaskConfig.parse({"command": command, **fields}))

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        await until(condition, explain=lambda: f"never happened: {what}")

    async def until_task(self, task: TaskRecord, holds: Callable[[TaskRecord], bool]) -> TaskRecord:
        return await task_until(self.provider, task, holds)

    async def running(self, task: TaskRecord) -> TaskRecord:
        return await self.until_task(task, lambda now: now.is_running or now.is_terminal)

    async def ended(self, task: TaskRecord) -> TaskRecord:
        return await self.until_task(task, lambda now: now.is_terminal)

    async def output(self, task: TaskRecord) -> bytes:
        (address,) = await self.provider.logs.addresses(task.task_id)
        return (await self.provider.logs.open(address)).log.read_bytes()

    def written(self, task: TaskRecord) -> bytes:
        """What there is of the first attempt's log so far."""
        path = Path(task.provider_metadata["folder"], "attempt-0", "rank-0.log")
        return path.read_bytes() if path.exists() else b""

    def record(self, task: TaskRecord, name: str) -> dict[str, Any]:
        return read_json(Path(task.provider_metadata["folder"]) / f"{name}.json") or {}

    def supervisor(self, task: TaskRecord) -> int:
        return int(self.record(task, "state")["supervisor"]["pid"])

    def members(self, task: TaskRecord) -> list[int]:
        """Every live process that carries the task's mark, its supervisor included."""
        mark = self.record(task, "spec")["mark"]
        return [pid for pid, own in iter_variable("FLOW_TASK_MARK") if own == mark and self.is_alive(pid)]

    async def kill_all(self, task: TaskRecord) -> None:
        """Kills every process of the task, those too that another one starts while they are killed."""

        def kill() -> bool:
            pids = self.members(task)
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not pids

        await self.until(kill, "the end of everything of the task")

    def is_alive(self, pid: int) -> bool:
        found = find_process(pid)
        return found is not None and not found.is_zombie


@contextmanager
def own_machine(home: Path, patch: pytest.MonkeyPatch, agent_copy: Path | None = None, **env: str) -> Iterator[Machine]:
    """Yields a machine with two GPUs and no task yet; ends all that was started on it.

    `patch` changes the environment. In a test it is the test's own `monkeypatch`: the order in which two of them are
    undone would leave a variable that both have changed as it was in between.
    """
    settings = {"FLOW_STATE_DIR": str(home / "state"), "FLOW_LOCAL_GPUS": "a100:2", "FLOW_LOCAL_GRACE_S": "1", **env}
    for name, value in settings.items():
        patch.setenv(name, value)
    patch.chdir(home)
    if agent_copy is not None:
        _link_agent(agent_copy, home / "state")
    try:
        yield Machine(home)
    finally:
        _end_everything(home)


def _link_agent(copy: Path, state: Path) -> None:
    """Makes the machine's copy of the agent from links to the files of another, in a fifth of the time."""
    programs = state / "local" / get_machine_id() / "bin"
    make_private_folder(programs)
    shutil.copytree(copy, programs / copy.name, copy_function=os.link)


def _end_everything(home: Path) -> None:
    kill_servers(home / "state")
    marks = {_mark(spec) for spec in home.glob("state/local/*/contexts/*/tasks/*/spec.json")} - {None}
    for _ in range(3):
        alive = [pid for pid, mark in iter_variable("FLOW_TASK_MARK") if mark in marks] if marks else []
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not alive:
            return


def _mark(spec: Path) -> str | None:
    try:
        return (read_json(spec) or {}).get("mark")
    except MalformedRecord:
        return None

"""What happens around the dashboard: tasks that come and go on this machine and in an emulated cloud, and faults."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from flow_core import AsyncFlow, FlowError, TaskConfig
from flow_core.agent.task_state import TaskState

KEPT = 40
WRITER = "i=0; while true; do i=$((i+1)); echo step $i loss 0.$i; printf 'bar %s\\r' $i; sleep 0.02; done"
SHORT = (
    "echo short",
    "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; done",
    "echo 'Traceback (most recent call last):'; echo 'ValueError: no'; exit 3",
)


class SoakWorld:
    """A state directory with tasks. Use it inside `open_world`."""

    def __init__(self, folder: Path, cloud: dict[str, Any]) -> None:
        self.environment = {
            "HOME": str(folder),
            "FLOW_STATE_DIR": str(folder / "state"),
            "FLOW_CONFIG": str(folder / "config.yaml"),
            "FLOW_SLURM": "none",
            "EDITOR": "true",
        }
        self._state = folder / "state"
        self._http = httpx.Client(base_url=cloud["url"], headers={"Authorization": f"Bearer {cloud['api_key']}"})
        self._numbers = iter(range(1_000_000))
        self._victim = ""

    def begin(self) -> None:
        asyncio.run(self._begin())

    def change_tasks(self) -> None:
        """Runs some short tasks, and removes the oldest ended ones, so that the table stays as long as it is."""
        asyncio.run(self._change_tasks())

    def cause_fault(self, number: int) -> None:
        """One fault after the other; the dashboard must show each and go on."""
        faults = (self._kill_supervisor, self._fail_requests, self._cut_requests, self._cut_log, self._skip_time)
        faults[number % len(faults)]()

    def end(self) -> None:
        asyncio.run(self._end())
        self._http.close()

    async def _begin(self) -> None:
        async with AsyncFlow("local") as flow:
            await flow.run(_task("writer", WRITER), wait=True)
            for number in range(KEPT):
                await (await flow.run(_task(f"past-{number}", "true"))).wait(60)

    async def _change_tasks(self) -> None:
        async with AsyncFlow("local") as flow:
            for command in SHORT:
                await flow.run(_task(f"short-{next(self._numbers)}", command))
            victim = await flow.run(_task(f"victim-{next(self._numbers)}", "sleep 60"))
            self._victim = victim.task_id
            with suppress(FlowError):
                await flow.prune_tasks(await flow.plan_pruning(older_than_days=0, keep_last=KEPT))

    async def _end(self) -> None:
        async with AsyncFlow("local") as flow:
            for task in await flow.list_tasks(limit=1000):
                if not task.is_terminal:
                    await task.cancel(force=True)

    def _kill_supervisor(self) -> None:
        for path in self._state.glob(f"local/*/contexts/local/tasks/{self._victim}/state.json"):
            state = TaskState.read(path)
            if state is not None and state.supervisor is not None:
                with suppress(ProcessLookupError):
                    os.kill(state.supervisor.pid, signal.SIGKILL)

    def _fail_requests(self) -> None:
        self._add_fault({"method": "GET", "path": "/v2/spot/*", "times": 2, "status": 503})

    def _cut_requests(self) -> None:
        self._add_fault({"method": "GET", "path": "/v2/*", "times": 3, "cut": "within"})

    def _add_fault(self, fault: dict[str, Any]) -> None:
        self._http.post("/_emulator/faults", json=fault).raise_for_status()

    def _cut_log(self) -> None:
        """As another program does that rotates logs."""
        for log in self._state.glob("local/*/contexts/local/tasks/*/attempt-0/rank-0.log"):
            if log.stat().st_size > 100_000:
                os.truncate(log, 0)

    def _skip_time(self) -> None:
        self._http.patch("/_emulator/clock", json={"advance_s": 60}).raise_for_status()


def _task(name: str, command: str) -> TaskConfig:
    return TaskConfig(name=name, unique_name=False, command=command)


@contextmanager
def open_world(folder: Path) -> Iterator[SoakWorld]:
    """Yields a world, which is also that of this process until the block ends; ends its tasks and its cloud."""
    argv = [sys.executable, "-m", "flow_core.emulator", "--sample", "--ends-with-stdin", "--folder"]
    argv += [str(folder / "cloud"), "--delete-all"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as emulator:
        assert emulator.stdin is not None
        assert emulator.stdout is not None
        try:
            cloud = json.loads(emulator.stdout.readline())
            keys = {name: cloud[name] for name in ("api_key", "project", "region", "ssh_key")}
            settings = {"provider": "mithril", "api_url": cloud["url"]} | keys
            contexts = {"local": {"provider": "local"}, "cloud": settings}
            (folder / "config.yaml").write_text(json.dumps({"default": "local", "contexts": contexts}))  # JSON is YAML
            world = SoakWorld(folder, cloud)
            os.environ.update(world.environment)
            world.begin()
            try:
                yield world
            finally:
                world.end()
        finally:
            emulator.stdin.close()

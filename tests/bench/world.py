"""A state directory of its own with real local tasks in it, and the dashboard on it."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.pty_screen import Screen

from flow_core import AsyncFlow, TaskConfig

RUNNING = ("run-one", "run-two", "run-three")


@contextmanager
def world(
    tasks: int = 0, commands: dict[str, str] | None = None, parent: Path | None = None
) -> Iterator[dict[str, str]]:
    """The environment of a dashboard that sees `tasks` finished tasks, and one for each of `commands`; ends them.

    `parent` is the folder for the state directory; default: that of temporary files.
    """
    with tempfile.TemporaryDirectory(prefix="flow-bench-", dir=parent) as folder:
        environment = {"HOME": folder, "FLOW_STATE_DIR": str(Path(folder) / "state"), "FLOW_SLURM": "none"}
        os.environ.update(environment)
        os.environ.pop("FLOW_CONFIG", None)
        os.environ.pop("FLOW_CONTEXT", None)
        asyncio.run(_fill(tasks, commands or {}))
        try:
            yield environment
        finally:
            asyncio.run(_end_all())


async def _fill(tasks: int, commands: dict[str, str]) -> None:
    async with AsyncFlow("local") as flow:
        done = [await flow.run(_task(f"past-{i:03}", "true")) for i in range(tasks)]
        for task in done:
            await task.wait(60)
        for name, command in commands.items():
            await flow.run(_task(name, command), wait=True)


async def _end_all() -> None:
    async with AsyncFlow("local") as flow:
        unfinished = [task for task in await flow.list_tasks(limit=1000) if not task.is_terminal]
        for task in unfinished:
            await task.cancel(force=True)
        for task in unfinished:
            await task.wait(30)


def _task(name: str, command: str) -> TaskConfig:
    return TaskConfig(name=name, unique_name=False, command=command)


def dashboard(environment: dict[str, str]) -> Screen:
    return Screen([sys.executable, "-m", "flow_tui"], environment, columns=120, rows=36)

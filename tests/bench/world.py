"""A state directory of its own with real local tasks in it, and the dashboard on it."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.pty_screen import Screen

from flow_core import AsyncFlow, TaskConfig

RUNNING = ("run-one", "run-two", "run-three")
Environment = dict[str, str]


@contextmanager
def world(tasks: int = 0, commands: dict[str, str] | None = None, parent: Path | None = None) -> Iterator[Environment]:
    """The environment of a dashboard that sees `tasks` finished tasks, and one for each of `commands`; ends them.

    `parent` is the folder for the state directory; default: that of temporary files.
    """
    with (
        tempfile.TemporaryDirectory(prefix="flow-bench-", dir=parent) as folder,
        isolated(Path(folder)) as environment,
    ):
        asyncio.run(_fill(tasks, commands or {}))
        try:
            yield environment
        finally:
            asyncio.run(_end_all())


@contextmanager
def isolated(folder: Path) -> Iterator[Environment]:
    """Makes the folder the home and the state directory, of this process too until the block ends."""
    environment = {"HOME": str(folder), "FLOW_STATE_DIR": str(folder / "state"), "FLOW_SLURM": "none"}
    before = dict(os.environ)
    os.environ.update(environment)
    for name in ("FLOW_CONFIG", "FLOW_CONTEXT", "MITHRIL_API_KEY"):
        os.environ.pop(name, None)
    try:
        yield environment
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def running(names: Iterable[str] = RUNNING, command: str = "sleep 1200") -> Iterator[None]:
    """Tasks of these names run in the current world for the duration of the block."""
    ids = start_tasks(dict.fromkeys(names, command))
    try:
        yield
    finally:
        end_tasks(ids)


def run_one(name: str, command: str) -> None:
    """Runs a task to its end."""
    asyncio.run(_run_to_end(name, command))


def start_tasks(commands: dict[str, str]) -> list[str]:
    """Starts tasks, by name, and returns their ids when they run."""
    return asyncio.run(_start(commands))


def end_tasks(task_ids: Iterable[str]) -> None:
    asyncio.run(_end(list(task_ids)))


async def _fill(tasks: int, commands: dict[str, str]) -> list[str]:
    async with AsyncFlow("local") as flow:
        done = [await flow.run(_task(f"past-{i:03}", "true")) for i in range(tasks)]
        for task in done:
            await task.wait(60)
    return await _start(commands)


async def _start(commands: dict[str, str]) -> list[str]:
    async with AsyncFlow("local") as flow:
        return [(await flow.run(_task(name, command), wait=True)).task_id for name, command in commands.items()]


async def _run_to_end(name: str, command: str) -> None:
    async with AsyncFlow("local") as flow:
        await (await flow.run(_task(name, command))).wait(60)


async def _end(task_ids: list[str]) -> None:
    async with AsyncFlow("local") as flow:
        for task_id in task_ids:
            await flow.cancel(task_id, force=True)
        for task_id in task_ids:
            await (await flow.get_task(task_id)).wait(30)


async def _end_all() -> None:
    async with AsyncFlow("local") as flow:
        unfinished = [task.task_id for task in await flow.list_tasks(limit=1000) if not task.is_terminal]
    await _end(unfinished)


def _task(name: str, command: str) -> TaskConfig:
    return TaskConfig(name=name, unique_name=False, command=command)


def dashboard(environment: Environment) -> Screen:
    return Screen([sys.executable, "-m", "flow_tui"], environment, columns=120, rows=36)

"""State directories with thousands of ended tasks: real records, written by the agent's own writers, without any run.

One real task is the pattern. Each size is made once for a whole run of the benchmarks.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.world import Environment, isolated, run_one

from flow_core.agent.layout import TaskFolder
from flow_core.agent.machine_id import make_new_id
from flow_core.agent.spec import StoredSpec
from flow_core.agent.task_state import TaskState

APART_S = 600.0
"""The time between the submits of two ended tasks."""


@contextmanager
def ended_world(count: int, purpose: str = "") -> Iterator[Environment]:
    """The environment of a dashboard with so many ended tasks.

    In a run of several parts all of the same `purpose` share it, so a few more tasks may have ended there.
    """
    shared = os.environ.get("FLOW_BENCH_SHARED")
    if shared is None:
        with (
            tempfile.TemporaryDirectory(prefix="flow-bench-", dir=_tmpfs()) as folder,
            _opened(Path(folder), count) as it,
        ):
            yield it
        return
    folder_ = Path(shared) / f"ended-{count}{purpose}"
    folder_.mkdir(exist_ok=True)
    with _opened(folder_, count) as it:
        yield it


@contextmanager
def _opened(folder: Path, count: int) -> Iterator[Environment]:
    with isolated(folder) as environment:
        if not (folder / "done").exists():
            _fill(Path(environment["FLOW_STATE_DIR"]), count)
            (folder / "done").touch()
        yield environment


def _fill(state: Path, count: int) -> None:
    if count == 0:
        return
    run_one("past-0", "for i in 1 2 3 4 5; do echo step $i loss 0.$i; done")
    (path,) = state.glob("local/*/contexts/local/tasks/task_*")
    pattern = TaskFolder(path)
    spec, ended = StoredSpec.read(pattern.spec), TaskState.read(pattern.state)
    assert spec is not None
    assert ended is not None
    began = time.time() - count * APART_S
    for number in range(count):
        folder = pattern if number == 0 else TaskFolder(path.with_name(make_new_id("task")))
        if number:
            shutil.copytree(path / "attempt-0", folder.path / "attempt-0")
            folder.path.chmod(0o700)
        at = began + number * APART_S
        name = f"past-{number}"
        config = spec.config | {"name": name}
        spec._replace(seq=spec.seq + number, name=name, created_at=at, config=config).write(folder.spec)
        ended.started_at, ended.completed_at = at + 1, at + 31
        ended.write(folder.state)
    (pattern.root / "queue" / "counter.json").unlink()  # the next submit counts the tasks anew


def _tmpfs() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None

"""Every record of a machine may hold anything: one thing is broken, has a reason, and all others go on."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import end_tasks
from testbed.tables import each
from testbed.waiting import wait_until

from flow_core import Flow
from flow_core.config import Context
from flow_core.errors import Conflict, FlowError
from flow_core.models.task import TaskStatus

PORT = 18431


def _write(content: str) -> Callable[[Path, bytes], None]:
    return lambda path, before: path.write_text(content) and None


def _cut(path: Path, before: bytes) -> None:
    path.write_bytes(before[: len(before) // 2])


def _newer(path: Path, before: bytes) -> None:
    path.write_text(json.dumps({**json.loads(before or b"{}"), "version": 2, "more": {"deep": [1]}}))


def _unknown(path: Path, before: bytes) -> None:
    path.write_text(json.dumps({"version": 2, "all": "else"}))


def _folder(path: Path, before: bytes) -> None:
    path.mkdir()
    (path / "file").touch()


def _socket(path: Path, before: bytes) -> None:
    os.chdir(path.parent)  # the whole path is too long for one
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


CONTENTS: dict[str, Callable[[Path, bytes], None]] = {
    "garbage": _write("\0\x1b[31mgarbage"),
    "empty": _write(""),
    "deep": _write("[" * 100_000),
    "cut": _cut,
    "newer": _newer,
    "unknown": _unknown,
    "folder": _folder,
    "pipe": lambda path, before: os.mkfifo(path),
    "socket": _socket,
    "loop": lambda path, before: path.symlink_to(path.name),
}
STARTED_WITH = ("garbage", "pipe")
"""With these a further task is started; a pipe would hold up whoever opens it."""
OF_THE_TASK = ("spec.json", "state.json", "mounts.json", "cancel.json", "alive.lock")
RECORDS = (*OF_THE_TASK, "lease", "lease.lock", "ticket", "counter", "queue.lock", "reservation", "volume", "port")
REASON = "its record is broken: "
NEWER = "written by a newer version of flow; update this one"


class World(NamedTuple):
    """One task that runs on a GPU with a volume and a port, one that waits for GPUs, one that has ended."""

    state: Path
    root: Path
    ended: str
    runs: str
    waits: str
    volume: str
    reservation: str

    def path(self, record: str) -> Path:
        task = self.root / "contexts" / "local" / "tasks" / self.runs
        if record in OF_THE_TASK:
            return task / record
        gpu, _ = json.loads((task / "state.json").read_text())["gpus"]
        (ticket,) = self.root.glob("queue/0*.json") if record == "ticket" else (Path(),)
        return {
            "lease": self.root / "gpus" / f"{gpu}.json",
            "lease.lock": self.root / "gpus" / f"{gpu}.lock",
            "ticket": ticket,
            "counter": self.root / "queue" / "counter.json",
            "queue.lock": self.root / "queue" / ".lock",
            "reservation": self.root / "reservations" / f"{self.reservation}.json",
            "volume": self.root / "contexts" / "local" / "volumes" / self.volume / "record.json",
            "port": self.root / "ports" / f"{PORT}.json",
        }[record]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    state = tmp_path_factory.mktemp("broken") / "state"
    with pytest.MonkeyPatch.context() as patch:
        _enter(patch, state)
        with Flow(Context("local", "local")) as flow:
            volume = flow.create_volume(1, "data")
            held = flow.reserve("a100:1")
            ended = flow.submit("true")
            mount = {"volume_id": volume.volume_id, "mount_path": "/data"}
            runs = flow.submit("sleep 1000", instance_type="a100:2", ports=[PORT], volumes=[mount])
            waits = flow.submit("sleep 1000", instance_type="a100:4")
            wait_until(lambda: flow.get_task(runs.task_id).status is TaskStatus.RUNNING)
            wait_until(lambda: flow.get_task(ended.task_id).status is TaskStatus.COMPLETED)
            wait_until(lambda: flow.get_task(waits.task_id).message.startswith("waiting"))
        (root,) = state.glob("local/*")
        yield World(state, root, ended.task_id, runs.task_id, waits.task_id, volume.volume_id, held.id)
    end_tasks(state)


def _enter(patch: pytest.MonkeyPatch, state: Path) -> None:
    patch.setenv("FLOW_STATE_DIR", str(state))
    patch.setenv("FLOW_LOCAL_GPUS", "a100:5")
    patch.setenv("FLOW_LOCAL_GRACE_S", "0.2")


@contextmanager
def _damaged(path: Path, content: str) -> Iterator[None]:
    """Inside the block the record has that content; then it is as before."""
    before = path.read_bytes() if path.exists() else None
    beside = set(path.parent.iterdir())
    kept = path.with_name("kept")  # the lock stays on the very file
    if before is not None:
        path.rename(kept)
    here = Path.cwd()
    try:
        CONTENTS[content](path, before or b"")
        os.chdir(here)
        yield
    finally:
        for new in {path, *path.parent.iterdir()} - (beside - {path}) - {kept}:
            shutil.rmtree(new) if new.is_dir() and not new.is_symlink() else new.unlink(missing_ok=True)
        if before is not None:
            kept.rename(path)


@pytest.mark.parametrize("record", RECORDS)
@each("content", CONTENTS)
def test_a_broken_record_has_a_reason_and_takes_nothing_from_anybody(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, record: str, content: str
) -> None:
    _enter(monkeypatch, world.state)
    monkeypatch.chdir(tmp_path)
    with _damaged(world.path(record), content), Flow(Context("local", "local")) as flow:  # it has seen no record yet
        tasks = {task.task_id: task for task in flow.list_tasks(limit=1000)}
        assert tasks[world.ended].status is TaskStatus.COMPLETED
        assert (tasks[world.waits].status, tasks[world.waits].message[:7]) == (TaskStatus.PENDING, "waiting")
        for task_id in (world.ended, world.runs, world.waits):
            assert flow.get_task(task_id).status is tasks[task_id].status
            flow.logs(task_id)
        _check_the_task(flow, tasks[world.runs], record, content)
        _check_what_it_holds(world, flow, record, content)
        if content in STARTED_WITH:
            assert flow.submit("true").wait().status is TaskStatus.COMPLETED
        if record == "ticket" and content != "unknown":
            _check_the_line(flow)


def _check_the_task(flow: Flow, task: Any, record: str, content: str) -> None:
    is_newer = content in ("newer", "unknown")
    names_it = record in ("spec.json", "state.json", "mounts.json")
    assert task.status is TaskStatus.RUNNING or (record == "state.json" and task.status is TaskStatus.PENDING)
    assert (NEWER in task.message) == (names_it and is_newer)
    assert task.message.startswith(REASON) == (names_it and not is_newer)
    if record in ("spec.json", "state.json") and not is_newer:
        with pytest.raises(Conflict, match="can't be cancelled: its record is broken: "):
            flow.cancel(task.task_id)


def _check_what_it_holds(world: World, flow: Flow, record: str, content: str) -> None:
    keeps = record != "reservation" or content == "newer"
    (offer,) = [one for one in flow.find_instances({"instance_type": "a100"}) if one.gpu_count == 1]
    assert offer.free_gpus == (2 if keeps else 3), "its GPU is nobody else's"
    flow.reservation_availability({"instance_type": "a100"})
    assert [one.id for one in flow.list_reservations()] == [world.reservation]
    assert len(flow.list_volumes()) == (1 if record != "volume" or content == "newer" else 0)
    with pytest.raises(FlowError):
        flow.delete_volume(world.volume)
    with pytest.raises(Conflict, match=f"{PORT} is reserved"):
        flow.submit("true", ports=[PORT])


def _check_the_line(flow: Flow) -> None:
    """Nobody got before the one whose ticket was broken."""
    behind = flow.submit("true", instance_type="a100")
    wait_until(lambda: behind.refresh().message or behind.is_terminal)
    assert "1 task ahead" in behind.message
    flow.cancel(behind.task_id)
    wait_until(lambda: flow.get_task(behind.task_id).status is TaskStatus.CANCELLED)

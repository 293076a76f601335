"""Where everything of the local provider lies.

ROOT/                       the machine's own folder under the state directory
  bin/agent-HASH/           a copy of the agent for each version that started a task
  gpus/                     who holds which GPU, one lock and one lease a GPU
  queue/                    the counter of submissions, the tickets of those who wait for GPUs
  ports/                    who has promised to serve which port
  reservations/             one file a reservation, those that are over in past/
  ssh/                      the keys, the record and the log of the SSH server
  contexts/NAME/tasks/ID/   spec.json state.json mounts.json attempt-A/rank-R.{log,idx}
                            data/N (copies of what was fetched for it, while it lasts)
  contexts/NAME/volumes/ID/ record.json data/
  contexts/NAME/incoming/ID code of a task that is about to be submitted, which becomes its work/
  contexts/NAME/pruned/     one file for each idempotency key of a pruned task
  contexts/NAME/pruning.json when the context was last pruned without anybody asking
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.safe_folders import check_folders
from flow_core.agent.spool import SpoolFiles

OVER_SSH = "_hosts"
"""The folder of the tasks that come over SSH; no context of a user can be called so."""
TRASH_PREFIX = ".deleted-"
"""How the name begins of what any sweep may remove."""


class TaskFolder(NamedTuple):
    """The files of one task."""

    path: Path

    @property
    def task_id(self) -> str:
        return self.path.name

    @property
    def context(self) -> str:
        return self.path.parents[1].name

    @property
    def root(self) -> Path:
        """The machine's folder, which every context shares."""
        return self.path.parents[3]

    @property
    def name_in_records(self) -> str:
        """How other records name it: its path below the machine's folder."""
        return str(self.path.relative_to(self.root))

    @property
    def volumes_lock(self) -> Path:
        return self.path.parents[1] / "volumes" / ".lock"

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def state(self) -> Path:
        return self.path / "state.json"

    @property
    def mounts(self) -> Path:
        return self.path / "mounts.json"

    @property
    def cancel(self) -> Path:
        return self.path / "cancel.json"

    @property
    def credentials(self) -> Path:
        """Keys for S3 that a client sent along; gone once the data is there."""
        return self.path / "credentials.json"

    @property
    def start(self) -> Path:
        """A client's order to take the GPUs of this part of a task, and then to start it."""
        return self.path / "start.json"

    @property
    def start_lock(self) -> Path:
        return self.path / "start.lock"

    @property
    def client(self) -> Path:
        """Touched while a client looks at this part of a task."""
        return self.path / "client"

    @property
    def spare(self) -> Path:
        """Room for the last record, given back when it is written."""
        return self.path / "spare"

    @property
    def alive_lock(self) -> Path:
        """Held by the supervisor for as long as it lives, or by whoever cleans up after it."""
        return self.path / "alive.lock"

    @property
    def links(self) -> Path:
        """Symbolic links to the task's volumes, by name."""
        return self.path / "volumes"

    @property
    def work(self) -> Path:
        """Where a task from another machine works unless it is told where: the code that came with it."""
        return self.path / "work"

    @property
    def copies(self) -> Path:
        """Holds what was fetched for the task, one entry a mount; they are gone when the task is over."""
        return self.path / "data"

    def trash_copy_path(self, name: str) -> Path:
        """Where a copy goes in one step, before it is removed."""
        return self.path.with_name(f"{TRASH_PREFIX}{self.path.name}-data-{name}")

    @property
    def found(self) -> Path:
        """Where the task finds its copies when they can't be mounted: symbolic links by their targets."""
        return self.path / "mounts"

    def spool(self, attempt: int = 0, rank: int = 0) -> SpoolFiles:
        return SpoolFiles.at(self.path / f"attempt-{attempt}" / f"rank-{rank}")


class Layout(NamedTuple):
    """The folders of one context on this machine."""

    root: Path
    context: str

    @property
    def tasks(self) -> Path:
        return self.root / "contexts" / self.context / "tasks"

    @property
    def volumes(self) -> Path:
        return self.root / "contexts" / self.context / "volumes"

    @property
    def volumes_lock(self) -> Path:
        return self.volumes / ".lock"

    @property
    def incoming(self) -> Path:
        """What clients send before they submit, one folder a task."""
        return self.root / "contexts" / self.context / "incoming"

    @property
    def pruned(self) -> Path:
        return self.root / "contexts" / self.context / "pruned"

    @property
    def last_pruning(self) -> Path:
        return self.root / "contexts" / self.context / "pruning.json"

    def task(self, task_id: str) -> TaskFolder:
        return TaskFolder(self.tasks / task_id)

    def make(self) -> None:
        """Raises UnsafeFolder, OSError."""
        check_folders(self.root, self.context)
        for folder in (self.tasks, self.volumes, self.root / "gpus", self.root / "queue"):
            make_private_folder(folder)


def iter_tasks(root: Path) -> Iterator[TaskFolder]:
    """The tasks of all contexts of this machine, in no order."""
    for spec in root.glob("contexts/*/tasks/task_*/spec.json"):
        yield TaskFolder(spec.parent)


def find_task_folder(root: Path, named: object) -> TaskFolder | None:
    """The task that a record names, by its path below the machine's folder; None for what can't be one."""
    parts = named.split("/") if isinstance(named, str) else []
    if len(parts) != 4 or parts[0] != "contexts" or parts[2] != "tasks" or {"", ".", ".."}.intersection(parts):
        return None
    return TaskFolder(root.joinpath(*parts))


def container_name(task_id: str, attempt: int, rank: int) -> str:
    return f"{container_name_prefix(task_id)}{attempt}-{rank}"


def container_name_prefix(task_id: str) -> str:
    """What the names of all containers of a task begin with."""
    return f"flow-{task_id}-"

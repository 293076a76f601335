"""The folders and files of the agent on one machine.

ROOT/                       the machine's own folder under the state directory
  bin/agent-HASH/           a copy of the agent for each version that started a task
  gpus/                     one lock and one lease per GPU
  queue/                    the counter of submissions, and the tickets of tasks that wait for GPUs
  ports/                    the task that each served port is reserved for
  reservations/             one file per reservation; ended ones are in past/
  ssh/                      the keys, the record and the log of the SSH server
  contexts/NAME/tasks/ID/   spec.json state.json mounts.json attempt-A/rank-R.{log,idx}
                            data/N (copies of fetched data, while the task lasts)
  contexts/NAME/volumes/ID/ record.json data/
  contexts/NAME/incoming/ID code of a task that is about to be submitted; becomes the task's work/
  contexts/NAME/pruned/     one file per idempotency key of a pruned task
  contexts/NAME/pruning.json time of the context's last automatic pruning
  contexts/NAME/ended.*     the index of ended tasks with their reports, a cache of their folders; a lock
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.folder_ownership import check_folders
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.spool import SpoolFiles

OVER_SSH = "_hosts"
"""The context of tasks that arrive over SSH; no context of a user can have this name."""
TRASH_PREFIX = ".deleted-"
"""Prefix of folders that the garbage collection may remove."""


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
        """The machine's folder, which all contexts share."""
        return self.path.parents[3]

    @property
    def name_in_records(self) -> str:
        """The path below the machine's folder, by which other records name this task."""
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
        """Keys for S3 that a client sent; removed once the data is fetched."""
        return self.path / "credentials.json"

    @property
    def start(self) -> Path:
        """A client's order to hold the GPUs of this part of a task, and then to start it."""
        return self.path / "start.json"

    @property
    def start_lock(self) -> Path:
        return self.path / "start.lock"

    @property
    def client(self) -> Path:
        """The file whose mtime is the last time that a client checked this part of a task."""
        return self.path / "client"

    @property
    def reserved_space(self) -> Path:
        """The file that reserves disk space for the last record; removed when that record is written."""
        return self.path / "spare"

    @property
    def alive_lock(self) -> Path:
        """The lock that the supervisor holds while it lives, or the process that cleans up after it."""
        return self.path / "alive.lock"

    @property
    def links(self) -> Path:
        """Symbolic links to the task's volumes, by name."""
        return self.path / "volumes"

    @property
    def work(self) -> Path:
        """The code that came with a task from another machine, and its default working directory."""
        return self.path / "work"

    @property
    def copies(self) -> Path:
        """The data that was fetched for the task, one entry per mount; removed when the task ends."""
        return self.path / "data"

    def trash_copy_path(self, name: str) -> Path:
        """Returns the path to which a copy is renamed before it is removed."""
        return self.path.with_name(f"{TRASH_PREFIX}{self.path.name}-data-{name}")

    @property
    def mount_links(self) -> Path:
        """Symbolic links to the copies, by their mount targets, for a machine that can't mount them."""
        return self.path / "mounts"

    def get_spool(self, attempt: int = 0, rank: int = 0) -> SpoolFiles:
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
        """Code that clients send before they submit, one folder per task."""
        return self.root / "contexts" / self.context / "incoming"

    @property
    def pruned(self) -> Path:
        return self.root / "contexts" / self.context / "pruned"

    @property
    def last_pruning(self) -> Path:
        return self.root / "contexts" / self.context / "pruning.json"

    @property
    def ended_index(self) -> Path:
        """The index of ended tasks: a cache, which may be removed at any time."""
        return self.root / "contexts" / self.context / "ended.index"

    @property
    def ended_reports(self) -> Path:
        """The reports to which the lines of the index point."""
        return self.root / "contexts" / self.context / "ended.reports"

    @property
    def ended_lock(self) -> Path:
        return self.root / "contexts" / self.context / "ended.lock"

    def task(self, task_id: str) -> TaskFolder:
        return TaskFolder(self.tasks / task_id)

    def make(self) -> None:
        """Creates the folders. Raises UnsafeFolder, OSError."""
        check_folders(self.root, self.context)
        for folder in (self.tasks, self.volumes, self.root / "gpus", self.root / "queue"):
            make_private_folder(folder)


def iter_tasks(root: Path) -> Iterator[TaskFolder]:
    """Yields the tasks of all contexts of this machine, in no order."""
    for spec in root.glob("contexts/*/tasks/task_*/spec.json"):
        yield TaskFolder(spec.parent)


def find_task_folder(root: Path, name: object) -> TaskFolder | None:
    """Returns the folder of the task with this path in a record, below the machine's folder; None if it is invalid."""
    parts = name.split("/") if isinstance(name, str) else []
    if len(parts) != 4 or parts[0] != "contexts" or parts[2] != "tasks" or {"", ".", ".."}.intersection(parts):
        return None
    return TaskFolder(root.joinpath(*parts))


def make_container_name(task_id: str, attempt: int, rank: int) -> str:
    return f"{make_container_name_prefix(task_id)}{attempt}-{rank}"


def make_container_name_prefix(task_id: str) -> str:
    """Returns the prefix of the names of all containers of a task."""
    return f"flow-{task_id}-"

"""Code into tasks of this machine: a copy into the task's folder, or to where one of its mounts really is."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flow_core.agent.mount_records import read_mounts
from flow_core.agent.records import MalformedRecord
from flow_core.agent.tasks import TaskStore
from flow_core.errors import ConfigError, Conflict, NotFound
from flow_core.providers.local.task_access.copying import copy_file
from flow_core.providers.over_agent.in_process_agent import call_agent

if TYPE_CHECKING:
    from flow_core.upload.report import OnProgress, UploadResult

_WORKSPACE = PurePosixPath("/workspace")


class LocalUploads:
    """Sends what changed of a folder to where an unfinished task sees it."""

    def __init__(self, tasks: TaskStore) -> None:
        self._tasks = tasks

    async def upload(
        self,
        task_id: str,
        source_dir: Path,
        target_dir: str,
        *,
        git_incremental: bool | None = None,
        timeout_s: float = 600,
        on_progress: OnProgress | None = None,
    ) -> UploadResult:
        from flow_core.upload.folder_upload import upload
        from flow_core.upload.local_folder import LocalFolder  # deferred: looking at tasks needs none of it

        place = await call_agent(self._place, task_id, target_dir)
        return await upload(
            source_dir,
            LocalFolder(place),
            timeout_s=timeout_s,
            git_incremental=git_incremental,
            on_progress=on_progress,
        )

    async def put_file(self, task_id: str, source: Path, target: str, *, node: int = 0) -> None:
        place = await call_agent(self._file, task_id, target, node, "target")
        await copy_file(source, place)

    async def get_file(self, task_id: str, source: str, target: Path, *, node: int = 0) -> None:
        place = await call_agent(self._file, task_id, source, node, "source")
        await copy_file(place, target)

    def _place(self, task_id: str, target_dir: str) -> Path:
        """The folder of this machine that an unfinished task sees at `target_dir`."""
        report = self._tasks.get(task_id).report
        if report.is_over:
            raise Conflict(f"task {task_id} is {report.status}; code can only be sent to an unfinished one")
        return self._seen(task_id, target_dir, "target_dir", is_written=True)

    def _file(self, task_id: str, path: str, node: int, field: str) -> Path:
        """The file of this machine that a task sees, or saw, at `path`. Raises Conflict where its folder is gone."""
        ranks = self._tasks.get(task_id).report.ranks
        if not 0 <= node < ranks:
            raise ConfigError(f"node: task {task_id} has {ranks}, counted from 0", field="node")
        place = self._seen(task_id, path, field, is_written=field == "target")
        if not place.parent.is_dir():
            home = Path(self._tasks.get(task_id).report.working_dir)
            gone = f"the files of task {task_id} are gone: {home} does not exist any more"
            raise NotFound(f"task {task_id} has no folder {str(place.parent)!r}") if home.is_dir() else Conflict(gone)
        return place

    def _seen(self, task_id: str, path: str, field: str, *, is_written: bool) -> Path:
        """What of this machine the task sees at `path`."""
        standing = self._tasks.get(task_id)
        try:
            mounts = read_mounts(self._tasks.folder(task_id))[0]
        except MalformedRecord as error:
            raise Conflict(f"the files of task {task_id} can't be reached: {error}") from error
        if standing.spec is None:
            raise Conflict(f"the files of task {task_id} can't be reached: {standing.problem}")
        home = PurePosixPath(standing.spec.working_dir)
        if "\0" in path:
            raise ConfigError(f"{field}: {path!r} is no path", field=field)
        container = standing.spec.container
        start = home if container is None else PurePosixPath(container.working_dir)
        wanted = _tidy(start / (os.path.expanduser(path) if container is None else path))
        if wanted.is_relative_to(_WORKSPACE) and _mount_over(wanted, mounts) is None:
            wanted = home / wanted.relative_to(_WORKSPACE)
            if container is not None:
                return Path(wanted)
        mount = _mount_over(wanted, mounts)
        if mount is None and container is not None:
            raise ConfigError(
                f"{field}: {path!r} is in the image of task {task_id}; choose /workspace or one of its mounts",
                field=field,
            )
        if mount is None:
            return Path(wanted)
        if is_written and mount.get("read_only"):
            raise ConfigError(
                f"{field}: {mount['target']!r} is mounted read-only in task {task_id}; choose another folder",
                field=field,
            )
        return Path(mount["source"], wanted.relative_to(_tidy(PurePosixPath(mount["target"]))))


def _mount_over(path: PurePosixPath, mounts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The innermost mount that a path lies in."""
    over = [mount for mount in mounts if path.is_relative_to(_tidy(PurePosixPath(mount["target"])))]
    return max(over, key=lambda mount: len(_tidy(PurePosixPath(mount["target"])).parts), default=None)


def _tidy(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(os.path.normpath(path))

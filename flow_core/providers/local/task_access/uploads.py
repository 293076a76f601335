"""Uploads into tasks of this machine: copies into the task's folder, or into the source of one of its mounts."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flow_core.agent.mount_records import read_mounts
from flow_core.agent.records import MalformedRecord
from flow_core.agent.tasks import TaskStore
from flow_core.errors import ConfigError, Conflict, NotFound
from flow_core.providers.over_agent.in_process_agent import call_agent
from flow_core.providers.this_machine.copying import copy_file

if TYPE_CHECKING:
    from flow_core.upload.report import OnProgress, UploadResult

_WORKSPACE = PurePosixPath("/workspace")


class LocalUploads:
    """Uploads of the changed files of a folder to a path that an unfinished task sees."""

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
        from flow_core.upload.local_folder import LocalFolder  # lazy import: not needed to list tasks

        local_path = await call_agent(self._resolve_target_folder, task_id, target_dir)
        return await upload(
            source_dir,
            LocalFolder(local_path),
            timeout_s=timeout_s,
            git_incremental=git_incremental,
            on_progress=on_progress,
        )

    async def put_file(self, task_id: str, source: Path, target: str, *, node: int = 0) -> None:
        local_path = await call_agent(self._resolve_file, task_id, target, node, "target")
        await copy_file(source, local_path)

    async def get_file(self, task_id: str, source: str, target: Path, *, node: int = 0) -> None:
        local_path = await call_agent(self._resolve_file, task_id, source, node, "source")
        await copy_file(local_path, target)

    def _resolve_target_folder(self, task_id: str, target_dir: str) -> Path:
        """Returns the folder on this machine that an unfinished task sees at `target_dir`."""
        report = self._tasks.get(task_id).report
        if report.is_over:
            raise Conflict(f"task {task_id} is {report.status}; code can only be sent to an unfinished one")
        return self._resolve_path(task_id, target_dir, "target_dir", is_written=True)

    def _resolve_file(self, task_id: str, path: str, node: int, field: str) -> Path:
        """Returns the file on this machine for a path in the task. Raises Conflict if the task's folder was removed."""
        ranks = self._tasks.get(task_id).report.ranks
        if not 0 <= node < ranks:
            raise ConfigError(f"node: task {task_id} has {ranks}, counted from 0", field="node")
        local_path = self._resolve_path(task_id, path, field, is_written=field == "target")
        if not local_path.parent.is_dir():
            home = Path(self._tasks.get(task_id).report.working_dir)
            gone = f"the files of task {task_id} are gone: {home} does not exist any more"
            missing = f"task {task_id} has no folder {str(local_path.parent)!r}"
            raise NotFound(missing) if home.is_dir() else Conflict(gone)
        return local_path

    def _resolve_path(self, task_id: str, path: str, field: str, *, is_written: bool) -> Path:
        """Returns the path on this machine for a path in the task."""
        task = self._tasks.get(task_id)
        try:
            mounts = read_mounts(self._tasks.get_folder(task_id))[0]
        except MalformedRecord as error:
            raise Conflict(f"the files of task {task_id} can't be reached: {error}") from error
        if task.spec is None:
            raise Conflict(f"the files of task {task_id} can't be reached: {task.problem}")
        home = PurePosixPath(task.spec.working_dir)
        if "\0" in path:
            raise ConfigError(f"{field}: {path!r} is no path", field=field)
        container = task.spec.container
        start = home if container is None else PurePosixPath(container.working_dir)
        task_path = _normalize(start / (os.path.expanduser(path) if container is None else path))
        if task_path.is_relative_to(_WORKSPACE) and _find_mount(task_path, mounts) is None:
            task_path = home / task_path.relative_to(_WORKSPACE)
            if container is not None:
                return Path(task_path)
        mount = _find_mount(task_path, mounts)
        if mount is None and container is not None:
            raise ConfigError(
                f"{field}: {path!r} is in the image of task {task_id}; choose /workspace or one of its mounts",
                field=field,
            )
        if mount is None:
            return Path(task_path)
        if is_written and mount.get("read_only"):
            raise ConfigError(
                f"{field}: {mount['target']!r} is mounted read-only in task {task_id}; choose another folder",
                field=field,
            )
        return Path(mount["source"], task_path.relative_to(_normalize(PurePosixPath(mount["target"]))))


def _find_mount(path: PurePosixPath, mounts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Returns the innermost mount that contains the path."""
    containing = [mount for mount in mounts if path.is_relative_to(_normalize(PurePosixPath(mount["target"])))]
    return max(containing, key=lambda mount: len(_normalize(PurePosixPath(mount["target"])).parts), default=None)


def _normalize(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(os.path.normpath(path))

"""Code into tasks of this machine: a copy into the task's folder, or to where one of its mounts really is."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError, Conflict
from flow_core.providers.local.tasks import TaskShelf
from flow_core.providers.offload import offload
from flow_core.providers.records import read_json

if TYPE_CHECKING:
    from flow_core.upload.report import OnProgress, UploadResult

_WORKSPACE = PurePosixPath("/workspace")


class LocalUploads:
    """Sends what changed of a folder to where an unfinished task sees it."""

    def __init__(self, tasks: TaskShelf) -> None:
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
        from flow_core.upload.folder import LocalFolder  # deferred: looking at tasks needs none of it
        from flow_core.upload.sync import upload

        place = await offload(self._place, task_id, target_dir)
        return await upload(
            source_dir,
            LocalFolder(place),
            timeout_s=timeout_s,
            git_incremental=git_incremental,
            on_progress=on_progress,
        )

    def _place(self, task_id: str, target_dir: str) -> Path:
        """The folder of this machine that the task sees at `target_dir`."""
        standing = self._tasks.get(task_id)
        if standing.record.is_terminal:
            raise Conflict(f"task {task_id} is {standing.record.status}; code can only be sent to an unfinished one")
        mounts = (read_json(self._tasks.folder(task_id).mounts) or {}).get("mounts", [])
        home = PurePosixPath(standing.spec["working_dir"])
        if "\0" in target_dir:
            raise ConfigError(f"target_dir: {target_dir!r} is no path", field="target_dir")
        container = standing.spec.get("container")
        start = home if container is None else PurePosixPath(container["working_dir"])
        wanted = _tidy(start / (os.path.expanduser(target_dir) if container is None else target_dir))
        if wanted.is_relative_to(_WORKSPACE) and _mount_over(wanted, mounts) is None:
            wanted = home / wanted.relative_to(_WORKSPACE)
            if container is not None:
                return Path(wanted)
        mount = _mount_over(wanted, mounts)
        if mount is None and container is not None:
            raise ConfigError(
                f"target_dir: {target_dir!r} is in the image of task {task_id}; choose /workspace or one of its mounts",
                field="target_dir",
            )
        if mount is None:
            return Path(wanted)
        if mount.get("read_only"):
            raise ConfigError(
                f"target_dir: {mount['target']!r} is mounted read-only in task {task_id}; choose another folder",
                field="target_dir",
            )
        return Path(mount["source"], wanted.relative_to(_tidy(PurePosixPath(mount["target"]))))


def _mount_over(path: PurePosixPath, mounts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The innermost mount that a path lies in."""
    over = [mount for mount in mounts if path.is_relative_to(_tidy(PurePosixPath(mount["target"])))]
    return max(over, key=lambda mount: len(_tidy(PurePosixPath(mount["target"])).parts), default=None)


def _tidy(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(os.path.normpath(path))

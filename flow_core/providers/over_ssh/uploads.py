"""Uploads into running tasks over SSH: the changed files, into the task's directory or elsewhere on its machine."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.task_nodes import TaskLocator, TaskNode
    from flow_core.upload.report import OnProgress, UploadResult

_WORKSPACE = PurePosixPath("/workspace")
_USER_HOME = re.compile(r"~[A-Za-z0-9_][A-Za-z0-9._-]*")
_COMMAND_S = 30.0


class SshUploads:
    """Uploads of the changed files of a folder to a path that a running task sees."""

    def __init__(self, locator: TaskLocator) -> None:
        self._locator = locator

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
        from flow_core.upload.folder_upload import upload  # lazy import: not needed to list tasks

        task_node = await self._locator.locate(task_id, 0)
        folder = task_node.host.folder(await _resolve_path(task_node, target_dir, "target_dir"))
        return await upload(
            source_dir, folder, timeout_s=timeout_s, git_incremental=git_incremental, on_progress=on_progress
        )

    async def put_file(self, task_id: str, source: Path, target: str, *, node: int = 0) -> None:
        task_node = await self._locator.locate(task_id, node, also_ended=True)
        await task_node.host.files.upload(source, await _resolve_path(task_node, target, "target"))

    async def get_file(self, task_id: str, source: str, target: Path, *, node: int = 0) -> None:
        task_node = await self._locator.locate(task_id, node, also_ended=True)
        await task_node.host.files.download(await _resolve_path(task_node, source, "source"), target)


async def _resolve_path(task_node: TaskNode, path: str, field: str) -> str:
    """Returns the path on the host that the task sees as `path`. Raises ConfigError."""
    if "\0" in path or not _is_text(path):
        raise ConfigError(f"{field}: {path!r} is no path", field=field)
    first, slash, rest = path.partition("/")
    if first.startswith("~"):
        path = await _expand_home(task_node, first) + slash + rest
    resolved = PurePosixPath(posixpath.normpath(posixpath.join(task_node.directory, path)))
    if resolved.is_relative_to(_WORKSPACE):
        resolved = PurePosixPath(task_node.directory, resolved.relative_to(_WORKSPACE))
    return str(resolved)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False  # commands are sent in UTF-8
    return True


async def _expand_home(task_node: TaskNode, word: str) -> str:
    """Expands `~` or `~user` on the host; returns it unchanged if it can't be expanded, as a shell does."""
    if word != "~" and not _USER_HOME.fullmatch(word):
        return word
    result = await task_node.host.run(f"printf %s {word}", timeout_s=_COMMAND_S)
    return result.stdout.decode("utf-8", "replace") or word

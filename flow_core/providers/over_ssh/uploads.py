"""Code into running tasks, over SSH: what changed, into the task's directory or anywhere else on its machine."""

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
_SOMEBODY = re.compile(r"~[A-Za-z0-9_][A-Za-z0-9._-]*")
_ASK_S = 30.0


class SshUploads:
    """Sends what changed of a folder to where a running task sees it."""

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
        from flow_core.upload.folder_upload import upload  # deferred: looking at tasks needs none of it

        task_node = await self._locator.locate(task_id, 0)
        folder = task_node.host.folder(await _path(task_node, target_dir, "target_dir"))
        return await upload(
            source_dir, folder, timeout_s=timeout_s, git_incremental=git_incremental, on_progress=on_progress
        )

    async def put_file(self, task_id: str, source: Path, target: str, *, node: int = 0) -> None:
        task_node = await self._locator.locate(task_id, node, also_ended=True)
        await task_node.host.files.upload(source, await _path(task_node, target, "target"))

    async def get_file(self, task_id: str, source: str, target: Path, *, node: int = 0) -> None:
        task_node = await self._locator.locate(task_id, node, also_ended=True)
        await task_node.host.files.download(await _path(task_node, source, "source"), target)


async def _path(task_node: TaskNode, path: str, field: str) -> str:
    """The path of the host that the task sees as `path`. Raises ConfigError."""
    if "\0" in path or not _is_text(path):
        raise ConfigError(f"{field}: {path!r} is no path", field=field)
    first, slash, rest = path.partition("/")
    if first.startswith("~"):
        path = await _home(task_node, first) + slash + rest
    wanted = PurePosixPath(posixpath.normpath(posixpath.join(task_node.directory, path)))
    if wanted.is_relative_to(_WORKSPACE):
        wanted = PurePosixPath(task_node.directory, wanted.relative_to(_WORKSPACE))
    return str(wanted)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False  # a host is told its commands in UTF-8
    return True


async def _home(task_node: TaskNode, word: str) -> str:
    """What `~` or `~somebody` means on the host; as it stands where it means nothing there, as in a shell."""
    if word != "~" and not _SOMEBODY.fullmatch(word):
        return word
    said = await task_node.host.run(f"printf %s {word}", timeout_s=_ASK_S)
    return said.stdout.decode("utf-8", "replace") or word

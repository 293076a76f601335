"""Code into running tasks, over SSH: what changed, into the task's directory or anywhere else on its machine."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.places import Place, Places
    from flow_core.upload.report import OnProgress, UploadResult

_WORKSPACE = PurePosixPath("/workspace")
_SOMEBODY = re.compile(r"~[A-Za-z0-9_][A-Za-z0-9._-]*")
_ASK_S = 30.0


class SshUploads:
    """Sends what changed of a folder to where a running task sees it."""

    def __init__(self, places: Places) -> None:
        self._places = places

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
        from flow_core.upload.sync import upload  # deferred: looking at tasks needs none of it

        place = await self._places.place(task_id, 0)
        folder = place.host.folder(await _folder(place, target_dir))
        return await upload(
            source_dir, folder, timeout_s=timeout_s, git_incremental=git_incremental, on_progress=on_progress
        )


async def _folder(place: Place, target_dir: str) -> str:
    """The folder of the host that the task sees at `target_dir`. Raises ConfigError."""
    if "\0" in target_dir or not _is_text(target_dir):
        raise ConfigError(f"target_dir: {target_dir!r} is no path", field="target_dir")
    first, slash, rest = target_dir.partition("/")
    if first.startswith("~"):
        target_dir = await _home(place, first) + slash + rest
    wanted = PurePosixPath(posixpath.normpath(posixpath.join(place.directory, target_dir)))
    if wanted.is_relative_to(_WORKSPACE):
        wanted = PurePosixPath(place.directory, wanted.relative_to(_WORKSPACE))
    return str(wanted)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False  # a host is told its commands in UTF-8
    return True


async def _home(place: Place, word: str) -> str:
    """What `~` or `~somebody` means on the host; as it stands where it means nothing there, as in a shell."""
    if word != "~" and not _SOMEBODY.fullmatch(word):
        return word
    said = await place.host.run(f"printf %s {word}", timeout_s=_ASK_S)
    return said.stdout.decode("utf-8", "replace") or word

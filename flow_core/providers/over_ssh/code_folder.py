"""The code of a task: which folder of this machine, and how it is sent to the machine that runs the task."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, printable

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.over_ssh.task_nodes import Host
    from flow_core.upload.report import Progress

_DEFAULT_BYTES_MAX = 1 << 30
_WORKSPACE = "/workspace"


def find_code(config: TaskConfig) -> Path | None:
    """Returns the folder to upload: `code_root`, or the current directory. Raises ConfigError.

    Returns None if nothing is to be uploaded, such as for a task that works in an existing folder of the machine.
    """
    if not config.upload_code or config.upload_strategy == "none":
        return None
    if config.code_root is None and config.image is None and resolve_working_dir(config).startswith(("/", "~")):
        return None
    try:
        folder = Path(os.path.expanduser(config.code_root or ".")).absolute()
    except (OSError, RuntimeError):
        raise ConfigError(
            "code_root: the folder this runs in is gone; write a path from /", field="code_root"
        ) from None
    try:
        is_folder = folder.is_dir()
    except OSError:
        is_folder = False
    if not is_folder:
        raise ConfigError(
            f"code_root: {printable(repr(str(folder)))} is not a folder of this machine", field="code_root"
        )
    if config.code_root is None and folder in (Path.home(), Path(folder.anchor)):
        return None  # as a default, never the whole home folder or disk
    return folder


def resolve_working_dir(config: TaskConfig) -> str:
    """Returns the working directory: a path on the machine, or one relative to the task's own folder.

    With an image, it is a path inside the image.
    """
    path = config.working_dir or ""
    if config.image is None and (path == _WORKSPACE or path.startswith(_WORKSPACE + "/")):
        return path[len(_WORKSPACE) :].lstrip("/")
    return path


async def send_code(host: Host, folder: Path, target: str, config: TaskConfig) -> None:
    """Uploads the folder to `target` on the host. Raises the errors of `flow_core.upload.folder_upload.upload`.

    Raises ConfigError for more than 1 GiB, if the folder is only the default.
    """
    from flow_core.upload.folder_upload import upload  # lazy import: not needed to list tasks

    def check_size(state: Progress) -> None:
        if config.code_root is None and state.bytes_total > _DEFAULT_BYTES_MAX:
            raise ConfigError(
                f"code_root: {printable(repr(str(folder)))} holds {state.bytes_total >> 20} MiB to send; leave some out"
                " by a .flowignore, set code_root to send it all the same, or set upload_code: false",
                field="code_root",
            )

    await upload(folder, host.folder(target), timeout_s=config.upload_timeout, on_progress=check_size)

"""The code that goes with a task: which folder of this machine, and its way to the machine that runs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, printable
from flow_core.providers.hosts.agent_client import AgentClient

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.upload.report import Progress

_MOST_UNASKED = 1 << 30
_WORKSPACE = "/workspace"


def find_code(config: TaskConfig) -> Path | None:
    """`code_root`; without it the current directory, unless the task works in a folder that is there already.

    Raises ConfigError.
    """
    if not config.upload_code or config.upload_strategy == "none":
        return None
    if config.code_root is None and config.image is None and directory_of(config).startswith(("/", "~")):
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
        raise ConfigError(f"code_root: {printable(repr(str(folder)))} is no folder of this machine", field="code_root")
    if config.code_root is None and folder in (Path.home(), Path(folder.anchor)):
        return None  # nobody means to send all that they have
    return folder


def directory_of(config: TaskConfig) -> str:
    """Where it starts: a path of the machine, or one seen from the task's own folder; with an image, one inside it."""
    wanted = config.working_dir or ""
    if config.image is None and (wanted == _WORKSPACE or wanted.startswith(_WORKSPACE + "/")):
        return wanted[len(_WORKSPACE) :].lstrip("/")
    return wanted


async def send_code(agent: AgentClient, folder: Path, place: str, config: TaskConfig) -> None:
    """Raises what `flow_core.upload.folder_upload.upload` does, and ConfigError for more than anybody sends unasked."""
    from flow_core.upload.folder_upload import upload  # deferred: looking at tasks needs none of it

    def watch(now: Progress) -> None:
        if config.code_root is None and now.bytes_total > _MOST_UNASKED:
            raise ConfigError(
                f"code_root: {printable(repr(str(folder)))} holds {now.bytes_total >> 20} MiB to send; leave some out"
                " by a .flowignore, say code_root to send it all the same, or upload_code: false",
                field="code_root",
            )

    host = await agent.ssh()
    await upload(folder, host.folder(place), timeout_s=config.upload_timeout, on_progress=watch)

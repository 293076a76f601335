"""The content of a task's startup script: the command, its environment and its code."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError
from flow_core.models.volume import Volume
from flow_core.providers.contract.request_checks import build_task_name
from flow_core.providers.mithril.startup.script import LONGEST, NodeTask, NodeVolume, build_startup_script
from flow_core.providers.mithril.volumes import plain_name
from flow_core.upload.pack import pack

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

WORKSPACE = "/workspace"
Mount = tuple[Volume, str]
"""A volume, and its path in the task."""
_CODE_BYTES_MAX = 512 << 20


class ScriptContent:
    """The startup content of one task.

    `code_to_send` is the folder whose code has to be sent after the bid; None if there is none.
    """

    def __init__(self, config: TaskConfig, gpu_count: int) -> None:
        self.name = build_task_name(config)
        self.code_to_send: Path | None = None
        self._config = config
        self._gpu_count = gpu_count
        self._code = b""

    async def pack_code(self) -> None:
        """Packs the code into the script if it fits. Raises ConfigError (field "code_root" or "upload_strategy")."""
        config = self._config
        if not config.upload_code or config.upload_strategy == "none":
            return
        source = await asyncio.to_thread(_find_folder, config.code_root or ".")
        max_bytes = 0 if config.upload_strategy == "scp" else LONGEST * 3 // 4
        packed = await pack(source, max_bytes, _CODE_BYTES_MAX)
        if packed is not None and self._fits(packed):
            self._code = packed
        elif config.upload_strategy == "embedded":
            raise ConfigError(
                f"upload_strategy: the code in {str(source)!r} doesn't fit into a startup script; write scp or auto",
                field="upload_strategy",
            )
        else:
            self.code_to_send = source

    def build_script(self, mounts: Sequence[Mount]) -> str:
        """Returns the startup script. Raises ConfigError if it would be too long."""
        volumes = tuple(
            NodeVolume("File" if volume.interface == "file" else "Block", volume.volume_id, plain_name(volume), target)
            for volume, target in mounts
        )
        return build_startup_script(self._make_node_task(self._code, volumes))

    def _fits(self, code: bytes) -> bool:
        try:
            build_startup_script(self._make_node_task(code, ()))
        except ConfigError:
            return False
        return True

    def _make_node_task(self, code: bytes, volumes: tuple[NodeVolume, ...]) -> NodeTask:
        config, retries = self._config, self._config.retries
        return NodeTask(
            name=self.name,
            command=config.command,
            working_dir=config.working_dir or WORKSPACE,
            env=config.env | _make_port_variables(config.ports),
            image=config.image or "",
            nodes=config.num_instances,
            distributed=config.distributed_mode or "auto",
            gpu_count=self._gpu_count,
            volumes=volumes,
            attempts=1 + (retries.max_retries if retries else 0),
            delay_s=retries.delay_s if retries else 0.0,
            delay_factor=2.0 if retries and retries.mode == "exponential" else 1.0,
            delay_max_s=retries.max_delay_s if retries else 0.0,
            limit_s=round((config.max_run_time_hours or 0) * 3600),
            code=code,
            code_wait_s=config.upload_timeout if self.code_to_send is not None else 0,
        )


def _find_folder(code_root: str) -> Path:
    """Returns the code folder. Does blocking I/O. Raises ConfigError."""
    source = Path(os.path.expanduser(code_root)).absolute()
    if not source.is_dir():
        raise ConfigError(f"code_root: {str(source)!r} is not a folder", field="code_root")
    return source


def _make_port_variables(ports: list[int]) -> dict[str, str]:
    env = {"FLOW_PORTS": ",".join(map(str, ports))} if ports else {}
    return env | {"PORT": str(ports[0])} if len(ports) == 1 else env

"""What a task's machines are to do, as the startup script says it: the command, its environment and its code."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError
from flow_core.models.volume import Volume
from flow_core.providers.contract.request_checks import task_name
from flow_core.providers.mithril.startup.script import LONGEST, NodeTask, NodeVolume, startup_script
from flow_core.providers.mithril.volumes import plain_name
from flow_core.upload.pack import pack

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

WORKSPACE = "/workspace"
Mount = tuple[Volume, str]
"""A volume, and the path that the task finds it at."""
_MOST_CODE = 512 << 20


class Launch:
    """One task's. `code_to_send` is the folder whose code has to follow the bid, None where nothing does."""

    def __init__(self, config: TaskConfig, gpu_count: int) -> None:
        self.name = task_name(config)
        self.code_to_send: Path | None = None
        self._config = config
        self._gpu_count = gpu_count
        self._code = b""

    async def pack_code(self) -> None:
        """Into the script where it fits. Raises ConfigError (field "code_root" or "upload_strategy")."""
        config = self._config
        if not config.upload_code or config.upload_strategy == "none":
            return
        source = await asyncio.to_thread(_folder, config.code_root or ".")
        most = 0 if config.upload_strategy == "scp" else LONGEST * 3 // 4
        packed = await pack(source, most, _MOST_CODE)
        if packed is not None and self._fits(packed):
            self._code = packed
        elif config.upload_strategy == "embedded":
            raise ConfigError(
                f"upload_strategy: the code in {str(source)!r} doesn't fit into a startup script; write scp or auto",
                field="upload_strategy",
            )
        else:
            self.code_to_send = source

    def script(self, mounts: Sequence[Mount]) -> str:
        """Raises ConfigError where it would be too long."""
        volumes = tuple(
            NodeVolume("File" if volume.interface == "file" else "Block", volume.volume_id, plain_name(volume), target)
            for volume, target in mounts
        )
        return startup_script(self._task(self._code, volumes))

    def _fits(self, code: bytes) -> bool:
        try:
            startup_script(self._task(code, ()))
        except ConfigError:
            return False
        return True

    def _task(self, code: bytes, volumes: tuple[NodeVolume, ...]) -> NodeTask:
        config, retries = self._config, self._config.retries
        return NodeTask(
            name=self.name,
            command=config.command,
            working_dir=config.working_dir or WORKSPACE,
            env=config.env | _ports(config.ports),
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


def _folder(code_root: str) -> Path:
    """Blocking."""
    source = Path(os.path.expanduser(code_root)).absolute()
    if not source.is_dir():
        raise ConfigError(f"code_root: {str(source)!r} is no folder", field="code_root")
    return source


def _ports(ports: list[int]) -> dict[str, str]:
    env = {"FLOW_PORTS": ",".join(map(str, ports))} if ports else {}
    return env | {"PORT": str(ports[0])} if len(ports) == 1 else env

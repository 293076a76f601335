"""The command that would run a task with an image, for display."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flow_core.agent.containers.arguments import Container, add_workspace, build_container_argv
from flow_core.agent.containers.engine_choice import guess_engine
from flow_core.agent.refusals import Refused
from flow_core.agent.supervisor.namespace import Mount
from flow_core.agent.user_paths import resolve_path
from flow_core.gpu_shorthand import parse_gpu
from flow_core.providers.local.capacity.gpus import find_gpus
from flow_core.providers.over_agent.container_request_checks import parse_image, parse_working_dir
from flow_core.providers.over_agent.refusals import to_error

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig


def describe_container(config: TaskConfig, settings: Mapping[str, Any]) -> list[str]:
    """Returns the argv that would run the task, without the values of variables.

    Contains placeholders, such as "<new id>", for what is known only later.
    """
    container = Container(
        engine=guess_engine(settings.get("container")),
        image=parse_image(config),
        name="flow-<new id>-0-0",
        mark="<new mark>",
        argv=build_container_argv(config.command),
        is_line=isinstance(config.command, str),
        working_dir=parse_working_dir(config),
        binds=add_workspace(_to_absolute("code_root", config.code_root or "."), [*_describe_binds(config)]),
        gpus=_describe_gpus(config, settings.get("gpus")),
        variables=sorted(config.env),
        on_terminal=config.tty,
    )
    return container.run()


def _describe_binds(config: TaskConfig) -> Iterator[Mount]:
    for volume in config.volumes:
        yield Mount(f"<volume {volume.volume_id or volume.name or 'anew'}>", volume.target)
    for mount in config.data_mounts:
        is_path = mount.mount_type == "bind" and "://" not in mount.source
        source = _to_absolute("data_mounts", mount.source) if is_path else f"<{mount.source}>"
        yield Mount(source, mount.target, is_path and mount.options.get("read_only", True) is not False)


def _to_absolute(field: str, path: str) -> str:
    """Resolves a path of the field. Raises ConfigError."""
    try:
        return str(resolve_path(field, path))
    except Refused as refused:
        raise to_error(refused) from None


def _describe_gpus(config: TaskConfig, setting: Any) -> list[str]:
    """Returns a placeholder for each requested GPU.

    Returns none if this machine has no real GPU: GPUs that only the settings declare can't be passed to a container.
    """
    request = parse_gpu(next(iter(config.instance_types), "cpu"))
    count = request.count if request.needs_gpu else int(config.min_gpu_memory_gb is not None)
    return [f"<GPU {number}>" for number in range(count)] if any(gpu.is_real for gpu in find_gpus(setting)) else []

"""The `TaskSpec` of the published SDK (`flow.ir/v1`): an argument list, resources, mounts, parameters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from flow_core.models.json_object import PlainTable
from flow_core.models.strict_model import StrictModel
from flow_core.models.task_config import TaskConfig

Word = Annotated[str, Field(min_length=1)]


class ResourceSpec(StrictModel):
    """The resources of one instance: GPUs of a type, CPUs, and memory in GB."""

    gpus: int = Field(default=0, ge=0, le=1024)
    gpu_type: str | None = None
    cpus: int = Field(default=4, ge=1, le=1_000_000)
    memory_gb: int = Field(default=16, ge=1, le=1_000_000)
    accelerator_hints: PlainTable = Field(default_factory=dict)


class SpecMount(StrictModel):
    """A mount of a TaskSpec. `kind` is the kind of `source`: a bucket URL, a path, or a volume's name or id."""

    kind: Literal["s3", "local", "nfs", "juicefs", "persistent", "code"]
    source: str = Field(min_length=1)
    target: str
    read_only: bool = True
    cache: str | None = None


class RunParams(StrictModel):
    """The run parameters of a task. `retry` counts further attempts; `time_limit_s` is seconds."""

    env: dict[str, str] = Field(default_factory=dict)
    working_dir: str | None = None
    retry: int = Field(default=0, ge=0, le=10)
    preemptible_ok: bool = False
    time_limit_s: int | None = Field(default=None, ge=1, le=168 * 3600)
    image: str | None = None


class TaskSpec(StrictModel):
    """A complete task, as `Client.run` also accepts it."""

    api_version: Literal["flow.ir/v1"] = "flow.ir/v1"
    name: str = "flow-task"
    command: list[Word] = Field(min_length=1)
    resources: ResourceSpec = ResourceSpec()
    mounts: list[SpecMount] = Field(default_factory=list)
    params: RunParams = RunParams()

    def to_config(self) -> TaskConfig:
        """Returns the equivalent TaskConfig. Raises ConfigError for a mount that no provider supports."""
        params, resources = self.params, self.resources
        fields: dict[str, Any] = {
            "name": self.name,
            "command": list(self.command),
            "instance_type": _to_instance_type(resources),
            "min_cpus": resources.cpus if "cpus" in resources.model_fields_set else None,
            "min_memory_gb": resources.memory_gb if "memory_gb" in resources.model_fields_set else None,
            "env": dict(params.env),
            "working_dir": params.working_dir,
            "image": params.image,
            "retries": params.retry or None,
            "max_run_time_hours": None if params.time_limit_s is None else params.time_limit_s / 3600,
            "data_mounts": [_to_data_mount(mount) for mount in self.mounts if mount.kind != "code"],
        }
        return TaskConfig.parse(fields)


def _to_instance_type(resources: ResourceSpec) -> str:
    if not resources.gpus:
        return "cpu"
    memory_gb = resources.accelerator_hints.get("min_gpu_memory_gb")
    if resources.gpu_type is None and memory_gb:
        return f"{resources.gpus}xgpu:{memory_gb}gb"
    return f"{resources.gpus}x{resources.gpu_type}" if resources.gpu_type else f"gpu:{resources.gpus}"


def _to_data_mount(mount: SpecMount) -> dict[str, Any]:
    source = f"volume://{mount.source}" if mount.kind == "persistent" else mount.source
    options = {} if mount.read_only else {"read_only": False}
    return {"source": source, "target": mount.target, "options": {} if mount.kind == "persistent" else options}

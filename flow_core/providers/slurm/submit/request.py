"""Converts the fields of a task to options of sbatch, for the cluster of a context."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flow_core.errors import CapacityError, ConfigError, printable
from flow_core.gpu_shorthand import GpuRequest, parse_gpu
from flow_core.providers.slurm.submit.provider_options import chooses_nodes, parse_provider_options
from flow_core.providers.slurm.submit.site import NodeKind, SiteFacts, describe_kinds, find_feature, find_types
from flow_core.providers.slurm.submit.supported_fields import parse_after

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.slurm.settings import SlurmSettings
    from flow_core.providers.slurm.submit.batch_script import BatchScript

_LOW_PRIORITY = "1000"
_GPU_OPTIONS = frozenset({"gres", "gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket"})
_MEMORY_OPTIONS = frozenset({"mem", "mem-per-cpu", "mem-per-gpu"})
_SETTINGS = ("partition", "account", "qos", "constraint")


@dataclass(frozen=True, slots=True)
class SbatchRequest:
    """The options of one submission by name; a flag has the value "".

    `fields` names the field of the task that set an option; the settings of the context set the others. `gpu_count` is
    the number of GPUs of one node. `starts_at` is in seconds since 1970. `job_ids` are the jobs that it waits for, by
    kind. `must_be_tested` is whether only Slurm knows if the cluster has such nodes.
    """

    options: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    gpu_count: int = 0
    starts_at: float | None = None
    job_ids: tuple[tuple[str, tuple[str, ...]], ...] = ()
    must_be_tested: bool = False


def build_request(config: TaskConfig, name: str, settings: SlurmSettings, facts: SiteFacts | None) -> SbatchRequest:
    """Returns the options of a script that flow writes. Without facts, it assumes that the cluster has what is asked.

    Raises ConfigError and CapacityError that name the field.
    """
    builder = _RequestBuilder(config, settings, facts)
    builder.set("job-name", name, "name")
    builder.add_context(skipped=())
    builder.set("nodes", str(config.num_instances), "num_instances")
    builder.set("ntasks-per-node", "1", "num_instances")
    builder.add_fields()
    builder.check_nodes()
    return builder.build()


def build_overrides(
    config: TaskConfig, name: str | None, settings: SlurmSettings, facts: SiteFacts | None, script: BatchScript
) -> SbatchRequest:
    """Returns the options that override those of a user's script: what the task sets, and missing defaults.

    Raises ConfigError and CapacityError that name the field.
    """
    builder = _RequestBuilder(config, settings, facts)
    if name is not None:
        builder.set("job-name", name, "name")
    builder.add_context(skipped=tuple(script.options))
    if config.num_instances > 1:
        builder.set("nodes", str(config.num_instances), "num_instances")
    builder.add_fields()
    builder.must_be_tested = True
    return builder.build()


class _RequestBuilder:
    """The options while they are collected. A later one overrides an earlier one."""

    def __init__(self, config: TaskConfig, settings: SlurmSettings, facts: SiteFacts | None) -> None:
        self._config = config
        self._settings = settings
        self._facts = facts
        self._extra = parse_provider_options(config)
        self._options: dict[str, str] = {}
        self._fields: dict[str, str] = {}
        self._gpu_count = 0
        self._gpu_type: str | None = None
        self._cpus = 0
        self.must_be_tested = False

    def set(self, name: str, value: str, source: str) -> None:
        self._options[name] = value
        self._fields[name] = source

    def add_context(self, skipped: Sequence[str]) -> None:
        """Adds the defaults of the context, except for options of the script."""
        for name in _SETTINGS:
            value = getattr(self._settings, name)
            if value is not None and name not in skipped:
                self._options[name] = value

    def add_fields(self) -> None:
        config = self._config
        if config.region is not None:
            self.set("partition", config.region, "region")
        self._add_instance()
        self._add_limits()
        if config.array is not None:
            self.set("array", config.array, "array")
        if config.reservation_id is not None:
            self.set("reservation", config.reservation_id, "reservation_id")
        if config.after:
            self._fields["dependency"] = "after"
        if config.priority == "low":
            self.set("nice", _LOW_PRIORITY, "priority")
        if self._extra.keys() & _GPU_OPTIONS:
            self._drop(_GPU_OPTIONS)
        if self._extra.keys() & _MEMORY_OPTIONS:
            self._drop(_MEMORY_OPTIONS)
        for name, value in self._extra.items():
            self.set(name, value, "provider_options")
        self.must_be_tested = any(map(chooses_nodes, self._extra)) or "constraint" in self._options

    def build(self) -> SbatchRequest:
        start = self._config.scheduled_start_time
        return SbatchRequest(
            options=self._options,
            fields=self._fields,
            gpu_count=self._gpu_count,
            starts_at=None if start is None else start.timestamp(),
            job_ids=tuple((kind, tuple(ids)) for kind, ids in parse_after(self._config)),
            must_be_tested=self.must_be_tested,
        )

    def check_nodes(self) -> None:
        """Checks that the cluster can ever have what the task asks for. Raises CapacityError, ConfigError.

        Slurm would record a job that fails, or that waits forever.
        """
        kinds = self._kinds
        if not kinds:
            return  # a partition that sinfo doesn't show: sbatch knows whether it exists
        self._check_time(kinds)
        config = self._config
        asks_for_gpus = bool(self._gpu_count) and not self._extra.keys() & _GPU_OPTIONS
        checks: list[tuple[str, Callable[[NodeKind], bool]]] = [
            ("instance_type", lambda kind: not asks_for_gpus or kind.count_gpus(self._gpu_type) >= self._gpu_count),
            ("min_cpus" if config.min_cpus else "instance_type", lambda kind: kind.cpus >= self._cpus),
            ("min_memory_gb", lambda kind: kind.memory_mb >= (config.min_memory_gb or 0) * 1024),
        ]
        for name, fits in checks:
            kinds = tuple(kind for kind in kinds if fits(kind))
            if not kinds:
                raise self._build_capacity_error(name)
        counts: dict[str, int] = {}
        for kind in kinds:
            counts[kind.partition] = counts.get(kind.partition, 0) + kind.count
        if max(counts.values()) < config.num_instances:
            raise self._build_capacity_error("num_instances")
        if self._partitions == [] and not any(kind.is_default for kind in kinds):
            self.must_be_tested = True  # unless the site chooses another partition by itself

    @property
    def _partitions(self) -> list[str]:
        named = self._extra.get("partition") or self._options.get("partition") or ""
        return [name for name in named.split(",") if name]

    @property
    def _kinds(self) -> tuple[NodeKind, ...]:
        return () if self._facts is None else self._facts.select(self._partitions)

    def _drop(self, names: frozenset[str]) -> None:
        for name in names & self._options.keys():
            del self._options[name]

    def _add_instance(self) -> None:
        request = self._choose_request()
        if request is not None and request.needs_gpu:
            self._add_gpus(request)
        self._cpus = max(self._config.min_cpus or 0, (request.cpus or 0) if request is not None else 0)
        if self._cpus:
            self.set("cpus-per-task", str(self._cpus), "min_cpus" if self._config.min_cpus else "instance_type")
        if self._config.min_memory_gb:
            self.set("mem", f"{self._config.min_memory_gb}G", "min_memory_gb")

    def _choose_request(self) -> GpuRequest | None:
        """Returns the first of the instance types that the cluster has, or the first one if it has none."""
        config = self._config
        if config.min_gpu_memory_gb is not None:
            return GpuRequest(min_memory_gb=config.min_gpu_memory_gb)
        requests = [parse_gpu(text) for text in config.instance_types]
        if any(request.type_id is not None for request in requests):
            raise ConfigError(
                "instance_type: a Slurm cluster has no instance types by id; write GPUs such as 4xa100",
                field="instance_type",
            )
        return next((one for one in requests if self._has(one)), requests[0] if requests else None)

    def _has(self, request: GpuRequest) -> bool:
        types = self._find_types(request)
        return not request.needs_gpu or any(
            kind.count_gpus(name) >= request.count for kind in self._kinds for name in types
        )

    def _find_types(self, request: GpuRequest) -> list[str]:
        """Returns the site's types for a request, the best one first.

        "" are GPUs without a type: of nodes with a feature that names the model, or of a site that has no types at all.
        """
        kinds = self._kinds
        if found := find_types(kinds, request):
            return sorted(found, key=lambda name: name != request.model)
        if request.min_memory_gb is not None or not any(kind.count_gpus("") for kind in kinds):
            return []
        has_types = any(name for kind in kinds for name, _ in kind.gpus)
        return [""] if not has_types or find_feature(kinds, request) else []

    def _add_gpus(self, request: GpuRequest) -> None:
        self._gpu_count = request.count
        source = "instance_type" if self._config.min_gpu_memory_gb is None else "min_gpu_memory_gb"
        is_any = request.model is None and request.min_memory_gb is None
        if self._kinds and not is_any:
            self._gpu_type = self._choose_type(request, source)
        elif not is_any:
            self._gpu_type = request.model
        if self._gpu_type == "" and (feature := find_feature(self._kinds, request)) and not self._has_constraint:
            self.set("constraint", feature, source)
        text = f"{self._gpu_type}:{request.count}" if self._gpu_type else str(request.count)
        if self._facts is None or self._facts.has_gpu_options:
            self.set("gpus-per-node", text, source)
        else:
            self.set("gres", f"gpu:{text}", source)

    def _choose_type(self, request: GpuRequest, source: str) -> str:
        types = self._find_types(request)
        if not types:
            raise self._build_capacity_error(source, request)
        largest = (name for name in types if any(kind.count_gpus(name) >= request.count for kind in self._kinds))
        return next(largest, types[0])

    @property
    def _has_constraint(self) -> bool:
        return "constraint" in self._options or "constraint" in self._extra

    def _add_limits(self) -> None:
        if self._config.max_run_time_hours is not None:
            minutes = max(1, math.ceil(self._config.max_run_time_hours * 60 - 1e-6))
            self.set("time", str(minutes), "max_run_time_hours")

    def _check_time(self, kinds: Sequence[NodeKind]) -> None:
        hours, has_qos = self._config.max_run_time_hours, "qos" in self._options
        if hours is None or has_qos or any(kind.time_limit_s is None for kind in kinds):
            return
        limit_s = max(kind.time_limit_s or 0 for kind in kinds)
        if hours * 3600 > limit_s:
            raise ConfigError(
                f"max_run_time_hours: {self._place} lets a task run for at most {limit_s / 3600:.3g} hours",
                field="max_run_time_hours",
            )

    @property
    def _place(self) -> str:
        names = self._partitions
        return f"partition {printable(', '.join(names))}" if names else "the cluster"

    def _build_capacity_error(self, name: str, request: GpuRequest | None = None) -> CapacityError:
        config = self._config
        asked = {
            "instance_type": f"{request or printable(', '.join(config.instance_types))}",
            "min_gpu_memory_gb": f"a GPU with {config.min_gpu_memory_gb} GB",
            "min_cpus": f"{config.min_cpus} CPUs on one node",
            "min_memory_gb": f"{config.min_memory_gb} GB of memory on one node",
            "num_instances": f"{config.num_instances} such nodes",
        }[name]
        return CapacityError(
            f"{name}: {asked} can't be had in {self._place}; it has {printable(describe_kinds(self._kinds))}",
            field=name,
        )

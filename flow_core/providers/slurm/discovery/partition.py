"""The partitions of the cluster, as `scontrol show partition` prints them."""

from __future__ import annotations

from dataclasses import dataclass

from flow_core.providers.slurm.discovery.node import read_field
from flow_core.providers.slurm.queue.values import clean_label, parse_duration, parse_number


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition. Limits that are None don't exist.

    `state` is "UP", "DOWN", "DRAIN" or "INACTIVE". Of each `allowed` and `denied` list, an empty one allows and denies
    nobody in particular. `memory_per_*` is the memory that a task gets if it asks for none, in MB.
    """

    name: str
    state: str = "UP"
    is_default: bool = False
    time_limit_s: int | None = None
    max_nodes: int | None = None
    allowed_accounts: tuple[str, ...] = ()
    denied_accounts: tuple[str, ...] = ()
    allowed_qos: tuple[str, ...] = ()
    denied_qos: tuple[str, ...] = ()
    qos: str = ""
    is_for_root: bool = False
    needs_reservation: bool = False
    takes_whole_nodes: bool = False
    cpus_per_gpu: int | None = None
    memory_per_cpu_mb: int | None = None
    memory_per_gpu_mb: int | None = None
    memory_per_node_mb: int | None = None


def parse_partition(line: str) -> Partition | None:
    """Parses a line of `scontrol -o show partition`; None for any other line."""
    if not line.startswith("PartitionName="):
        return None
    defaults = dict(_split_pair(part) for part in _read_list(line, "JobDefaults"))
    return Partition(
        name=clean_label(read_field(line, "PartitionName")),
        state=read_field(line, "State").upper() or "UP",
        is_default=read_field(line, "Default") == "YES",
        time_limit_s=parse_duration(read_field(line, "MaxTime")),
        max_nodes=parse_number(read_field(line, "MaxNodes")),
        allowed_accounts=_read_names(line, "AllowAccounts"),
        denied_accounts=_read_names(line, "DenyAccounts"),
        allowed_qos=_read_names(line, "AllowQos"),
        denied_qos=_read_names(line, "DenyQos"),
        qos=clean_label(read_field(line, "QoS")),
        is_for_root=read_field(line, "RootOnly") == "YES",
        needs_reservation=read_field(line, "ReqResv") == "YES",
        takes_whole_nodes=read_field(line, "OverSubscribe") == "EXCLUSIVE",
        cpus_per_gpu=parse_number(defaults.get("DefCpuPerGPU", "")),
        memory_per_cpu_mb=parse_number(read_field(line, "DefMemPerCPU")),
        memory_per_gpu_mb=parse_number(defaults.get("DefMemPerGPU", "")),
        memory_per_node_mb=parse_number(read_field(line, "DefMemPerNode")),
    )


def _read_list(line: str, name: str) -> tuple[str, ...]:
    return tuple(part for part in read_field(line, name).split(",") if part)


def _read_names(line: str, name: str) -> tuple[str, ...]:
    """Returns the names of a list; none if it names all."""
    names = tuple(clean_label(part) for part in _read_list(line, name))
    return () if names == ("ALL",) else names


def _split_pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value

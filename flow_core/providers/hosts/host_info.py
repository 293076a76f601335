"""The resources of a machine and their users, parsed from the response of its agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flow_core.agent.record_fields import Fields
from flow_core.errors import FlowError, ProviderError
from flow_core.gpu_matching import Gpu
from flow_core.providers.hosts.agent_client import AgentClient, call_all

READ_WAIT_S = 8.0


@dataclass(frozen=True, slots=True)
class ForeignProcess:
    """A process that uses a GPU without a lease of flow."""

    gpu_id: str
    user: str
    program: str


@dataclass(frozen=True, slots=True)
class HostInfo:
    """One machine. `taken` are GPUs that are leased, reserved, or used by another process."""

    system: str = ""
    cpus: int | None = None
    memory_gb: int | None = None
    free_memory_gb: int | None = None
    load: float | None = None
    free_disk_gb: int | None = None
    gpus: tuple[Gpu, ...] = ()
    taken: frozenset[str] = frozenset()
    workers: tuple[ForeignProcess, ...] = ()
    waiting: int = 0
    running: int = 0
    is_driver_stuck: bool = False

    @property
    def free_gpus(self) -> tuple[Gpu, ...]:
        return tuple(gpu for gpu in self.gpus if gpu.gpu_id not in self.taken)


async def read_all_hosts(
    hosts: Sequence[AgentClient],
) -> tuple[dict[AgentClient, HostInfo], dict[AgentClient, FlowError]]:
    """Returns the machines that respond, and the errors of the others.

    A response that can't be parsed counts as an error.
    """
    answers, silent = await call_all(
        hosts, "facts", lambda agent: {"gpus": list_declared_gpu_ids(agent)}, wait_s=READ_WAIT_S
    )
    infos: dict[AgentClient, HostInfo] = {}
    for agent, answer in answers.items():
        try:
            infos[agent] = parse_host_info(answer, agent.machine.pretend)
        except ValueError as error:
            silent[agent] = ProviderError(f"the answer of {agent.name!r} about itself can't be read: {error}")
    return infos, silent


def list_declared_gpu_ids(agent: AgentClient) -> list[str]:
    return [gpu.gpu_id for gpu in agent.machine.pretend]


def parse_host_info(answer: Any, pretend: Sequence[Gpu]) -> HostInfo:
    """Parses the response of a machine. Raises ValueError."""
    fields = Fields(answer)
    gpus = tuple(pretend) or tuple(_parse_gpu(row) for row in fields.tables("gpus"))
    workers = () if pretend else tuple(_parse_worker(row) for row in fields.tables("workers"))
    taken = {*fields.table("held"), *fields.texts("reserved"), *(worker.gpu_id for worker in workers)}
    return HostInfo(
        system=fields.text("system", ""),
        cpus=fields.optional_whole("cpus"),
        memory_gb=_to_gib(fields.optional_whole("memory_bytes")),
        free_memory_gb=_to_gib(fields.optional_whole("free_memory_bytes")),
        load=fields.optional_number("load"),
        free_disk_gb=_to_gib(fields.optional_whole("free_disk_bytes")),
        gpus=gpus,
        taken=frozenset(taken),
        workers=workers,
        waiting=fields.whole("waiting", 0),
        running=fields.whole("running", 0),
        is_driver_stuck=fields.flag("is_driver_silent"),
    )


def _parse_gpu(data: Any) -> Gpu:
    fields = Fields(data)
    gpu_id = fields.text("gpu_id")
    return Gpu(gpu_id, fields.text("model"), _to_gib(fields.optional_whole("memory_bytes")), gpu_id, True)


def _parse_worker(data: Any) -> ForeignProcess:
    fields = Fields(data)
    return ForeignProcess(fields.text("gpu_id"), fields.text("user"), fields.text("program"))


def _to_gib(number: int | None) -> int | None:
    return None if number is None else round(number / 2**30)

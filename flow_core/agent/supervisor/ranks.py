"""A rank stands for a node: what it is told of the others, and which GPUs are its own. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.agent.spec import StoredSpec

HEAD = "127.0.0.1"
DEFAULT_ENVIRONMENT = {"PYTHONUNBUFFERED": "1"}
"""Unless its own `env` says otherwise: what Python prints is to be seen while the task runs."""
TERMINAL_ENVIRONMENT = {"TERM": "xterm-256color"}
# What a task must not hand on to another that is submitted from inside of it.
RANK_VARIABLES = frozenset({
    "FLOW_NODE_RANK", "FLOW_NUM_NODES", "FLOW_MAIN_IP", "HEAD_NODE_IP", "HEAD_NODE", "NUM_NODES", "NODE_RANK",
    "GPU_COUNT", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT",
    "PET_NNODES", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT", "FLOW_PORTS", "PORT",
})  # fmt: skip


def select_rank_gpus(gpus: Sequence[str], rank: int, ranks: int) -> Sequence[str]:
    """Those of the task's GPUs that belong to this rank."""
    each = len(gpus) // ranks
    return gpus[rank * each : (rank + 1) * each]


def rank_environment(spec: StoredSpec, rank: int, gpu_count: int, master_port: int | None) -> dict[str, str]:
    """What tells a rank its place, in the words of the Flow SDK, of plain torch and of its launcher.

    Without a port to meet at there is no other rank, and nothing that would have a script look for one. A part of a
    task on several machines is one rank, and was told where all of them meet.
    """
    head, ranks = HEAD, str(spec.ranks)
    if (part := spec.part) is not None:
        rank, ranks, head, master_port = part.rank, str(part.ranks), part.head, part.port
    env = {"FLOW_NODE_RANK": str(rank), "FLOW_NUM_NODES": ranks}
    if spec.distributed_mode != "manual":
        env.update(HEAD_NODE_IP=head, HEAD_NODE=head, FLOW_MAIN_IP=head)
        env.update(NUM_NODES=ranks, NODE_RANK=str(rank), GPU_COUNT=str(gpu_count))
        if master_port is not None:
            env.update(_torch(str(rank), ranks, head, str(master_port)))
    return {**env, **_ports(spec.ports)}


def _torch(rank: str, ranks: str, head: str, port: str) -> dict[str, str]:
    """For a script that is one process a node; `torchrun` takes its defaults from PET_* and sets the others anew."""
    env = {"RANK": rank, "WORLD_SIZE": ranks, "GROUP_RANK": rank, "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    env.update(MASTER_ADDR=head, MASTER_PORT=port)
    env.update(PET_NNODES=ranks, PET_NODE_RANK=rank, PET_MASTER_ADDR=head, PET_MASTER_PORT=port)
    return env


def _ports(ports: Sequence[int]) -> dict[str, str]:
    env = {"FLOW_PORTS": ",".join(map(str, ports))} if ports else {}
    return {**env, "PORT": str(ports[0])} if len(ports) == 1 else env

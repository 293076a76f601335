"""The environment and the GPUs of a rank; a rank represents a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.agent.spec import StoredSpec

HEAD = "127.0.0.1"
DEFAULT_ENVIRONMENT = {"PYTHONUNBUFFERED": "1"}
"""Variables that a task's own `env` may override. Python's output must be visible while the task runs."""
TERMINAL_ENVIRONMENT = {"TERM": "xterm-256color"}
# Variables that a task must not pass on to a task that is submitted from inside it.
RANK_VARIABLES = frozenset({
    "FLOW_NODE_RANK", "FLOW_NUM_NODES", "FLOW_MAIN_IP", "HEAD_NODE_IP", "HEAD_NODE", "NUM_NODES", "NODE_RANK",
    "GPU_COUNT", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT",
    "PET_NNODES", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT", "FLOW_PORTS", "PORT",
})  # fmt: skip


def select_rank_gpus(gpus: Sequence[str], rank: int, ranks: int) -> Sequence[str]:
    """Returns the task's GPUs that belong to this rank."""
    count = len(gpus) // ranks
    return gpus[rank * count : (rank + 1) * count]


def rank_environment(spec: StoredSpec, rank: int, gpu_count: int, master_port: int | None) -> dict[str, str]:
    """Returns the variables that describe a rank, in the names of the Flow SDK, of torch and of torchrun.

    Without a master port there is only one rank, and no variable makes a script wait for others. A part of a task on
    several machines is one rank; its spec contains the address of the rendezvous.
    """
    head, ranks = HEAD, str(spec.ranks)
    if (part := spec.part) is not None:
        rank, ranks, head, master_port = part.rank, str(part.ranks), part.head, part.port
    env = {"FLOW_NODE_RANK": str(rank), "FLOW_NUM_NODES": ranks}
    if spec.distributed_mode != "manual":
        env.update(HEAD_NODE_IP=head, HEAD_NODE=head, FLOW_MAIN_IP=head)
        env.update(NUM_NODES=ranks, NODE_RANK=str(rank), GPU_COUNT=str(gpu_count))
        if master_port is not None:
            env.update(_torch_environment(str(rank), ranks, head, str(master_port)))
    return {**env, **_port_environment(spec.ports)}


def _torch_environment(rank: str, ranks: str, head: str, port: str) -> dict[str, str]:
    """Returns variables for a script with one process per node.

    `torchrun` takes its defaults from PET_* and sets the others itself.
    """
    env = {"RANK": rank, "WORLD_SIZE": ranks, "GROUP_RANK": rank, "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    env.update(MASTER_ADDR=head, MASTER_PORT=port)
    env.update(PET_NNODES=ranks, PET_NODE_RANK=rank, PET_MASTER_ADDR=head, PET_MASTER_PORT=port)
    return env


def _port_environment(ports: Sequence[int]) -> dict[str, str]:
    env = {"FLOW_PORTS": ",".join(map(str, ports))} if ports else {}
    return {**env, "PORT": str(ports[0])} if len(ports) == 1 else env

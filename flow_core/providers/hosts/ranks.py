"""A rank is a machine of a task: what it is told of the others."""

from __future__ import annotations

from collections.abc import Sequence


def environment(
    ranks: int, rank: int, head: str, gpu_count: int, master_port: int | None, mode: str | None, ports: Sequence[int]
) -> dict[str, str]:
    """In the words of the Flow SDK, of plain torch and of its launcher.

    Without a port to meet at there is no other rank, and nothing that would have a script look for one.
    """
    env = {"FLOW_NODE_RANK": str(rank), "FLOW_NUM_NODES": str(ranks)}
    if mode != "manual":
        env |= {"HEAD_NODE_IP": head, "HEAD_NODE": head, "FLOW_MAIN_IP": head}
        env |= {"NUM_NODES": str(ranks), "NODE_RANK": str(rank), "GPU_COUNT": str(gpu_count)}
        if master_port is not None:
            env |= _torch(str(rank), str(ranks), head, str(master_port))
    if ports:
        env["FLOW_PORTS"] = ",".join(map(str, ports))
    return env | {"PORT": str(ports[0])} if len(ports) == 1 else env


def _torch(rank: str, ranks: str, head: str, port: str) -> dict[str, str]:
    """For a script that is one process a node; `torchrun` takes its defaults from PET_* and sets the others anew."""
    env = {"RANK": rank, "WORLD_SIZE": ranks, "GROUP_RANK": rank, "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    env |= {"MASTER_ADDR": head, "MASTER_PORT": port}
    return env | {"PET_NNODES": ranks, "PET_NODE_RANK": rank, "PET_MASTER_ADDR": head, "PET_MASTER_PORT": port}

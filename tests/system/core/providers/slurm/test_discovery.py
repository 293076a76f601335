"""The nodes of real clusters as instance types, through SSH."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from testbed.slurm_accounting import OTHER_ACCOUNT
from testbed.slurm_cluster import DEBUG_PARTITION, GPU_PARTITION, SlurmCluster
from testbed.slurm_space import User
from testbed.waiting import until, wait_until

from flow_core.errors import ConfigError, Unreachable
from flow_core.models.instance import AvailableInstance
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.slurm.discovery.cluster_reader import ClusterReader
from flow_core.providers.slurm.discovery.instances import SlurmInstances
from flow_core.providers.slurm.login_node import LoginNode
from flow_core.providers.slurm.settings import LoginHost, SlurmSettings

pytestmark = pytest.mark.needs("slurm", "sshd")
MakeInstances = Callable[..., SlurmInstances]


@pytest.fixture
async def make_instances() -> AsyncIterator[MakeInstances]:
    pool = HostPool()

    def make(cluster: SlurmCluster, user: User, /, **settings: object) -> SlurmInstances:
        host = LoginHost("lab", ssh_config=cluster.login.config(name="lab", user=user.name))
        chosen = SlurmSettings(host, **{"poll_s": 0.01, **settings})  # type: ignore[arg-type]
        return SlurmInstances(ClusterReader(LoginNode(chosen, pool), chosen), "lab")

    yield make
    await pool.close()


def submit(cluster: SlurmCluster, user: User, *options: str) -> None:
    """Starts a job that runs until the test is over."""
    job = cluster.run("sbatch", "--parsable", *options, "--wrap=sleep 600", user=user)
    wait_until(lambda: cluster.run("squeue", "-h", "-j", job, "-o", "%T") == "RUNNING")


def get_row(rows: Sequence[AvailableInstance], allocation_id: str) -> AvailableInstance:
    return next(row for row in rows if row.allocation_id == allocation_id)


async def test_each_partition_has_a_row_with_its_gpus(
    cluster: SlurmCluster, user: User, make_instances: MakeInstances
) -> None:
    submit(cluster, user, "--nodelist=node2", "--gpus-per-node=a100:3")
    rows = await make_instances(cluster, user).find({})
    assert [row.allocation_id for row in rows] == ["gpu/4xa100", "debug/4xa100"]
    gpu, debug = rows
    assert (gpu.context, gpu.instance_type, gpu.region) == ("lab", "4xa100", GPU_PARTITION)
    assert (gpu.gpu_type, gpu.gpu_count, gpu.gpu_memory_gb, gpu.cpu_count, gpu.memory_gb) == ("a100", 4, 80, 8, 62)
    assert (gpu.free_gpus, gpu.total_gpus, gpu.available_quantity, gpu.total_quantity) == (9, 12, 2, 3)
    assert (gpu.status, gpu.description, gpu.price_per_hour) == ("available", "the default partition", 0.0)
    assert (debug.free_gpus, debug.total_gpus, debug.available_quantity) == (4, 4, 1)
    assert (debug.region, debug.description) == (DEBUG_PARTITION, "at most 30 min for each task")


async def test_a_node_without_cpus_or_memory_left_has_no_free_gpus(
    cluster: SlurmCluster, user: User, make_instances: MakeInstances
) -> None:
    submit(cluster, user, "--nodelist=node1", "--cpus-per-task=8")
    submit(cluster, user, "--nodelist=node2", "--mem=63500")
    gpu, debug = await make_instances(cluster, user).find({})
    assert (gpu.free_gpus, gpu.available_quantity, gpu.status) == (4, 1, "available")
    assert (debug.free_gpus, debug.available_quantity, debug.status) == (0, 0, "busy")


async def test_nodes_out_of_service_are_shown_with_the_reason(
    cluster: SlurmCluster, user: User, make_instances: MakeInstances
) -> None:
    hostile = "bad [b]disk[/] State=IDLE Gres=gpu:h100:9\x1b[31m\x07 " + "x" * 300
    cluster.drain("node1", hostile)
    cluster.fail("node2", "fan broke")
    cluster.add_reservation("flow-test-discovery", user, "node3")
    instances = make_instances(cluster, user)
    wait_until(lambda: "RESERVED" in cluster.run("scontrol", "-o", "show", "node", "node3"))
    gpu, debug = await instances.find({})
    shown = "bad [b]disk[/] State=IDLE Gres=gpu:h100:9␛[31m␇ "
    assert debug.description.startswith(f"node1 drained: {shown}x")
    assert (debug.status, debug.is_down, debug.available_quantity, debug.total_gpus) == ("drained", True, 0, 4)
    assert (gpu.status, gpu.free_gpus, gpu.total_gpus, gpu.available_quantity) == ("busy", 0, 12, 0)
    assert f"node1 drained: {shown}xxx" in gpu.description
    assert "node2 down: fan broke" in gpu.description
    assert "1 reserved" in gpu.description
    for row in (gpu, debug):
        assert row.description.isprintable()
        assert len(row.description) < 300
    cluster.renew()

    async def is_repaired() -> bool:
        return (await instances.find({}))[0].available_quantity == 3

    await until(is_repaired)


async def test_a_partition_that_is_down_starts_nothing(
    cluster: SlurmCluster, user: User, make_instances: MakeInstances
) -> None:
    cluster.run("scontrol", "update", "PartitionName=debug", "State=DOWN")
    try:
        _, debug = await make_instances(cluster, user).find({})
    finally:
        cluster.run("scontrol", "update", "PartitionName=debug", "State=UP")
    assert (debug.status, debug.free_gpus) == ("down", 0)
    assert debug.description.startswith("partition debug is down: it queues tasks, and starts none, at most 30 min")


async def test_instances_are_found_by_their_requirements(
    cluster: SlurmCluster, user: User, make_instances: MakeInstances
) -> None:
    instances = make_instances(cluster, user)
    for requirements, found in (
        ({"instance_type": "4xa100"}, 2),
        ({"instance_type": "a100:2", "region": "debug"}, 1),
        ({"instance_type": "debug/4xa100"}, 1),
        ({"instance_type": "8xa100"}, 0),
        ({"gpu_type": "h100"}, 0),
        ({"gpu_memory_gb": 80, "min_gpu_count": 2}, 2),
        ({"max_price": 0.0}, 2),
    ):
        assert len(await instances.find(requirements)) == found, requirements  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no such key"):
        await instances.find({"no such key": 1})  # type: ignore[typeddict-unknown-key]
    assert await instances.normalize(0, None) == ("cpu", 1, None)
    assert await instances.normalize(2, "a100") == ("2xa100", 1, None)
    assert await instances.normalize(4, None) == ("4xa100", 1, None)
    assert await instances.normalize(8, "a100") == ("4xa100", 2, None)
    assert await instances.normalize(6, "gpu:40gb") == ("3xgpu:40gb", 2, None)
    assert await instances.normalize(16, "a100") == (
        "4xa100",
        4,
        "16xa100 can't be had on this cluster; it has 12 such GPUs",
    )
    instance_type, count, warning = await instances.normalize(3, "h900")
    assert (instance_type, count) == ("3xh900", 1)
    assert warning


async def test_all_callers_share_one_call(cluster: SlurmCluster, user: User, make_instances: MakeInstances) -> None:
    folder = cluster.make_folder(user, "programs")
    for name in ("squeue", "sbatch", "sacctmgr"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    asked = user.home / "asked"
    (folder / "scontrol").write_text(f'#!/bin/sh\necho "$*" >>{asked}\nexec /usr/bin/scontrol "$@"\n')
    (folder / "scontrol").chmod(0o755)
    instances = make_instances(cluster, user, bin_dir=str(folder), poll_s=60.0)
    answers = await asyncio.gather(*(instances.find({}) for _ in range(5)), instances.normalize(1, "a100"))
    assert answers[0] == answers[4]
    assert asked.read_text().splitlines() == ["-d -o show node", "-o show partition", "show config"]


async def test_the_limits_of_a_qos_and_closed_partitions_are_shown(
    accounted_cluster: SlurmCluster, member: User, make_instances: MakeInstances
) -> None:
    instances = make_instances(accounted_cluster, member)
    accounted_cluster.run("scontrol", "update", "PartitionName=debug", f"AllowAccounts={OTHER_ACCOUNT}")
    try:
        gpu, debug = await instances.find({})
    finally:
        accounted_cluster.run("scontrol", "update", "PartitionName=debug", "AllowAccounts=ALL")
    assert gpu.description == "the default partition, QOS small: 2 GPUs for each user"
    assert debug.description.startswith(f"only for account {OTHER_ACCOUNT}, at most 30 min for each task")
    assert (debug.available_quantity, debug.free_gpus, debug.status) == (0, 0, "busy")
    assert (gpu.free_gpus, gpu.available_quantity) == (12, 3)
    by_name = make_instances(accounted_cluster, member, cluster=accounted_cluster.plan.name)
    assert (await by_name.find({}))[0] == gpu


async def test_a_controller_that_is_down_is_reported_and_found_again(
    cluster: SlurmCluster, user: User, make_instances: MakeInstances
) -> None:
    instances = make_instances(cluster, user)
    cluster.stop_controller()
    with pytest.raises(Unreachable, match="slurmctld of login node 'lab' does not answer"):
        await instances.find({})
    cluster.renew()

    async def answers() -> bool:
        try:
            return bool(await instances.find({}))
        except Unreachable:
            return False

    await until(answers)


def test_nodes_of_other_kinds_have_rows_of_their_own(tmp_path: Path) -> None:
    address = "NodeAddr=127.0.0.1 RealMemory=128000 CPUs=16"
    options = {
        "NodeName": f"old[1-2] {address} Gres=gpu:v100:2 State=DOWN Reason=too_hot",
        "Nodename": f"fat1 {address} State=DOWN",
        "PartitionName": "mixed Nodes=node1,old[1-2],fat1 MaxTime=2-00:00:00 MaxNodes=2",
    }
    cluster = SlurmCluster(options=options)
    cluster.start()
    before = os.environ.copy()
    os.environ.update(cluster.env)
    try:
        rows = asyncio.run(_find_locally())
    finally:
        os.environ.clear()
        os.environ.update(before)
        cluster.stop()
    mixed = [row for row in rows if row.region == "mixed"]
    assert [(row.allocation_id, row.total_quantity, row.total_gpus, row.status) for row in mixed] == [
        ("mixed/cpu", 1, None, "down"),
        ("mixed/2xv100", 2, 4, "down"),
        ("mixed/4xa100", 1, 4, "available"),
    ]
    assert mixed[1].description == "old1, old2 down: too_hot, at most 2 d and 2 nodes for each task"
    assert (mixed[0].cpu_count, mixed[0].memory_gb, mixed[0].gpu_type) == (16, 125, None)


async def _find_locally() -> Sequence[AvailableInstance]:
    """Uses the commands of this machine."""
    pool, settings = HostPool(), SlurmSettings()
    login_node = LoginNode(settings, pool)
    rows = await SlurmInstances(ClusterReader(login_node, settings), "lab").find({})
    await login_node.close()
    await pool.close()
    return rows

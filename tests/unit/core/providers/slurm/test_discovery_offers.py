"""The rows of a cluster's nodes: what could start now, and what a user has to know about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from testbed.tables import each

from flow_core.models.instance import AvailableInstance
from flow_core.providers.slurm.discovery.account_limits import Accounting, parse_accounting
from flow_core.providers.slurm.discovery.cluster_reader import ClusterState
from flow_core.providers.slurm.discovery.node import Condition, Node
from flow_core.providers.slurm.discovery.offers import build_offer, list_groups
from flow_core.providers.slurm.discovery.partition import Partition

READY, DRAINED, DOWN = Condition.READY, Condition.DRAINED, Condition.DOWN
GPU = Partition("gpu", is_default=True, memory_per_cpu_mb=1000)
MEMORY = {"SelectType": "select/cons_tres", "SelectTypeParameters": "CR_CORE_MEMORY"}
QOS = [
    ["normal", "", "", "", "", "", "", ""],
    ["small", "gres/gpu=2", "3", "", "", "cpu=16,mem=32G", "", "1-00:00:00"],
    ["wide", "gres/gpu:a100=4,gres/gpu:h100=1", "", "node=8", "", "", "gres/gpu=2", ""],
    ["too", "short"],
]
ASSOCIATIONS = [
    ["flow", "lab", "", "normal,small", "5", "gres/gpu=8", "", "", "", "2:00:00"],
    ["flow", "lab2", "old", "normal", "", "", "", "node=1", "", ""],
    ["other", "elsewhere", "", "huge", "", "", "", "", "", ""],
    ["short"],
]


def node(name: str, condition: Condition = READY, used: int = 0, **fields: Any) -> Node:
    defaults: dict[str, Any] = {
        "partitions": ("gpu",),
        "cpus": 16,
        "memory_mb": 64_000,
        "gpus": {"a100": 4},
        "used_gpus": {"a100": used},
        "is_idle": not used,
        "used_cpus": used,
        "used_memory_mb": 1000 * used,
    }
    return Node(name, condition, **{**defaults, **fields})


def cluster(*nodes: Node, partitions: tuple[Partition, ...] = (GPU,), **fields: Any) -> ClusterState:
    return ClusterState(nodes, partitions, **{"config": MEMORY, "user": "ana", **fields})


def build_offers(state: ClusterState) -> list[AvailableInstance]:
    return [build_offer(state, group, "lab") for group in list_groups(state)]


def offer(*nodes: Node, **fields: Any) -> AvailableInstance:
    (row,) = build_offers(cluster(*nodes, **fields))
    return row


def accounting() -> Accounting:
    return parse_accounting(QOS, ASSOCIATIONS, "flow")


def test_there_is_a_row_for_each_kind_of_node_in_each_partition() -> None:
    both = node("n1", partitions=("gpu", "debug", "hidden"))
    mixed = node("n2", gpus={"a100": 2, "h100": 8}, used_gpus={"h100": 3})
    plain = node("c1", partitions=("cpu",), gpus={}, used_gpus={}, cpus=128, memory_mb=1 << 20)
    larger = replace(plain, name="c2", cpus=256)
    partitions = (GPU, Partition("debug"), Partition("cpu"), Partition("empty"))
    rows = build_offers(cluster(both, mixed, plain, larger, partitions=partitions))
    assert [(row.allocation_id, row.instance_type, row.region) for row in rows] == [
        ("gpu/4xa100", "4xa100", "gpu"),
        ("gpu/2xa100", "2xa100", "gpu"),
        ("gpu/8xh100", "8xh100", "gpu"),
        ("debug/4xa100", "4xa100", "debug"),
        ("cpu/cpu", "cpu", "cpu"),
    ]
    cpu, h100 = rows[-1], rows[2]
    assert (cpu.gpu_type, cpu.gpu_count, cpu.cpu_count, cpu.memory_gb) == (None, 0, 256, 1024)
    assert (cpu.available_quantity, cpu.total_quantity, cpu.free_gpus, cpu.status) == (2, 2, None, "available")
    assert (h100.gpu_type, h100.gpu_count, h100.gpu_memory_gb) == ("h100", 8, 80)
    assert (h100.free_gpus, h100.total_gpus, h100.available_quantity, h100.total_quantity) == (5, 8, 0, 1)
    assert h100.status == "busy"
    assert len({row.key for row in rows}) == len(rows)


def test_two_types_with_the_same_instance_type_have_rows_of_their_own() -> None:
    rows = build_offers(cluster(node("n1", gpus={"2080ti": 4}), node("n2", gpus={"3090": 4})))
    assert [row.instance_type for row in rows] == ["4xgpu", "4xgpu"]
    assert len({row.key for row in rows}) == 2


@each(
    "nodes, free, could_start, status",
    [
        ([node("a")], 4, 1, "available"),
        ([node("a", used=1), node("b")], 7, 1, "available"),
        ([node("a", used=4)], 0, 0, "busy"),
        ([node("a", used_cpus=16)], 0, 0, "busy"),
        ([node("a", used_memory_mb=63_500)], 0, 0, "busy"),
        ([node("a", Condition.RESERVED)], 0, 0, "busy"),
        ([node("a", Condition.PLANNED)], 0, 0, "busy"),
        ([node("a", Condition.POWERED_DOWN)], 4, 1, "available"),
        ([node("a", DRAINED, used=2)], 0, 0, "drained"),
        ([node("a", DRAINED), node("b", DOWN)], 0, 0, "down"),
        ([node("a", DRAINED), node("b", used=4)], 0, 0, "busy"),
        ([node("a", DRAINED), node("b")], 4, 1, "available"),
    ],
)
def test_only_what_a_task_could_get_now_is_free(nodes: list[Node], free: int, could_start: int, status: str) -> None:
    row = offer(*nodes)
    assert (row.free_gpus, row.available_quantity, row.status) == (free, could_start, status)
    assert row.total_gpus == 4 * len(nodes)


@each(
    "partition, config, used_node, could_start",
    [
        (GPU, MEMORY, node("a", used_cpus=1), 1),
        (replace(GPU, takes_whole_nodes=True), MEMORY, node("a", is_idle=False), 0),
        (GPU, {"SelectType": "select/linear"}, node("a", is_idle=False), 0),
        (replace(GPU, cpus_per_gpu=4), MEMORY, node("a", used_cpus=1), 0),
        (replace(GPU, cpus_per_gpu=3), MEMORY, node("a", used_cpus=1), 1),
        (replace(GPU, memory_per_gpu_mb=16_000), MEMORY, node("a", used_memory_mb=1), 0),
        (replace(GPU, memory_per_cpu_mb=None), MEMORY, node("a", used_memory_mb=1), 0),
        (replace(GPU, memory_per_cpu_mb=None), {**MEMORY, "DefMemPerCPU": "500"}, node("a", used_memory_mb=1), 1),
        (replace(GPU, memory_per_cpu_mb=None, memory_per_node_mb=500), MEMORY, node("a", used_memory_mb=1), 1),
        (replace(GPU, memory_per_cpu_mb=None), {}, node("a", used_memory_mb=64_000), 1),
        (replace(GPU, memory_per_cpu_mb=10**9), MEMORY, node("a"), 1),
    ],
)
def test_the_defaults_of_a_partition_limit_what_could_start(
    partition: Partition, config: dict[str, str], used_node: Node, could_start: int
) -> None:
    assert offer(used_node, partitions=(partition,), config=config).available_quantity == could_start


@each(
    "partition, words",
    [
        (Partition("gpu", "DOWN"), "partition gpu is down: it queues tasks, and starts none"),
        (Partition("gpu", "DRAIN"), "partition gpu is drained: it takes no new tasks"),
        (Partition("gpu", "INACTIVE"), "partition gpu is inactive: it takes and starts no tasks"),
        (Partition("gpu", is_for_root=True), "only for administrators"),
        (Partition("gpu", allowed_accounts=("a", "b")), "only for account a, b"),
        (Partition("gpu", denied_accounts=("lab2", "lab", "x")), "not for account lab, lab2"),
        (Partition("gpu", allowed_qos=("huge",)), "only with QOS huge"),
        (Partition("gpu", needs_reservation=True), "only with a reservation"),
    ],
)
def test_nothing_is_free_in_a_partition_that_is_closed(partition: Partition, words: str) -> None:
    row = offer(node("a"), partitions=(partition,), accounting=accounting())
    assert row.description.startswith(words)
    assert (row.free_gpus, row.available_quantity) == (0, 0)
    assert row.is_down is (partition.state != "UP")
    if not row.is_down and not partition.needs_reservation:
        assert offer(node("a"), partitions=(partition,), accounting=accounting(), user="root").available_quantity == 1


def test_accounts_and_qos_that_are_allowed_close_nothing() -> None:
    partitions = (Partition("gpu", allowed_accounts=("lab",), allowed_qos=("small",)),)
    assert offer(node("a"), accounting=accounting(), partitions=partitions).available_quantity == 1
    unlimited = offer(node("a"), partitions=partitions)
    assert (unlimited.available_quantity, unlimited.description) == (1, "")


def test_the_description_names_what_is_out_of_service_first() -> None:
    nodes = [
        node("n1", DRAINED, reason="power supply"),
        node("n2", DRAINED, reason="power supply"),
        node("n3", DOWN, reason="Not responding"),
        node("n4", DOWN),
        node("n5", DRAINED, reason="x" * 100),
        node("n6", Condition.RESERVED),
        node("n7", Condition.POWERED_DOWN),
        node("n8", Condition.POWERED_DOWN),
    ]
    limited = replace(GPU, time_limit_s=129_600, max_nodes=1, takes_whole_nodes=True)
    assert offer(*nodes, partitions=(limited,)).description == (
        "n1, n2 drained: power supply, n3 down: Not responding, n4 down, 1 more out of service,"
        " 2 powered down, which start on demand, 1 reserved,"
        " at most 1 d 12 h and 1 node for each task, each task gets whole nodes, the default partition"
    )
    many = offer(*(node(f"m{number}", DRAINED, reason="y" * 100) for number in range(9)))
    assert many.description.startswith(f"m0, m1, m2 and 6 more drained: {'y' * 79}…, ")


def test_the_description_names_the_limits_of_the_user() -> None:
    row = offer(node("a"), accounting=accounting(), partitions=(replace(GPU, qos="wide"),))
    assert row.description == (
        "the default partition, QOS wide: 4 x a100 for each user, 1 x h100 for each user,"
        " 8 nodes for all users together, 2 GPUs for each node of a task,"
        " QOS small: 2 GPUs for each user, 3 running tasks for each user, 16 CPUs for each task,"
        " 32 GB of memory for each task, 1 d for each task,"
        " account lab: 5 running tasks for you, 8 GPUs for all your tasks, 2 h for each task"
    )
    denied = offer(node("a"), accounting=accounting(), partitions=(Partition("gpu", denied_qos=("small",)),))
    assert "small" not in denied.description
    elsewhere = offer(node("a", partitions=("old",)), accounting=accounting(), partitions=(Partition("old"),))
    assert "account lab2: 1 node for each task" in elsewhere.description

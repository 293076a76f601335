"""The nodes, partitions and GPUs of a cluster, from what scontrol prints; the lines are those of 22.05 and 24.11."""

from __future__ import annotations

from testbed.tables import each

from flow_core.gpu_matching import Gpu
from flow_core.gpu_shorthand import parse_gpu
from flow_core.providers.slurm.discovery.gres import (
    build_gpu,
    find_feature_type,
    name_instance_type,
    name_model,
    parse_gpus,
)
from flow_core.providers.slurm.discovery.node import Condition, find_condition, parse_node, parse_state
from flow_core.providers.slurm.discovery.partition import Partition, parse_partition

HEAD = (
    "NodeName=node1 Arch=x86_64 CoresPerSocket=8  CPUAlloc=2 CPUEfctv=8 CPUTot=8 CPULoad=1.09"
    " AvailableFeatures=a100,ib ActiveFeatures=a100,ib Gres=gpu:a100:4(S:0-1) GresDrain=N/A"
    " GresUsed=gpu:a100:2(IDX:0-1) NodeAddr=10.0.0.1 NodeHostName=vm Port=17611 Version=22.05.8"
    " OS=Linux 6.1 State=DOWN #1 SMP PREEMPT_DYNAMIC @0  RealMemory=19284 AllocMem=512 FreeMem=16301 Sockets=1"
)
TAIL = (
    " ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A Partitions=gpu,debug  BootTime=2026-11-29T14:17:03"
    " CfgTRES=cpu=8,mem=19284M,billing=8 AllocTRES=cpu=2,mem=512M CapWatts=n/a"
)
PARTITION = (
    "PartitionName=gpu AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=YES QoS=N/A"
    " DefaultTime=01:00:00 Hidden=NO MaxNodes=UNLIMITED MaxTime=UNLIMITED MinNodes=0 Nodes=node[1-3] RootOnly=NO"
    " ReqResv=NO OverSubscribe=NO PreemptMode=OFF State=UP TotalCPUs=24 JobDefaults=(null) DefMemPerCPU=256"
)
CLOSED = (
    "PartitionName=old AllowGroups=staff,root AllowAccounts=a,b DenyQos=x Default=NO QoS=part MaxNodes=2"
    " MaxTime=2-00:00:00 Nodes=node2 RootOnly=YES ReqResv=YES OverSubscribe=EXCLUSIVE State=DRAIN"
    " JobDefaults=DefCpuPerGPU=2,DefMemPerGPU=100 DefMemPerNode=500 MaxMemPerNode=UNLIMITED"
)


def node_line(state: str = "MIXED", ending: str = "") -> str:
    head = HEAD.replace(" State=DOWN", "")
    return f"{head} Boards=1 State={state}{TAIL}{ending}"


@each(
    "text, gpus",
    [
        ("gpu:a100:4", {"a100": 4}),
        ("gpu:a100:4(S:0-1)", {"a100": 4}),
        ("gpu:4(S:0-1)", {"": 4}),
        ("gpu", {"": 1}),
        ("gpu:a100", {"a100": 1}),
        ("gpu:a100:4,gpu:h100:2", {"a100": 4, "h100": 2}),
        ("gpu:a100:2(IDX:0,3),gpu:h100:1(IDX:4)", {"a100": 2, "h100": 1}),
        ("gpu:a100:0(IDX:N/A)", {"a100": 0}),
        ("gpu:(null):2(IDX:0-1)", {"": 2}),
        ("gpu:2080:4", {"2080": 4}),
        ("gpu:a100_3g.20gb:4(S:0),gpu:1g.10gb:7", {"a100_3g.20gb": 4, "1g.10gb": 7}),
        ("cpu=8,gres/gpu:a100=3", {"a100": 3}),
        ("lustre:no_consume:1,shard:8,craynetwork:4", {}),
        ("(null)", {}),
        ("", {}),
    ],
)
def test_a_gres_text_names_gpus_by_type(text: str, gpus: dict[str, int]) -> None:
    assert parse_gpus(text) == gpus


@each(
    "site_type, model, instance_type, memory_gb",
    [
        ("a100", "a100", "4xa100", 80),
        ("A100", "a100", "4xa100", 80),
        ("a100_40gb", "a100-40gb", "4xa100-40gb", 40),
        ("NVIDIA_A100-SXM4-80GB", "a100-sxm4-80gb", "4xa100-sxm4-80gb", 80),
        ("tesla_v100", "v100", "4xv100", 32),
        ("a100_3g.20gb", "a100-3g.20gb", "4xa100-3g.20gb", 20),
        ("1g.10gb", "1g.10gb", "4xgpu:10gb", 10),
        ("2080ti", "2080ti", "4xgpu", None),
        ("rtx_6000", "rtx-6000", "4xrtx-6000", None),
        ("", "gpu", "4xgpu", None),
        ("\x1b[31m", "31m", "4xgpu", None),
    ],
)
def test_a_type_of_a_site_has_an_instance_type_that_can_be_requested(
    site_type: str, model: str, instance_type: str, memory_gb: int | None
) -> None:
    assert name_model(site_type) == model
    assert name_instance_type(site_type, 4) == instance_type
    assert build_gpu(site_type).memory_gb == memory_gb
    request = parse_gpu(instance_type)
    assert request.count == 4
    assert build_gpu(site_type).fits(request)
    assert isinstance(build_gpu(site_type), Gpu)


def test_a_feature_names_the_model_of_gpus_without_a_type() -> None:
    assert find_feature_type(("ib", "mem512gb", "a100")) == "a100"
    assert find_feature_type(("ib", "mem512gb", "rack7")) == ""
    assert name_instance_type("", 0) == "cpu"
    line = node_line().replace("gpu:a100:4(S:0-1)", "gpu:4").replace("gpu:a100:2(IDX:0-1)", "gpu:1(IDX:0)")
    node = parse_node(line)
    assert node is not None
    assert (node.gpus, node.used_gpus) == ({"a100": 4}, {"a100": 1})


@each(
    "state, condition",
    [
        ("IDLE", Condition.READY),
        ("MIXED", Condition.READY),
        ("ALLOCATED", Condition.READY),
        ("MIXED+CLOUD", Condition.READY),
        ("MIXED+CLOUD+NOT_RESPONDING+POWERING_UP", Condition.READY),
        ("idle#", Condition.READY),
        ("IDLE+REBOOT_REQUESTED", Condition.READY),
        ("idle~", Condition.POWERED_DOWN),
        ("IDLE+CLOUD+POWERED_DOWN", Condition.POWERED_DOWN),
        ("IDLE+CLOUD+POWERING_DOWN", Condition.BUSY),
        ("IDLE+COMPLETING", Condition.BUSY),
        ("IDLE+PLANNED", Condition.PLANNED),
        ("RESERVED", Condition.RESERVED),
        ("IDLE+RESERVED", Condition.RESERVED),
        ("IDLE+MAINT", Condition.RESERVED),
        ("IDLE$", Condition.RESERVED),
        ("IDLE+DRAIN", Condition.DRAINED),
        ("MIXED+DRAIN+RESERVED", Condition.DRAINED),
        ("DOWN+DRAIN+NOT_RESPONDING", Condition.DRAINED),
        ("DOWN*", Condition.DOWN),
        ("DOWN*+CLOUD", Condition.DOWN),
        ("IDLE*", Condition.DOWN),
        ("IDLE+NOT_RESPONDING", Condition.DOWN),
        ("IDLE+INVALID_REG", Condition.DOWN),
        ("DOWN+DRAIN+REBOOT_ISSUED", Condition.REBOOTING),
    ],
)
def test_the_state_of_a_node_decides_whether_it_starts_tasks(state: str, condition: Condition) -> None:
    assert find_condition(parse_state(state)) is condition


def test_a_node_has_its_resources_and_what_is_used_of_them() -> None:
    node = parse_node(node_line())
    assert node is not None
    assert (node.name, node.partitions, node.is_idle) == ("node1", ("gpu", "debug"), False)
    assert (node.cpus, node.used_cpus, node.memory_mb, node.used_memory_mb) == (8, 2, 19284, 512)
    assert (node.gpus, node.used_gpus, node.count_free_gpus("a100"), node.reason) == ({"a100": 4}, {"a100": 2}, 2, "")
    limited = parse_node(node_line().replace("CPUEfctv=8", "CPUEfctv=6").replace("TmpDisk=0", "MemSpecLimit=1000"))
    assert limited is not None
    assert (limited.cpus, limited.memory_mb) == (6, 18284)
    idle = parse_node(node_line("IDLE").replace("CPUAlloc=2", "CPUAlloc=0"))
    assert idle is not None
    assert idle.is_idle


@each(
    "ending, reason",
    [
        (" Reason=bad disk [root@2026-11-30T08:08:14]", "bad disk"),
        (" Reason=Not responding [slurm@2026-11-30T08:08:14] ReservationName=maint", "Not responding"),
        (" Reason=swap [root@2026-11-30T08:08:14] Comment=rack 7 State=DOWN", "swap"),
        (" Reason=no user or time", "no user or time"),
        (" Reason=State=IDLE Gres=gpu:h100:9 [root@2026-11-30T08:08:14]", "State=IDLE Gres=gpu:h100:9"),
        (" Reason=\x1b[31mred\x07 [root@2026-11-30T08:08:14]", "␛[31mred␇"),
        (" Reason=[x] y [root(1)@2026-11-30T08:08:14]", "[x] y"),
        ("", ""),
    ],
)
def test_a_reason_is_read_without_its_author_and_replaces_no_field(ending: str, reason: str) -> None:
    node = parse_node(node_line("MIXED+DRAIN", ending))
    assert node is not None
    assert (node.reason, node.condition, node.gpus) == (reason, Condition.DRAINED, {"a100": 4})
    assert node.reason.isprintable()


@each("line", ["", "No nodes in the system", "NodeName=", "NodeName=x", " NodeName=x State=IDLE", "PartitionName=a"])
def test_a_line_that_is_no_node_is_none(line: str) -> None:
    assert parse_node(line) is None


def test_a_partition_has_its_limits_and_who_may_use_it() -> None:
    assert parse_partition(PARTITION) == Partition("gpu", is_default=True, memory_per_cpu_mb=256)
    assert parse_partition(CLOSED) == Partition(
        name="old",
        state="DRAIN",
        time_limit_s=172_800,
        max_nodes=2,
        allowed_accounts=("a", "b"),
        denied_qos=("x",),
        qos="part",
        is_for_root=True,
        needs_reservation=True,
        takes_whole_nodes=True,
        cpus_per_gpu=2,
        memory_per_gpu_mb=100,
        memory_per_node_mb=500,
    )
    assert parse_partition("NodeName=node1 State=IDLE") is None

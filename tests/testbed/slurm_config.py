"""The configuration files of a test's Slurm cluster. Slurm 22.05 and later can read them."""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from testbed.slurm_space import HOST_NAME, PATH

_PORT_BLOCK = 20
_PORTS = range(15_000, 32_000, _PORT_BLOCK)
"""Below those that the system gives to connections, so that a daemon finds its port free also when it starts again."""


@dataclass(frozen=True)
class Plan:
    """What a cluster consists of. Its daemons use the ports from `port` on."""

    folder: Path
    name: str
    nodes: int
    gpus: int
    gpu_type: str
    has_accounting: bool
    has_rest: bool
    port: int
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def conf(self) -> Path:
        return self.folder / "etc" / "slurm.conf"

    @property
    def munge_socket(self) -> Path:
        return self.folder / "munge" / "socket"

    @property
    def jwt_key(self) -> Path:
        return self.folder / "state" / "jwt_hs256.key"

    @property
    def dbd_port(self) -> int:
        return self.port + 1

    @property
    def rest_port(self) -> int:
        return self.port + 2

    @property
    def node_names(self) -> tuple[str, ...]:
        return tuple(f"node{number}" for number in range(1, self.nodes + 1))

    def log(self, program: str) -> Path:
        return self.folder / "log" / f"{program}.log"


def find_ports() -> int:
    """Returns the first port of a block that nothing uses now."""
    while True:
        first = _PORTS[secrets.randbelow(len(_PORTS))]
        if _is_free(first):
            return first


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def write_config(plan: Plan) -> None:
    etc = plan.conf.parent
    plan.conf.write_text("".join(f"{line}\n" for line in _slurm_conf(plan)))
    nodes = ",".join(plan.node_names)
    devices = f"{plan.folder}/dev/gpu[0-{plan.gpus - 1}]"
    (etc / "gres.conf").write_text(f"NodeName={nodes} Name=gpu Type={plan.gpu_type} File={devices}\n")
    if get_version() >= (23, 11):  # earlier ones want a mount at /sys/fs/cgroup, and do not know the word
        (etc / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
    if plan.has_accounting:
        _write_dbd_conf(plan)


def get_version() -> tuple[int, int]:
    said = subprocess.run(["slurmd", "-V"], env={"PATH": PATH}, capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    assert found is not None, said
    return int(found[1]), int(found[2])


def _slurm_conf(plan: Plan) -> Iterator[str]:
    settings = {**_SETTINGS, **_get_places(plan), **(_ACCOUNTING if plan.has_accounting else {}), **plan.options}
    yield from (f"{name}={value}" for name, value in settings.items())
    cpus = 2 * plan.gpus  # more than the machine has, so that several tasks run on a node
    for number, node in enumerate(plan.node_names):
        yield (
            f"NodeName={node} NodeHostname={HOST_NAME} NodeAddr=127.0.0.1 Port={plan.port + 3 + number} "
            f"CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory={MEMORY_MB} "
            f"Gres=gpu:{plan.gpu_type}:{plan.gpus} Feature={plan.gpu_type} State=UNKNOWN"
        )
    everywhere = ",".join(plan.node_names)
    yield f"PartitionName=gpu Nodes={everywhere} Default=YES MaxTime=INFINITE DefaultTime=60 DefMemPerCPU=1000 State=UP"
    yield f"PartitionName=debug Nodes={plan.node_names[0]} MaxTime=30 DefMemPerCPU=1000 State=UP PriorityTier=10"


MEMORY_MB = 64_000
"""What a node says it has; nothing is set aside for it."""

_SETTINGS = {
    "SlurmUser": "slurm",
    "AuthType": "auth/munge",
    "CredType": "cred/munge",
    "SlurmdParameters": "config_overrides",  # the nodes believe the numbers below
    "ProctrackType": "proctrack/linuxproc",
    "TaskPlugin": "task/none",
    "JobAcctGatherType": "jobacct_gather/linux",
    "JobAcctGatherFrequency": "task=1",
    "JobAcctGatherParams": "OverMemoryKill",
    "SelectType": "select/cons_tres",
    "SelectTypeParameters": "CR_Core_Memory",
    "SchedulerType": "sched/backfill",
    "SchedulerParameters": "batch_sched_delay=0,sched_interval=1,bf_interval=1",
    "GresTypes": "gpu",
    "MpiDefault": "none",
    "SwitchType": "switch/none",
    "ReturnToService": "1",
    "MinJobAge": "3600",
    "MaxJobCount": "10000",
    "KillWait": "3",
    "EpilogMsgTime": "1",
    "MessageTimeout": "10",
    "SlurmctldTimeout": "30",
    "SlurmdTimeout": "30",
    "InactiveLimit": "0",
    "Waittime": "0",
    "LaunchParameters": "use_interactive_step",
}
_ACCOUNTING = {
    "AccountingStorageEnforce": "associations,limits,qos",
    "EnforcePartLimits": "ALL",
    "AccountingStorageTRES": "gres/gpu",  # slurmctld refuses to start with this line and no slurmdbd
    "AccountingStoreFlags": "job_comment,job_script,job_env",
}


def _get_places(plan: Plan) -> dict[str, str]:
    folder = plan.folder
    return {
        "ClusterName": plan.name,
        "SlurmctldHost": f"{HOST_NAME}(127.0.0.1)",
        "SlurmctldPort": str(plan.port),
        "AuthInfo": f"socket={plan.munge_socket}",
        "AuthAltTypes": "auth/jwt",
        "AuthAltParameters": f"jwt_key={plan.jwt_key}",
        "StateSaveLocation": f"{folder}/state",
        "SlurmdSpoolDir": f"{folder}/spool/%n",
        "SlurmctldPidFile": f"{folder}/run/slurmctld.pid",
        "SlurmdPidFile": f"{folder}/run/slurmd-%n.pid",
        "SlurmctldLogFile": str(plan.log("slurmctld")),
        "SlurmdLogFile": str(plan.log("slurmd-%n")),
        **(_get_accounting_places(plan) if plan.has_accounting else {}),
    }


def _get_accounting_places(plan: Plan) -> dict[str, str]:
    return {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": str(plan.dbd_port),
        "AccountingStoragePass": str(plan.munge_socket),  # no password: clients of slurmdbd find munge through it
    }


def _write_dbd_conf(plan: Plan) -> None:
    path = plan.conf.with_name("slurmdbd.conf")
    settings = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={plan.munge_socket}",
        "AuthAltTypes": "auth/jwt",
        "AuthAltParameters": f"jwt_key={plan.jwt_key}",
        "DbdHost": HOST_NAME,
        "DbdAddr": "127.0.0.1",
        "DbdPort": str(plan.dbd_port),
        "SlurmUser": "slurm",
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "localhost",
        "StorageLoc": "slurm_acct_db",
        "StorageUser": "slurm",
        "LogFile": str(plan.log("slurmdbd")),
        "PidFile": f"{plan.folder}/run/slurmdbd.pid",
    }
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    shutil.chown(path, "slurm", "slurm")


def _is_free(first: int) -> bool:
    with ExitStack() as stack:
        for port in range(first, first + _PORT_BLOCK):
            probe = stack.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True

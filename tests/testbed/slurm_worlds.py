"""Worlds of the Slurm provider: clusters with and without accounting, through SSH and on this machine."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from testbed.slurm_accounting import OTHER_ACCOUNT
from testbed.slurm_cluster import DEBUG_PARTITION, SlurmCluster
from testbed.slurm_space import User

from flow_core.config import Context

POLL_S = 0.2
_LANGUAGE = "SendEnv LANG LC_*"
_FACETS = frozenset(
    {"logs", "instances", "volumes", "shells", "remote", "uploads", "tunnels", "reservations", "metrics", "scheduling"}
)
_IMPOSSIBLE: tuple[dict[str, Any], ...] = (
    {"instance_type": "8xh900"},
    {"instance_type": "9xa100"},
    {"instance_type": "1024xcpu"},
    {"min_gpu_memory_gb": 640},
    {"min_cpus": 1_000_000},
    {"min_memory_gb": 1_000_000},
    {"num_instances": 100},
    {"region": "mars"},
    {"k8s": "a-cluster"},
    {"image": "python:3.12"},
    {"array": "x-y"},
    {"after": ["999999"]},
    {"after": ["no-number"]},
    {"reservation_id": "no-such"},
    {"allocation_mode": "reserved"},
    {"working_dir": "/nowhere/at/all"},
    {"working_dir": "x" * 300},
    {"data_mounts": [{"source": "/nowhere/at/all", "target": "/data"}]},
    {"data_mounts": [{"source": "s3://bucket/key", "target": "/data"}]},
    {"data_mounts": [{"source": "volume://no-such", "target": "/data"}]},
    {"volumes": [{"name": "new-one", "size_gb": 1}]},
    {"env": {"BIG": "x" * 1_000_000}},
    {"upload_code": True, "code_root": "/nowhere/at/all"},
    {"provider_options": {"slurm": {"constraint": "no-such-feature"}}},
    {"provider_options": {"slurm": {"constraint": "[[["}}},
    {"provider_options": {"slurm": {"gres": "gpu:9"}}},
    {"provider_options": {"slurm": {"nodelist": "no-such-node"}}},
    {"provider_options": {"slurm": {"wrap": "true"}}},
    {"provider_options": {"slurm": {"no such option": "1"}}},
)
_IMPOSSIBLE_WITH_ACCOUNTING: tuple[dict[str, Any], ...] = (
    {"max_run_time_hours": 100},
    {"provider_options": {"slurm": {"account": "no-such-account"}}},
    {"provider_options": {"slurm": {"account": OTHER_ACCOUNT}}},
    {"provider_options": {"slurm": {"qos": "no-such-qos"}}},
)


@cache
def shared_cluster(*, accounting: bool) -> SlurmCluster:
    """Returns the cluster that the tests of this process share; each test needs a user of its own."""
    cluster = SlurmCluster(accounting=accounting)
    atexit.register(cluster.stop)
    cluster.start()
    return cluster


class _SlurmWorld:
    """A user of a cluster, whose tasks run on its one node for debugging."""

    refuses: frozenset[str] = frozenset({"streams", "tty"})
    scarce = "4xa100"

    def __init__(self, cluster: SlurmCluster, folder: Path, settings: Mapping[str, Any]) -> None:
        self.cluster = cluster
        self.folder = folder
        self.context = Context("slurm", "slurm", {"poll_s": POLL_S, **settings})
        self.fields: Mapping[str, Any] = {
            "working_dir": str(folder),
            "upload_code": False,
            "region": DEBUG_PARTITION,
        }

    def _find_traces(self, home: Path, user: str) -> set[str]:
        """Returns the names of the user's jobs, of all files of flow in that home, and of the reservations."""
        jobs = self.cluster.run("squeue", "--noheader", "--states=all", f"--user={user}", "--format=%i %T")
        reservations = self.cluster.run("scontrol", "--oneliner", "show", "reservation")
        files = (home / ".local" / "state" / "flow" / "slurm").rglob("*")
        names = {row.partition(" ")[0] for row in (*jobs.splitlines(), *reservations.splitlines())}
        return names | set(map(str, files))


class SlurmWorld(_SlurmWorld):
    """A cluster with accounting, behind a real SSH server. The user may make reservations."""

    facets = _FACETS | {"endpoints"}
    refused: Mapping[str, str] = {}
    impossible = _IMPOSSIBLE + _IMPOSSIBLE_WITH_ACCOUNTING
    accounting = True

    def __init__(self, home: Path) -> None:
        cluster = shared_cluster(accounting=self.accounting)
        cluster.renew()
        self.user = cluster.add_user(level="Operator")
        super().__init__(cluster, cluster.make_folder(self.user, "here"), {"host": self._name_host(cluster)})

    def _name_host(self, cluster: SlurmCluster) -> Any:
        return add_to_ssh_config(cluster, self.user, "lab")

    def traces(self) -> set[str]:
        return self._find_traces(self.user.home, self.user.name)

    async def close(self) -> None:
        self.cluster.remove_user(self.user)


class PlainSlurmWorld(SlurmWorld):
    """A cluster without accounting, behind a real SSH server. Only its administrator can make reservations."""

    refused = {"reservations": "permission"}
    impossible = _IMPOSSIBLE
    accounting = False

    def _name_host(self, cluster: SlurmCluster) -> Any:
        config = cluster.login.config(_LANGUAGE, name="lab", user=self.user.name)
        return {"name": "lab", "ssh_config": str(config)}


class LocalSlurmWorld(_SlurmWorld):
    """A cluster whose commands are those of this machine. Root uses it, so each test has a cluster of its own."""

    facets = _FACETS
    refused: Mapping[str, str] = {}
    impossible = _IMPOSSIBLE

    def __init__(self, home: Path) -> None:
        cluster = SlurmCluster()
        cluster.start()
        self._before = os.environ.get("SLURM_CONF")
        os.environ.update(cluster.env)
        super().__init__(cluster, home, {})

    def traces(self) -> set[str]:
        return self._find_traces(Path.home(), "root")

    async def close(self) -> None:
        os.environ.pop("SLURM_CONF")
        if self._before is not None:
            os.environ["SLURM_CONF"] = self._before
        self.cluster.stop()


def add_to_ssh_config(cluster: SlurmCluster, user: User, name: str) -> str:
    """The ssh config of whoever runs the test knows the login node by that name; returns the name."""
    path = Path.home() / ".ssh" / "config"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with path.open("a") as config:
        config.write(cluster.login.config(_LANGUAGE, name=name, user=user.name).read_text())
    return name

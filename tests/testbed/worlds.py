"""A small world for each provider, in which the contract tests run. A new provider adds a class and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from testbed.agent_folders import end_tasks_in, keep_agent_copy, records_of_agent, state_of
from testbed.cloud import Cloud
from testbed.slurm_worlds import LocalSlurmWorld, PlainSlurmWorld, SlurmWorld
from testbed.sshd import Sshd
from testbed.waiting import task_until

from flow_core.config import Context
from flow_core.models.task import TaskRecord
from flow_core.models.task_config import TaskConfig
from flow_core.providers import open_provider
from flow_core.providers.contract.provider import Provider


class World(Protocol):
    """The place where tasks of one provider run during a contract test."""

    context: Context
    facets: frozenset[str]
    """The facets that this provider must have; further facets that it has must work too."""
    impossible: tuple[dict[str, Any], ...]
    """Fields of tasks that can never run here; each has another reason."""
    refuses: frozenset[str]
    """Fields for the streams of tasks that only this provider refuses."""
    refused: Mapping[str, str]
    """Facets with which this user may only list: a pattern for the sentence that says why."""
    folder: Path
    """Where the test is, and its tasks: this machine and theirs have the same files in it."""
    scarce: str
    """An instance type that one task at a time can have; the next task waits."""
    fields: Mapping[str, Any]
    """Fields that make a task run in the folder of the test."""

    def traces(self) -> set[str]:
        """Names of all records of tasks, volumes and places in queues."""

    async def close(self) -> None:
        """Ends all tasks and what the world itself runs."""


class LocalWorld:
    """This machine, with two pretend GPUs."""

    context = Context("local", "local", {"gpus": "a100:2"})
    facets = frozenset(
        {"logs", "instances", "volumes", "shells", "remote", "uploads", "reservations", "metrics", "pruning"}
    )
    refuses: frozenset[str] = frozenset()
    refused: Mapping[str, str] = {}
    scarce = "a100:2"
    fields: Mapping[str, Any] = {}
    impossible: tuple[dict[str, Any], ...] = (
        {"instance_type": "8xh900"},
        {"min_gpu_memory_gb": 640},
        {"k8s": "a-cluster"},
        {"array": "0-9"},
        {"after": ["task_aaaaaaaaaa"]},
        {"working_dir": "/nowhere/at/all"},
        {"working_dir": "~nobody-at-all/x"},
        {"working_dir": "x" * 300},
        {"instance_type": "1024xcpu"},
        {"data_mounts": [{"source": "~nobody-at-all", "target": "/data"}]},
        {"data_mounts": [{"source": "x" * 300, "target": "/data"}]},
        {"min_cpus": 1_000_000},
        {"data_mounts": [{"source": "/nowhere/at/all", "target": "/data"}]},
        {"data_mounts": [{"source": "volume://no-such", "target": "/data"}]},
        {"volumes": [{"name": "new-one", "size_gb": 1}, {"volume_id": "vol_aaaaaaaaaa"}]},
        {"volumes": [{"name": "new-one", "size_gb": 1}], "instance_type": "8xh900"},
        {"env": {"BIG": "x" * 1_000_000}},
    )

    def __init__(self, home: Path) -> None:
        self.folder = home
        self._state = home / "state"
        keep_agent_copy(self._state)

    async def close(self) -> None:
        end_tasks_in(self._state)

    def traces(self) -> set[str]:
        return records_of_agent(self._state)


class HostsWorld:
    """Machines with two pretend GPUs each, behind real SSH servers; their files are on this machine."""

    facets = frozenset(
        {"logs", "instances", "volumes", "shells", "remote", "uploads", "endpoints", "tunnels"}
        | {"reservations", "metrics", "pruning"}
    )
    refuses = frozenset({"streams"})
    refused: Mapping[str, str] = {}
    scarce = "a100:2"
    impossible: tuple[dict[str, Any], ...] = (
        {"instance_type": "8xh900"},
        {"min_gpu_memory_gb": 640},
        {"region": "mars"},
        {"k8s": "a-cluster"},
        {"image": "\x1b"},
        {"array": "0-9"},
        {"after": ["task_aaaaaaaaaa"]},
        {"reservation_id": "res_aaaaaaaaaa"},
        {"reservation_id": "res_aaaaaaaaaa", "instance_type": "a100"},
        {"allocation_mode": "reserved", "instance_type": "a100"},
        {"scheduled_start_time": "2031-01-01T00:00:00Z"},
        {"num_instances": 2},
        {"working_dir": "/nowhere/at/all"},
        {"working_dir": "~nobody-at-all/x"},
        {"working_dir": "/" + "x" * 300},
        {"working_dir": "x" * 300},
        {"instance_type": "1024xcpu"},
        {"data_mounts": [{"source": "~nobody-at-all", "target": "/data"}]},
        {"data_mounts": [{"source": "x" * 300, "target": "/data"}]},
        {"data_mounts": [{"source": "s3://", "target": "/data"}]},
        {"data_mounts": [{"source": "s3://bucket/key", "target": "/data", "options": {"read_only": False}}]},
        {"min_cpus": 1_000_000},
        {"min_memory_gb": 1_000_000},
        {"data_mounts": [{"source": "/nowhere/at/all", "target": "/data"}]},
        {"data_mounts": [{"source": "volume://no-such", "target": "/data"}]},
        {"volumes": [{"name": "new-one", "size_gb": 1}, {"volume_id": "vol_aaaaaaaaaa"}]},
        {"volumes": [{"name": "new-one", "size_gb": 1}], "instance_type": "8xh900"},
        {"volumes": [{"name": "new-one", "size_gb": 1}], "working_dir": "/nowhere/at/all"},
        {"env": {"BIG": "x" * 1_000_000}},
        {"code_root": "/nowhere/at/all"},
    )

    def __init__(self, home: Path, machines: int = 1, env: Mapping[str, str] | None = None) -> None:
        """`env` is added to the environment of their sessions."""
        self.folder = home
        far = home.parent / f"{home.name}-far"
        self.sshds = [Sshd(far / str(number), "MaxSessions 10", env=env) for number in range(machines)]
        for sshd in self.sshds:
            keep_agent_copy(state_of(sshd.home))
            sshd.start()
        self.fields: Mapping[str, Any] = {"working_dir": str(home)}
        self.context = hosts_context(*self.sshds)

    def traces(self) -> set[str]:
        return set().union(*(records_of_agent(state_of(sshd.home)) for sshd in self.sshds))

    async def close(self) -> None:
        for sshd in self.sshds:
            sshd.stop()
            end_tasks_in(state_of(sshd.home))


class MithrilWorld:
    """An account of the emulated cloud, whose machines run in namespaces of this one; one H100 machine is free."""

    facets = frozenset(
        {"logs", "instances", "volumes", "shells", "remote", "uploads", "endpoints", "tunnels"}
        | {"reservations", "ssh_keys", "identity", "metrics", "market"}
    )
    refuses = frozenset({"streams", "tty"})
    refused: Mapping[str, str] = {}
    scarce = "8xh100"
    impossible: tuple[dict[str, Any], ...] = (
        {"instance_type": "8xh900"},
        {"instance_type": None, "min_gpu_memory_gb": 640},
        {"region": "mars"},
        {"k8s": "a-cluster"},
        {"array": "0-9"},
        {"after": ["task_aaaaaaaaaa"]},
        {"reservation_id": "res_aaaaaaaaaa"},
        {"allocation_mode": "reserved", "scheduled_start_time": "2031-01-01T00:00:00Z"},
        {"terminate_on_exit": True},
        {"ssh_keys": ["no-such-key"]},
        {"max_price_per_hour": 0.01},
        {"min_cpus": 1_000_000},
        {"min_memory_gb": 1_000_000},
        {"num_instances": 100},
        {"working_dir": "not/from/the/root"},
        {"instance_type": "1024xcpu"},
        {"data_mounts": [{"source": "/nowhere/at/all", "target": "/data"}]},
        {"data_mounts": [{"source": "s3://bucket/key", "target": "/data"}]},
        {"data_mounts": [{"source": "volume://no-such", "target": "/data"}]},
        {"volumes": [{"name": "new-one", "size_gb": 1}, {"volume_id": "vol_aaaaaaaaaa"}]},
        {"volumes": [{"name": "new-one", "size_gb": 1}], "instance_type": "8xh900"},
        {"volumes": [{"name": "new-one", "size_gb": 1, "create_if_missing": True}], "max_price_per_hour": 0.01},
        {"env": {"BIG": "x" * 1_000_000}},
        {"env": {"UID": "7"}},
        {"upload_code": True, "code_root": "/nowhere/at/all"},
    )

    def __init__(self, home: Path) -> None:
        self.folder = home
        self.cloud = Cloud()
        self.cloud.market(capacity=1)
        self.context = self.cloud.context
        self.fields: Mapping[str, Any] = {"working_dir": str(home), "upload_code": False, "instance_type": "1xa100"}

    def traces(self) -> set[str]:
        listings = ("/v2/spot/bids", "/v2/volumes", "/v2/ssh-keys")
        return {str(row["fid"]) for path in listings for row in self.cloud.has(path)}

    async def close(self) -> None:
        self.cloud.close()


async def cancel_all(context: Context) -> None:
    """Ends the tasks of a context through a client, for a world that knows no shorter way."""
    provider: Provider = open_provider(context)
    for task in await provider.list_tasks():
        if not task.is_terminal:
            await provider.cancel_task(task.task_id, force=True)
            await task_until(provider, task, lambda now: now.is_terminal)
    await provider.close()


def hosts_context(*servers: Sshd, name: str = "lab", gpus: str | None = "a100:2") -> Context:
    """A context of the machines behind these servers; the user's ssh config names them one, two, ..."""
    config = Path.home() / ".ssh" / "config"
    config.parent.mkdir(mode=0o700, exist_ok=True)
    names = ("one", "two", "three", "four")[: len(servers)]
    texts = (
        server.config("SendEnv LANG LC_*", name=called).read_text()
        for called, server in zip(names, servers, strict=True)
    )
    config.write_text("".join(texts))
    hosts = [{"name": called} | ({} if gpus is None else {"gpus": gpus}) for called in names]
    return Context(name, "hosts", {"hosts": hosts})


WORLDS: dict[str, Callable[[Path], World]] = {
    "local": LocalWorld,
    "hosts": HostsWorld,
    "mithril": MithrilWorld,
    "slurm": SlurmWorld,
    "slurm-plain": PlainSlurmWorld,
    "slurm-local": LocalSlurmWorld,
}


class Bench:
    """A provider opened in its world, with shorthands for the contract tests."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.provider: Provider = open_provider(world.context)

    async def submit(self, command: str = "sleep 600", **fields: Any) -> TaskRecord:
        return await self.provider.submit(TaskConfig.parse({"command": command, **self.world.fields, **fields}))

    async def running(self, command: str = "sleep 600", **fields: Any) -> TaskRecord:
        return await self.until(await self.submit(command, **fields), lambda task: task.is_running)

    async def ended(self, task: TaskRecord) -> TaskRecord:
        return await self.until(task, lambda now: now.is_terminal)

    async def until(self, task: TaskRecord, holds: Callable[[TaskRecord], bool]) -> TaskRecord:
        return await task_until(self.provider, task, holds)

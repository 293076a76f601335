"""What a machine does for a task: the same for this machine, for machines over SSH, and often for a Slurm cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from testbed.container_engines import IMAGE, RealEngine, podman
from testbed.s3_server import S3Server
from testbed.slurm_worlds import PlainSlurmWorld
from testbed.worlds import Bench, HostsWorld, LocalWorld

from flow_core import AsyncFlow
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.task import TaskRecord, TaskStatus

_MACHINES = {"local": 1, "hosts": 2, "slurm": 3}
_GPUS = {"local": 2, "hosts": 2, "slurm": 4}
"""The GPUs of each machine."""
_KEYS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "0ther-secret", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def engine() -> Iterator[RealEngine]:
    with podman() as engine:
        yield engine


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    server = S3Server()
    server.put("corpus", {"data/a.txt": b"one\n", "data/deep/b.txt": b"two\n"})
    yield server
    server.close()


_PROVIDERS = ["local", pytest.param("hosts", marks=pytest.mark.needs("sshd"))]
_OR_SLURM = [*_PROVIDERS, pytest.param("slurm", marks=pytest.mark.needs("sshd", "slurm"))]


@pytest.fixture(params=_PROVIDERS)
async def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    """A world of this provider with one machine. Its tasks can use the tests' engine and S3 server."""
    async with opened(request, tmp_path, monkeypatch, machines=1) as bench:
        yield bench


@pytest.fixture(params=_PROVIDERS)
async def wide_place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    """As above, with two machines if the provider can have several."""
    async with opened(request, tmp_path, monkeypatch, machines=2) as bench:
        yield bench


@asynccontextmanager
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, machines: int
) -> AsyncIterator[Bench]:
    env = {"FLOW_LOCAL_GRACE_S": "1"}
    if "engine" in request.fixturenames:
        env |= request.getfixturevalue("engine").env
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path / "state"))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    world: LocalWorld | HostsWorld | PlainSlurmWorld
    if request.param == "slurm":
        world = PlainSlurmWorld(tmp_path)
        world.fields = {**world.fields, "region": None}  # any node
    elif request.param == "local":
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        world = LocalWorld(tmp_path)
    else:
        world = HostsWorld(tmp_path, machines, env)
        world.context = replace(world.context, settings={**world.context.settings, "s3_python": sys.executable})
    monkeypatch.chdir(world.folder)
    bench = Bench(world)
    yield bench
    await bench.provider.close()
    await world.close()


async def read_log(bench: Bench, task: TaskRecord, attempt: int | None = None, rank: int = 0) -> str:
    async with AsyncFlow(bench.world.context) as flow:
        return await flow.logs(task.task_id, attempt=attempt, rank=rank)


async def completed(bench: Bench, task: TaskRecord) -> TaskRecord:
    end = await bench.ended(task)
    assert (end.status, end.exit_code) == (TaskStatus.COMPLETED, 0), end.message
    return end


@pytest.mark.needs("podman")
async def test_a_task_runs_in_its_image_with_its_folder_inside(
    place: Bench, engine: RealEngine, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "given").write_text("from here\n")
    command = "pwd; cat given; busybox | head -c 7"
    task = await place.submit(command, image=IMAGE, code_root=str(tmp_path / "code"), working_dir=None)
    await completed(place, task)
    assert await read_log(place, task) == "/workspace\nfrom here\nBusyBox"


@pytest.mark.parametrize("place", _OR_SLURM, indirect=True)
async def test_a_task_that_fails_is_tried_again_with_a_log_for_each_attempt(place: Bench) -> None:
    command = "[ -e $FLOW_TASK_DIR/again ] && echo well || { echo badly; touch $FLOW_TASK_DIR/again; exit 3; }"
    task = await completed(place, await place.submit(command, retries={"max_retries": 2, "delay_s": 0.1}))
    assert task.attempt == 1
    assert [await read_log(place, task, number) for number in (0, 1)] == ["badly\n", "well\n"]


@pytest.mark.needs("namespaces")
async def test_data_from_s3_is_there_before_the_task_starts(place: Bench, s3: S3Server) -> None:
    env = {**_KEYS, "AWS_ENDPOINT_URL": s3.url}
    mounts = [{"source": "s3://corpus/data", "target": "/data/corpus"}]
    task = await place.submit("cat /data/corpus/a.txt /data/corpus/deep/b.txt", env=env, data_mounts=mounts)
    await completed(place, task)
    assert await read_log(place, task) == "one\ntwo\n"


@pytest.mark.needs("namespaces")
async def test_a_path_of_the_machine_and_a_volume_are_mounted_where_the_task_wants_them(
    place: Bench, tmp_path: Path
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file").write_text("kept\n")
    mounts = [{"source": str(tmp_path / "set"), "target": "/a/set"}]
    volume = {"name": "results", "size_gb": 1, "mount_path": "/b/results"}
    writer = await place.submit(
        "cp /a/set/file /b/results && ! touch /a/set/other", data_mounts=mounts, volumes=[volume]
    )
    await completed(place, writer)
    reader = await place.submit("cat /c/file", volumes=[{"name": "results", "mount_path": "/c"}])
    await completed(place, reader)
    assert await read_log(place, reader) == "kept\n"
    assert not Path("/a/set").exists()


async def test_reserved_gpus_go_to_the_task_that_names_the_reservation(wide_place: Bench) -> None:
    place = wide_place
    facet = place.provider.reservations
    assert facet is not None
    machines = _MACHINES[place.world.context.provider]
    made = [await facet.create(ReservationSpec(instance_type="a100:2")) for _ in range(machines)]
    assert len({one.region for one in made}) == machines
    other = await place.submit("true", instance_type="a100")
    other = await place.until(other, lambda now: "reserved" in now.message)
    assert other.message.startswith("waiting for 1 x a100: 0 of 2 free, 2 reserved until ")
    fields = {"instance_type": "a100:2", "reservation_id": made[-1].reservation_id, "allocation_mode": "reserved"}
    mine = await completed(place, await place.submit("true", **fields))
    assert mine.provider_metadata["reservation"] == made[-1].reservation_id
    assert (await place.provider.get_task(other.task_id)).status is TaskStatus.PENDING
    for one in made:
        await facet.release(one.reservation_id)
    await completed(place, other)


@pytest.mark.parametrize("wide_place", _OR_SLURM, indirect=True)
async def test_a_task_of_several_instances_waits_for_all_then_runs_on_all(wide_place: Bench) -> None:
    place, provider = wide_place, wide_place.world.context.provider
    machines, gpus = _MACHINES[provider], _GPUS[provider]
    instances = max(2, machines)
    holder = await place.running(instance_type="a100:1")
    fields = {"instance_type": f"a100:{gpus * machines // instances}", "num_instances": instances}
    wide = await place.submit("echo rank $RANK of $WORLD_SIZE", **fields)
    await place.until(wide, lambda now: now.message.startswith("wait"))
    await place.provider.cancel_task(holder.task_id, force=True)
    end = await completed(place, wide)
    assert end.num_instances == instances
    logs = [await read_log(place, end, rank=rank) for rank in range(instances)]
    assert logs == [f"rank {rank} of {instances}\n" for rank in range(instances)]

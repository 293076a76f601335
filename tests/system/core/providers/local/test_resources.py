"""GPUs, volumes and shells of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.errors import ConfigError, Conflict, NotFound, Unsupported
from flow_core.models.task import TaskStatus


async def test_six_tasks_share_two_gpus_in_order_of_submission(machine, tmp_path):
    command = (
        'echo "start $N $CUDA_VISIBLE_DEVICES" >> stamps; sleep 0.15; echo "stop $N $CUDA_VISIBLE_DEVICES" >> stamps'
    )
    tasks = [await machine.submit(command, instance_type="a100", env={"N": str(n)}) for n in range(6)]
    ends = [await machine.ended(task) for task in tasks]
    assert {end.status for end in ends} == {TaskStatus.COMPLETED}
    held: set[str] = set()
    for verb, _, gpu in (line.split() for line in (tmp_path / "stamps").read_text().splitlines()):
        if verb == "start":
            assert gpu not in held
            held.add(gpu)
            assert len(held) <= 2
        else:
            held.discard(gpu)
    started = [end.started_at for end in ends]
    assert started == sorted(started)


async def test_a_large_request_waits_at_the_head_and_is_not_overtaken(machine):
    first = await machine.running(await machine.submit("sleep 300", instance_type="a100"))
    large = await machine.submit("true", instance_type="a100:2")
    small = await machine.submit("true", instance_type="a100")
    waiting = await machine.until_task(large, lambda now: bool(now.message))
    assert waiting.message == "waiting for 2 x a100: 1 of 2 free"
    behind = await machine.until_task(small, lambda now: bool(now.message))
    assert behind.status is TaskStatus.PENDING
    await machine.provider.cancel_task(first.task_id)
    ends = [await machine.ended(large), await machine.ended(small)]
    assert ends[0].started_at < ends[1].started_at


async def test_a_waiting_task_can_be_cancelled_and_holds_nobody_up(machine):
    first = await machine.running(await machine.submit("sleep 300", instance_type="a100"))
    large = await machine.submit("true", instance_type="a100:2")
    small = await machine.submit("true", instance_type="a100")
    await machine.provider.cancel_task(large.task_id)
    assert (await machine.ended(large)).status is TaskStatus.CANCELLED
    assert (await machine.ended(small)).status is TaskStatus.COMPLETED
    assert (await machine.provider.get_task(first.task_id)).is_running


async def test_what_can_be_had_shrinks_while_gpus_are_held(machine):
    task = await machine.running(await machine.submit("sleep 300", instance_type="a100"))
    offers = {one.instance_type: one for one in await machine.provider.instances.find({"min_gpu_count": 1})}
    assert {name: one.available_quantity for name, one in offers.items()} == {"1xa100": 1, "2xa100": 0}
    assert await machine.provider.instances.normalize(2, "a100") == ("2xa100", 1, None)
    assert await machine.provider.instances.normalize(2, None) == ("2xa100", 1, None)
    assert await machine.provider.instances.normalize(2, "gpu:40gb") == ("2xgpu:40gb", 1, None)
    asked = ((3, "h100", "3xh100"), (16, "a100", "16xa100"), (3, None, "gpu:3"), (1, "it_x", "it_x"))
    for count, kind, wanted in asked:
        warning = f"{wanted} is not available on this machine; it has 2 x a100"
        assert await machine.provider.instances.normalize(count, kind) == (wanted, 1, warning)
    with pytest.raises(ConfigError):
        await machine.provider.instances.find({"colour": "red"})  # type: ignore[typeddict-unknown-key]
    await machine.provider.cancel_task(task.task_id)


async def test_a_volume_outlives_its_task_and_cannot_be_deleted_while_held(machine):
    volume = await machine.provider.volumes.create(1, "data", "block", None)
    first = await machine.submit('echo kept > "$FLOW_VOLUME_DATA/file"; sleep 300', volumes=[{"name": "data"}])
    kept = Path(volume.provider_metadata["path"]) / "file"
    await machine.until(kept.exists, "the file in the volume")
    with pytest.raises(Conflict, match=first.name):
        await machine.provider.volumes.delete("data")
    with pytest.raises(Conflict, match=first.name):
        await machine.submit("true", volumes=[{"volume_id": volume.volume_id}])
    assert [one.attached_to for one in await machine.provider.volumes.list()] == [(first.task_id,)]
    await machine.provider.cancel_task(first.task_id)
    await machine.ended(first)
    assert kept.read_text() == "kept\n"
    await machine.provider.volumes.delete(volume.volume_id)
    assert await machine.provider.volumes.list() == ()


async def test_of_two_submits_at_once_one_gets_the_block_volume(machine):
    await machine.provider.volumes.create(1, "data", "block", None)
    asked = [machine.submit("sleep 300", volumes=[{"name": "data"}]) for _ in range(2)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "TaskRecord"]
    assert len(await machine.provider.list_tasks()) == 1


async def test_a_refusal_leaves_no_volume_behind(machine):
    new = {"name": "fresh", "create_if_missing": True}
    with pytest.raises(NotFound):
        await machine.submit("true", volumes=[new, {"name": "missing"}])
    assert await machine.provider.volumes.list() == ()
    with pytest.raises(Unsupported, match="data_mounts"):
        await machine.submit("true", volumes=[new], data_mounts=[{"source": "gs://bucket/key", "target": "/x"}])
    assert await machine.provider.volumes.list() == ()
    await machine.ended(await machine.submit("true", volumes=[new]))
    assert [one.name for one in await machine.provider.volumes.list()] == ["fresh"]


async def test_a_mount_is_found_at_its_path_or_the_task_says_where_else(machine):
    task = await machine.submit(
        'echo "$FLOW_VOLUME_DATA"; echo x > "$FLOW_VOLUME_DATA/f"',
        volumes=[{"name": "data", "create_if_missing": True, "mount_path": "/flow-test-mount/deep"}],
    )
    end = await machine.ended(task)
    assert end.status is TaskStatus.COMPLETED
    told = (await machine.output(task)).decode().strip()
    assert told == "/flow-test-mount/deep" or (told.endswith("/volumes/data") and "FLOW_VOLUME_" in end.message)
    assert not Path("/flow-test-mount").exists()
    (volume,) = await machine.provider.volumes.list()
    assert (Path(volume.provider_metadata["path"]) / "f").read_text() == "x\n"


async def test_without_namespaces_volumes_are_linked_and_the_record_says_so(machine, monkeypatch, tmp_path):
    monkeypatch.setenv("FLOW_LOCAL_NO_NAMESPACE", "1")
    task = await machine.submit(
        'echo x > "$FLOW_TASK_DIR/volumes/data/f"; echo "$FLOW_VOLUME_DATA"',
        volumes=[{"name": "data", "create_if_missing": True}],
    )
    assert "FLOW_VOLUME_" in task.message
    assert (await machine.ended(task)).status is TaskStatus.COMPLETED
    assert (await machine.output(task)).decode().strip().endswith("/volumes/data")
    with pytest.raises(Unsupported):
        await machine.submit("true", data_mounts=[{"source": str(tmp_path), "target": "/x"}])


async def test_a_volume_can_be_given_to_a_waiting_and_to_a_running_task(machine):
    await machine.provider.volumes.create(1, "data", "file", None)
    running = await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    waiting = await machine.submit('echo "$FLOW_VOLUME_DATA"', instance_type="a100")
    assert await machine.provider.volumes.attach("data", waiting.task_id, None) == "/volumes/data"
    path = Path(await machine.provider.volumes.attach("data", running.task_id, "/elsewhere"))
    assert path.is_dir()
    assert await machine.provider.volumes.attach("data", running.task_id, None) == str(path)
    await machine.provider.cancel_task(running.task_id)
    end = await machine.ended(waiting)
    assert "data" in (await machine.output(end)).decode()
    with pytest.raises(Conflict):
        await machine.provider.volumes.attach("data", end.task_id, None)


async def test_a_shell_has_the_tasks_environment_folder_and_mounts(machine, tmp_path):
    task = await machine.submit(
        'echo inside > "$FLOW_VOLUME_DATA/f"; sleep 300',
        env={"WORD": "seen", "SHELL": "/bin/sh"},
        volumes=[{"name": "data", "create_if_missing": True}],
    )
    await machine.running(task)
    await machine.until(lambda: list(tmp_path.glob("state/local/*/contexts/*/volumes/*/data/f")), "the file")
    shell = await machine.provider.shells.open(task.task_id, columns=90, rows=30)
    try:
        await shell.write(b'echo "<$((6*7)) $WORD $(cat "$FLOW_VOLUME_DATA/f") $(pwd) $(stty size)>"; exit 7\n')
        said = b"".join([piece async for piece in shell.read()])
        assert f"<42 seen inside {tmp_path} 30 90>".encode() in said
        assert await shell.wait() == 7
    finally:
        await shell.close()
    assert await machine.provider.shells.directory(task.task_id) == tmp_path


async def test_closing_a_shell_ends_it_and_a_finished_task_has_none(machine):
    task = await machine.running(await machine.submit("sleep 300"))
    shell = await machine.provider.shells.open(task.task_id, columns=80, rows=24)
    await shell.write(b"trap '' HUP\n")
    async with asyncio.timeout(DEADLINE_S):
        await shell.close()
        await shell.close()
        await shell.resize(10, 10)
    await machine.provider.cancel_task(task.task_id)
    await machine.ended(task)
    with pytest.raises(Conflict):
        await machine.provider.shells.open(task.task_id, columns=80, rows=24)

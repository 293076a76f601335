"""What tasks on machines get: a machine, GPUs, code, folders, volumes, and their environment."""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from testbed.hosts_lab import Lab, ended, running, submit, until
from testbed.nvidia_smi import FIRST, SECOND, NvidiaSmi
from testbed.waiting import DEADLINE_S

from flow_core import AsyncFlow
from flow_core.errors import CapacityError, ConfigError, Conflict, NotFound, Unsupported
from flow_core.models.task import TaskStatus

pytestmark = pytest.mark.needs("sshd")


async def test_a_task_goes_to_the_machine_with_most_free_gpus_or_the_shortest_queue(lab: Lab) -> None:
    provider = lab.start(2)
    first = await running(provider, await submit(provider, "sleep 651", instance_type="a100", region="one"))
    second = await submit(provider, "sleep 652", instance_type="a100:2")
    third = await submit(provider, "sleep 653", instance_type="a100")
    assert [task.instances for task in (first, second, third)] == [("one",), ("two",), ("one",)]
    await running(provider, second)
    await running(provider, third)
    fourth = await submit(provider, "sleep 654", instance_type="a100", region="one")
    fifth = await submit(provider, "sleep 655", instance_type="a100")
    assert (fourth.status, fourth.instances, fifth.instances) == (TaskStatus.PENDING, ("one",), ("two",))


async def test_the_name_of_a_machine_is_an_instance_type_that_means_all_of_it(lab: Lab) -> None:
    provider = lab.start(2)
    task = await ended(provider, await submit(provider, "echo $CUDA_VISIBLE_DEVICES", instance_type="two"))
    assert (task.instances, task.instance_type) == (("two",), "2xa100")
    assert lab.log(task) == b"0,1\n"


async def test_a_request_above_every_machine_is_refused_with_what_the_machines_have(lab: Lab) -> None:
    provider = lab.start(2)
    with pytest.raises(CapacityError, match=r"a100:4 is not available here: one has 2 x a100, .* CPUs.*; two has"):
        await submit(provider, "true", instance_type="a100:4")
    with pytest.raises(ConfigError, match="there are: one, two"):
        await submit(provider, "true", region="three")


async def test_real_gpus_are_found_and_a_gpu_in_use_is_not_free(lab: Lab, tmp_path: Path) -> None:
    driver = NvidiaSmi(tmp_path / "driver")
    driver.works_on((SECOND, os.getpid(), "/usr/bin/python3"))
    provider = lab.start(gpus=None, env={"PATH": driver.path})
    (row,) = await provider.instances.find({})
    assert (row.instance_type, row.gpu_type, row.gpu_count, row.gpu_memory_gb) == ("2xa100", "a100", 2, 80)
    assert (row.available_quantity, row.total_quantity) == (1, 2)
    assert f"GPUs used by {getpass.getuser()} (python3)" in row.description
    one = await ended(provider, await submit(provider, "echo $CUDA_VISIBLE_DEVICES", instance_type="a100"))
    assert lab.log(one) == f"{FIRST}\n".encode()
    none = await ended(provider, await submit(provider, 'echo "[$CUDA_VISIBLE_DEVICES]"'))
    assert lab.log(none) == b"[]\n"
    both = await submit(provider, "echo $CUDA_VISIBLE_DEVICES", instance_type="gpu:80gb", name="both")
    assert (await ended(provider, both)).exit_code == 0
    waiting = await submit(provider, "true", instance_type="2xa100")
    waiting = await until(provider, waiting, lambda now: now.message != "")
    assert waiting.message == "waiting for 2 x a100: 1 of 2 free, other processes use some without a lease"
    driver.works_on()
    assert (await ended(provider, waiting)).status is TaskStatus.COMPLETED


async def test_a_machine_with_a_broken_gpu_driver_stays_available(lab: Lab, tmp_path: Path) -> None:
    driver = NvidiaSmi(tmp_path / "driver")
    (driver.folder / "gpus").write_text("No devices were found\n\x1b[31m, , ,\nE volume x\n.\n")
    provider = lab.start(gpus=None, env={"PATH": driver.path})
    (row,) = await provider.instances.find({})
    assert (row.status, row.instance_type, row.gpu_count) == ("available", "cpu", 0)
    (driver.folder / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    (row,) = await provider.instances.find({})
    assert "its GPU driver does not answer" in row.description


async def test_the_folder_a_task_is_submitted_from_goes_with_it(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "code"
    (code / "inner").mkdir(parents=True)
    (code / "inner" / "say.sh").write_text("echo said $1\n")
    (code / ".flowignore").write_text("*.bin\n")
    (code / "model.bin").write_text("large")
    monkeypatch.chdir(code)
    provider = lab.start()
    task = await submit(provider, "sh inner/say.sh here; ls", upload_code=True)
    assert (await ended(provider, task)).exit_code == 0
    assert b"said here\n" in lab.log(task)
    assert b"model.bin" not in lab.log(task)
    inner = await submit(provider, "sh say.sh inside", upload_code=True, code_root=str(code), working_dir="inner")
    assert (await ended(provider, inner)).exit_code == 0
    assert lab.log(inner) == b"said inside\n"
    assert list((lab.tasks().parent / "incoming").iterdir()) == []


async def test_the_home_directory_is_never_uploaded_with_a_task(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = lab.start()
    (Path.home() / "diary").write_text("mine")
    monkeypatch.chdir(Path.home())
    task = await ended(provider, await submit(provider, "ls -A", upload_code=True))
    assert lab.log(task) == b""


async def test_a_task_runs_in_its_working_dir(lab: Lab) -> None:
    provider = lab.start()
    (lab.servers[0].home / "it's here").mkdir()
    task = await ended(provider, await submit(provider, "pwd", working_dir="~/it's here"))
    assert lab.log(task).decode() == f"{lab.servers[0].home}/it's here\n"
    assert task.provider_metadata["working_dir"] == f"{lab.servers[0].home}/it's here"


async def test_variables_that_the_shells_on_the_way_use_themselves_reach_the_task(lab: Lab) -> None:
    provider = lab.start()
    names = ["flow_task", "flow_visible", "flow_command", "flow_enter", "RANDOM", "OPTIND"]
    shown = [sys.executable, "-c", f"import os; print(*map(os.environ.get, {names!r}), os.environ['FLOW_TASK_DIR'])"]
    for command in (shown, shlex.join(shown)):
        task = await ended(provider, await submit(provider, command, env=dict.fromkeys(names, "abc")))
        *seen, folder = lab.log(task).decode().split()
        assert seen[:4] == ["abc"] * 4
        assert isinstance(command, str) or seen[4:] == ["abc", "abc"]
        assert folder == str(lab.tasks() / task.task_id)


async def test_any_value_in_the_environment_reaches_the_task(lab: Lab) -> None:
    provider = lab.start()
    odd = 'it\'s "$HOME" `id` \\ \n two\tlines é \x01'
    command = 'printf %s "$ODD"; printf %s "$PATH" >&2'
    task = await submit(provider, command, env={"ODD": odd, "PATH": "/usr/bin:/bin"})
    assert (await ended(provider, task)).exit_code == 0
    assert lab.log(task).decode() == f"{odd}/usr/bin:/bin"
    listed = await submit(provider, ["printf", "[%s]", "a b", "it's", "*"])
    await ended(provider, listed)
    assert lab.log(listed) == b"[a b][it's][*]"


async def test_a_task_runs_on_the_machine_of_its_volume(lab: Lab) -> None:
    provider = lab.start(2)
    volume = await provider.volumes.create(5, "data-set", "block", "two")
    assert volume.region == "two"
    writer = await running(
        provider,
        await submit(provider, "echo kept >$FLOW_VOLUME_DATA_SET/file; sleep 656", volumes=[{"name": "data-set"}]),
    )
    assert writer.instances == ("two",)
    assert writer.volumes[0].mount_path == "/volumes/data-set"
    with pytest.raises(Conflict, match=writer.name):
        await submit(provider, "true", volumes=[{"name": "data-set"}])
    with pytest.raises(Conflict, match=writer.name):
        await provider.volumes.delete("data-set")
    elsewhere = await running(provider, await submit(provider, "sleep 657", region="one"))
    with pytest.raises(Conflict, match="lies on two"):
        await provider.volumes.attach("data-set", elsewhere.task_id, None)
    await provider.cancel_task(writer.task_id, force=True)
    await ended(provider, writer)
    reader = await submit(
        provider, "cat $FLOW_VOLUME_DATA_SET/file", data_mounts=[{"source": "volume://data-set", "target": "/d"}]
    )
    await ended(provider, reader)
    assert lab.log(reader) == b"kept\n"
    await provider.volumes.delete("data-set")
    assert await provider.volumes.list() == ()


async def test_a_volume_that_is_attached_to_a_running_task_is_found_by_its_path(lab: Lab) -> None:
    provider = lab.start()
    await provider.volumes.create(1, "late", "file", None)
    task = await running(
        provider, await submit(provider, "until [ -e ~/go ]; do sleep 0.02; done; ls $FLOW_TASK_DIR/volumes")
    )
    path = await provider.volumes.attach("late", task.task_id, None)
    assert [mount.mount_path for mount in (await provider.get_task(task.task_id)).volumes] == [path]
    (lab.servers[0].home / "go").touch()
    await ended(provider, task)
    assert lab.log(task) == b"late\n"


@pytest.mark.needs("namespaces")
async def test_paths_of_the_machine_are_mounted_where_the_task_wants_them(lab: Lab) -> None:
    provider = lab.start()
    (lab.servers[0].home / "set").mkdir()
    (lab.servers[0].home / "set" / "one").write_text("kept\n")
    mounts = [{"source": "~/set", "target": "/a/set"}, {"source": "/etc/hostname", "target": "/b/name"}]
    command = "cat /a/set/one; cmp /b/name /etc/hostname; touch /a/set/two"
    task = await ended(provider, await submit(provider, command, data_mounts=mounts))
    assert lab.log(task).startswith(b"kept\n")
    assert task.exit_code != 0
    assert not (lab.servers[0].home / "set" / "two").exists()
    with pytest.raises(ConfigError, match="does not exist on 'one'"):
        await submit(provider, "true", data_mounts=[{"source": "/nowhere", "target": "/a"}])
    with pytest.raises(Unsupported, match="s3://"):
        await submit(provider, "true", data_mounts=[{"source": "s3://bucket/key", "target": "/a"}])


async def test_ports_are_endpoints_of_the_machine(lab: Lab) -> None:
    provider = lab.start()
    task = await running(provider, await submit(provider, "echo $PORT; sleep 658", ports=[8123]))
    assert task.endpoints == {"8123": "http://127.0.0.1:8123"}


async def test_the_same_idempotency_key_finds_the_same_task(lab: Lab) -> None:
    provider = lab.start(2)
    first = await submit(provider, "sleep 659", idempotency_key="once")
    again = await submit(lab.open(), "sleep 659", idempotency_key="once")
    assert first.task_id == again.task_id
    with pytest.raises(Conflict, match="once"):
        await submit(provider, "sleep 660", idempotency_key="once")


async def test_the_command_that_is_shown_enters_the_task(lab: Lab) -> None:
    provider = lab.start()
    task = await running(provider, await submit(provider, "sleep 661", env={"ODD": "it's me"}, instance_type="a100"))
    command = await provider.endpoints.command(task.task_id)
    said = subprocess.run(
        ["/bin/sh", "-c", command],
        input=b'echo "<$ODD|$CUDA_VISIBLE_DEVICES|$FLOW_TASK_ID>"; exit 6\n',
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert f"<it's me|0|{task.task_id}>".encode() in said.stdout
    assert said.returncode == 6


async def test_a_task_is_found_by_its_id_and_an_unknown_id_is_not_found(lab: Lab) -> None:
    provider = lab.start()
    task = await submit(provider, "echo found", name="there")
    async with AsyncFlow(lab.context) as flow:
        assert [line async for line in await flow.logs(task.task_id, follow=True)] == ["found"]
    with pytest.raises(NotFound):
        await lab.open().get_task("task_zzzzzzzzzz")


async def test_a_machine_is_found_by_a_part_of_what_it_has(lab: Lab) -> None:
    instances = lab.start(1).instances
    for wanted in ("a100", "2xa100", "a100-80gb", "gpu:40gb", "one"):
        assert [row.allocation_id for row in await instances.find({"instance_type": wanted})] == ["one"], wanted
    for wanted in ("h100", "a100:3", "gpu:100gb"):
        assert await instances.find({"instance_type": wanted}) == (), wanted


async def test_files_are_copied_to_a_task_and_from_it_also_after_its_end(lab: Lab, tmp_path: Path) -> None:
    provider = lab.start(1)
    (tmp_path / "in.txt").write_text("there and back\n", encoding="utf-8")
    task = await running(provider, await submit(provider, "sleep 661"))
    await provider.uploads.put_file(task.task_id, tmp_path / "in.txt", "in.txt")
    await provider.cancel_task(task.task_id, force=True)
    await ended(provider, task)
    await provider.uploads.get_file(task.task_id, "/workspace/in.txt", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "there and back\n"
    with pytest.raises(NotFound, match="there is no"):
        await provider.uploads.get_file(task.task_id, "nothing", tmp_path / "none")


async def test_a_task_and_a_command_in_it_get_the_variables_that_the_ssh_config_sends(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = lab.start(1, "AcceptEnv LC_* FLOW_TEST_*")
    config = Path.home() / ".ssh/config"
    config.write_text(f"{config.read_text()}  SetEnv FLOW_TEST_SET=set\n")
    monkeypatch.setenv("LC_PAPER", "flow_TEST.UTF-8")
    monkeypatch.setenv("FLOW_TEST_KEPT", "at home")
    line = 'echo "$LC_PAPER,$FLOW_TEST_SET,$FLOW_TEST_KEPT"'
    task = await running(provider, await submit(provider, f"{line}; sleep 600"))
    expected = b"flow_TEST.UTF-8,set,\n"
    await until(provider, task, lambda _: lab.log(task).endswith(b"\n"))
    assert lab.log(task) == expected
    assert (await provider.remote.run(task.task_id, line, timeout_s=None)).stdout == expected
    await provider.cancel_task(task.task_id)

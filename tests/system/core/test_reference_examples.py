"""Every example of the Flow SDK reference runs as it is written there, with the import changed, on this machine."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from testbed.s3_server import S3Server
from testbed.waiting import DEADLINE_S

import flow_core
from flow_core import Flow, Task, TaskStatus

# What the examples expect to find on the instance: programs of a cluster image.
PROGRAMS = {
    "python": '#!/bin/sh\n[ "$1" = -m ] && shift 2\necho python ran "$@"\n',
    "torchrun": '#!/bin/sh\necho torchrun on GPUs $CUDA_VISIBLE_DEVICES: "$@"; ls /data /models\n',
    "nvidia-smi": "#!/bin/sh\necho NVIDIA-SMI\n",
}


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:4")
    monkeypatch.chdir(tmp_path)
    with Flow() as opened:
        yield opened


def run(text: str, **names: Any) -> dict[str, Any]:
    """Runs an example; the result holds the names it made."""
    exec(compile(textwrap.dedent(text), "example", "exec"), names)
    return names


def test_a_command_as_a_string_with_an_instance_type(flow: Flow) -> None:
    task = run(
        """
        task = flow.run("python train.py --epochs 10", instance_type="a100", wait=True)
        """,
        flow=flow,
    )["task"]
    assert task.status in (TaskStatus.RUNNING, TaskStatus.COMPLETED)
    assert task.wait(DEADLINE_S).logs() == "python ran train.py --epochs 10\n"


def test_the_same_by_the_function_of_the_module(flow: Flow) -> None:
    task = run(
        """
        task = flow.run("python train.py --epochs 10", instance_type="a100", wait=True)
        """,
        flow=flow_core,
    )["task"]
    assert isinstance(task, Task)
    assert task.wait(DEADLINE_S).instance_type == "1xa100"


def test_a_full_task_config_with_volumes_and_a_limit_price(flow: Flow) -> None:
    task = run(
        """
        from flow_core.sdk.models import TaskConfig, VolumeSpec
        cfg = TaskConfig(
            name="train",
            instance_type="4xa100",
            command=["python", "-m", "torch.distributed.run", "--nproc_per_node=4", "train.py"],
            volumes=[VolumeSpec(size_gb=200, mount_path="/data", name="train-data")],
            max_price_per_hour=12.0,
        )
        task = flow.run(cfg)
        """,
        flow=flow,
    )["task"]
    assert task.wait(DEADLINE_S).status is TaskStatus.COMPLETED
    assert (task.gpu_count, task.volumes[0].mount_path) == (4, "/data")
    assert [(volume.name, volume.size_gb) for volume in flow.list_volumes()] == [("train-data", 200)]


def test_the_cheapest_gpu_with_enough_memory(flow: Flow) -> None:
    task = run(
        """
        from flow_core import TaskConfig
        cfg = TaskConfig(name="infer", min_gpu_memory_gb=40, command="python serve.py")
        task = flow.run(cfg)
        """,
        flow=flow,
    )["task"]
    assert task.wait(DEADLINE_S).instance_type == "1xa100"


def test_a_task_file(flow: Flow) -> None:
    Path("task.yaml").write_text("name: from-file\ncommand: python train.py\n", encoding="utf-8")
    assert flow.run("task.yaml").wait(DEADLINE_S).name == "from-file"
    assert flow.run(Path("task.yaml")).wait(DEADLINE_S).status is TaskStatus.COMPLETED


def test_submit_with_the_gpu_shorthand(flow: Flow) -> None:
    task = run(
        """
        task = flow.submit("python train.py", gpu="a100")
        """,
        flow=flow,
    )["task"]
    assert task.wait(DEADLINE_S).gpu_count == 1


def test_volumes_made_and_attached_by_their_ids(flow: Flow) -> None:
    task = run(
        """
        from flow_core import TaskConfig
        data = flow.create_volume(500, name="datasets")
        ckpt = flow.create_volume(100, name="checkpoints")
        cfg = TaskConfig(
            name="train",
            instance_type="a100",
            command="python train.py",
            volumes=[
                {"volume_id": data.volume_id, "mount_path": "/data"},
                {"volume_id": ckpt.volume_id, "mount_path": "/ckpts"},
            ],
        )
        task = flow.run(cfg)
        """,
        flow=flow,
    )["task"]
    assert [mount.mount_path for mount in task.wait(DEADLINE_S).volumes] == ["/data", "/ckpts"]


def test_volumes_are_listed_and_deleted(flow: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    volume = flow.create_volume(500, name="datasets")
    run(
        """
        for v in flow.list_volumes():
            print(v.name, v.size_gb)
        """,
        flow=flow,
    )
    assert capsys.readouterr().out == "datasets 500\n"
    flow.delete_volume(volume.volume_id)
    assert flow.list_volumes() == []


def test_running_tasks_are_listed_by_name(flow: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    flow.run("sleep 600", name="sleeper", unique_name=False, wait=True)
    flow.submit("true", wait=True)
    run(
        """
        from flow_core.sdk.models import TaskStatus
        for t in flow.list_tasks(status=TaskStatus.RUNNING):
            print(t.name)
        """,
        flow=flow,
    )
    assert capsys.readouterr().out == "sleeper\n"


def test_logs_are_fetched_and_streamed_until_an_error(flow: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    task = flow.submit("seq 100; echo ERROR in step 101; sleep 600")
    run(
        """
        for line in flow.logs(task_id, follow=True):
            if "ERROR" in line:
                break
        print(flow.logs(task_id, tail=50))
        """,
        flow=flow,
        task_id=task.task_id,
    )
    output = capsys.readouterr().out.split("\n")
    assert output[0] == "52"
    assert output[49] == "ERROR in step 101"


def test_a_task_is_got_and_its_status_printed(flow: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    task = flow.submit("true", wait=True)
    run(
        """
        t = flow.get_task(task_id)
        print(t.status)
        """,
        flow=flow,
        task_id=task.task_id,
    )
    assert capsys.readouterr().out == "completed\n"


def test_a_one_off_command_runs_in_the_task(flow: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    task = flow.run("sleep 600", wait=True)
    assert flow.shell(task.task_id, command="nvidia-smi") == 0
    assert "NVIDIA-SMI" in capsys.readouterr().out


def test_a_volume_is_mounted_by_name_and_by_id(flow: Flow) -> None:
    volume, other = flow.create_volume(1, name="datasets"), flow.create_volume(1, name="inputs")
    task_id = flow.run("sleep 600", wait=True).task_id
    assert flow.mount_volume("datasets", task_id) is True
    assert flow.mount_volume(other.volume_id, task_id, mount_point="/volumes/inputs") is True
    assert {mount.volume_id for mount in flow.get_task(task_id).volumes} == {volume.volume_id, other.volume_id}


def test_instances_are_found_by_gpu_and_price(flow: Flow) -> None:
    found = flow.find_instances({"gpu_type": "a100", "max_price": 8.0}, limit=5)
    assert [instance.instance_type for instance in found] == ["1xa100", "2xa100", "4xa100"]


def test_the_dev_vm_is_stopped_when_its_context_is_left(flow: Flow) -> None:
    with flow.dev_context(auto_stop=True) as dev:
        assert dev.exec("exit 3") == 3
        assert dev.status()["vm"]["status"] == "running"
    assert dev.status()["vm"] is None


def test_several_mounts_on_four_gpus(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(S3Server()) as server:
        server.put("bucket", {"pretrained/weights.bin": b"w"})
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
        flow.create_volume(1, name="datasets")
        task = run(
            """
            task = flow.submit(
                "torchrun --nproc_per_node=4 train.py",
                gpu="a100:4",
                mounts={
                    "/data": "volume://datasets",
                    "/models": "s3://bucket/pretrained/",
                },
                wait=True,
            )
            """,
            flow=flow,
        )["task"]
    assert task.status is TaskStatus.COMPLETED, task.message
    output = task.logs()
    assert "torchrun on GPUs 0,1,2,3: --nproc_per_node=4 train.py" in output
    assert "weights.bin" in output

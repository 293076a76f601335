"""What a handle of a task says and does beyond the reference page, as users of the published SDK expect it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed.tables import each
from testbed.waiting import DEADLINE_S

import flow_core
from flow_core import (
    Conflict,
    Flow,
    FlowError,
    InstanceStatus,
    NotFound,
    ReadOnly,
    TaskConfig,
    TaskStatus,
    TaskTimeout,
)


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:4")
    monkeypatch.chdir(tmp_path)
    with Flow() as opened:
        yield opened


def test_a_wait_that_times_out_says_so_and_the_task_continues(flow: Flow) -> None:
    task = flow.run("sleep 600", wait=True)
    for call in (lambda: task.wait(0), lambda: task.wait(timeout=0), lambda: task.wait_for_status("failed", timeout=0)):
        with pytest.raises(TimeoutError, match=rf"task {task.task_id} is still running after 0 s; it goes on") as late:
            call()
        assert isinstance(late.value, TaskTimeout)
    with pytest.raises(FlowError, match="timeout: is another word for timeout_s"):
        task.wait(1, timeout=1)
    assert task.refresh().is_running


def test_waiting_for_a_status_ends_when_it_can_never_come(flow: Flow) -> None:
    task = flow.submit("read x < go.fifo" if os.mkfifo("go.fifo") is None else "")
    assert task.wait_for_status(TaskStatus.RUNNING, DEADLINE_S).is_running
    Path("go.fifo").write_text("go\n", encoding="utf-8")
    assert task.wait_for_status("failed", timeout=DEADLINE_S).status is TaskStatus.COMPLETED


def test_two_handles_of_one_task_are_equal(flow: Flow) -> None:
    task, other = flow.submit("true"), flow.submit("true")
    assert task == flow.get_task(task.task_id)
    assert task != other
    assert len({task, flow.get_task(task.task_id), other}) == 2
    assert task != task.task_id


def test_a_handle_works_on_when_its_client_is_closed() -> None:
    with Flow() as flow:
        task = flow.submit("echo later")
    assert task.wait(DEADLINE_S).status is TaskStatus.COMPLETED
    assert task.logs() == "later\n"
    assert task.flow is task.flow
    with pytest.raises(FlowError, match="is closed"):
        flow.list_tasks()


def test_a_handle_of_a_read_only_client_stays_read_only() -> None:
    with Flow() as flow:
        task = flow.submit("true", wait=True)
        flow.aio.gate.read_only = True
    with pytest.raises(ReadOnly):
        task.cancel()


def test_the_config_of_a_task_is_what_it_was_submitted_with(flow: Flow) -> None:
    config = TaskConfig(name="exact", unique_name=False, command=["echo", "hi"], env={"A": "1"}, instance_type="a100")
    task = flow.run(config)
    assert task.config == config
    assert flow.get_task(task.task_id).config == config


def test_the_instances_of_a_task_are_described(flow: Flow) -> None:
    task = flow.run("sleep 600", num_instances=2, wait=True)
    first, second = task.get_instances()
    assert (first.node, second.node, first.status, first.task_id) == (0, 1, InstanceStatus.RUNNING, task.task_id)
    assert first.instance_id != second.instance_id
    assert (first.public_ip, task.public_ip) == (None, None)
    task.cancel()
    assert [one.status for one in task.wait(DEADLINE_S).get_instances()] == [InstanceStatus.TERMINATED] * 2


def test_a_handle_has_the_ssh_command_of_its_task(flow: Flow) -> None:
    task = flow.run("sleep 600", wait=True)
    assert task.ssh_command == task.shell_command == flow_core.Client().ssh(task.task_id)
    assert task.refresh().host == "127.0.0.1"
    task.cancel()
    assert task.wait(DEADLINE_S).ssh_command is None


def test_a_command_inside_a_task_gives_its_exit_code(flow: Flow) -> None:
    task = flow.run("sleep 600", wait=True)
    assert flow.shell(task.task_id, command="exit 3") == 3
    assert task.shell("true") == 0


def test_files_are_copied_into_a_task_and_out_of_it_also_after_its_end(flow: Flow, tmp_path: Path) -> None:
    home, away = tmp_path / "work", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    (away / "in.sh").write_text("echo data > out.txt", encoding="utf-8")
    (away / "in.sh").chmod(0o750)
    volume = flow.create_volume(1, name="a-volume")
    config = {"working_dir": home, "volumes": [{"volume_id": volume.volume_id, "mount_path": "/data"}]}
    task = flow.run("sleep 600", **config, wait=True)
    task.put_file(away / "in.sh", "./")
    task.put_file(str(away / "in.sh"), "/data/copy.sh")
    assert (home / "in.sh").stat().st_mode & 0o777 == 0o750
    assert task.shell("sh in.sh") == 0
    task.cancel()
    task.wait(DEADLINE_S)
    assert task.get_file("out.txt", away) == away / "out.txt"
    assert (away / "out.txt").read_text(encoding="utf-8") == "data\n"
    assert flow.get_file(task.task_id, "/workspace/out.txt", away / "b").read_text(encoding="utf-8") == "data\n"
    assert task.get_file("/data/copy.sh", away / "c").read_bytes() == (away / "in.sh").read_bytes()
    task.put_file(away / "b", "new.txt")
    with pytest.raises(NotFound, match=r"there is no .*nothing"):
        task.get_file("nothing", away)
    with pytest.raises(FlowError, match="is not a file"):
        task.get_file(".", away / "d")
    assert sorted(os.listdir(away)) == ["b", "c", "in.sh", "out.txt"]


def test_files_of_a_task_whose_folder_was_deleted_are_a_conflict(flow: Flow, tmp_path: Path) -> None:
    home = tmp_path / "work"
    home.mkdir()
    task = flow.run("true", working_dir=home).wait(DEADLINE_S)
    home.rmdir()
    with pytest.raises(Conflict, match=r"the files of task .* are gone"):
        task.get_file("out.txt", tmp_path)


@pytest.mark.parametrize(
    "fields",
    [
        {"command": "echo $X", "env": {"X": 1}, "ports": [18080], "gpu": "a100"},
        {"command": ["sh", "-c", "echo $X"], "env": {"X": 1}, "instance_type": "a100"},
    ],
)
def test_a_command_may_be_given_by_its_name(flow: Flow, fields: dict[str, Any]) -> None:
    task = flow.run(**fields, wait_until="terminal", max_wait_seconds=DEADLINE_S)
    assert (task.status, task.logs(), task.instance_type) == (TaskStatus.COMPLETED, "1\n", "1xa100")


def test_submit_takes_the_fields_of_a_config(flow: Flow) -> None:
    task = flow.submit("echo $X of $NUM_NODES", env={"X": "1"}, ports=[18081], num_instances=2, wait=True)
    assert task.logs() == "1 of 2\n"
    assert task.config is not None
    assert task.config.ports == [18081]


def test_data_is_mounted_by_a_table_or_by_the_name_of_a_volume(flow: Flow, tmp_path: Path) -> None:
    flow.create_volume(1, name="datasets", interface="file")
    (tmp_path / "here").mkdir()
    seen = flow.run("true", data_mounts={"/data": "volume://datasets", "/here": tmp_path / "here"}).config
    assert seen is not None
    assert [(one.target, one.source) for one in seen.data_mounts] == [
        ("/data", "volume://datasets"),
        ("/here", str(tmp_path / "here")),
    ]
    task = flow.submit("ls -d /volumes/datasets", mounts="datasets", wait=True)
    assert task.logs() == "/volumes/datasets\n"


def test_a_dry_run_submits_nothing_and_describes_the_submission(flow: Flow) -> None:
    task = flow.run("echo hello", instance_type="a100", dry_run=True)
    expected = "dry run, nothing was submitted; this would be done: "
    assert (task.task_id, task.message.startswith(expected)) == ("dry-run", True)
    assert task.message.endswith("-c 'echo hello'")
    assert flow.list_tasks() == []
    with pytest.raises(FlowError):
        flow.run("echo hello", instance_type="a100 of mine", dry_run=True)
    with pytest.raises(NotFound):
        task.wait()


def test_the_package_makes_volumes_and_follows_logs_without_a_client(flow: Flow) -> None:
    assert flow_core.create_volume(2, name="datasets").to_dict()["size_gb"] == 2
    task = flow_core.run(command="echo one; echo two")
    assert list(flow_core.log_stream(task.task_id)) == ["one", "two"]
    assert list(flow.log_stream(task.task_id)) == ["one", "two"]
    (volume,) = flow.list_volumes()
    assert volume.to_dict() | {"created_at": ""} == {
        **{"volume_id": volume.volume_id, "name": "datasets", "size_gb": 2, "interface": "block", "attached_to": []},
        **{"region": volume.region, "created_at": "", "status": "available", "used_bytes": volume.used_bytes},
    }


@each(
    ("argument", "expected"),
    [
        ("api_key", r'set MITHRIL_API_KEY in the environment and write Flow\("mithril"\)'),
        ("provider", r'a context says where tasks run: write its name, such as Flow\("local"\)'),
    ],
)
def test_a_client_is_not_made_with_a_key_or_a_provider(argument: str, expected: str) -> None:
    for kind in (Flow, flow_core.AsyncFlow):
        with pytest.raises(FlowError, match=expected):
            kind(**{argument: "x"})
        with pytest.raises(TypeError, match=f"{kind.__name__}.* unexpected keyword argument 'nonsense'"):
            kind(nonsense=1)
    with pytest.warns(UserWarning, match="auto_init: without meaning here"):
        Flow(auto_init=True).close()


def test_results_of_a_client_can_be_written_as_json(flow: Flow) -> None:
    flow.create_volume(1, name="datasets")
    flow.reserve("a100")
    task = flow.run("sleep 600", wait=True)
    user = task.get_user()
    assert user is not None
    assert user.username == user.name
    answers = [*flow.list_volumes(), *flow.list_reservations(), *flow.find_instances({}), *task.get_instances(), user]
    for answer in answers:
        assert json.loads(json.dumps(answer.to_dict())) == answer.to_dict()
    assert flow.list_reservations()[0].to_dict()["status"] == "active"

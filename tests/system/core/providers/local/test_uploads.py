"""Code sent to tasks of this machine, through the facet and through the client."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from testbed.repository import Repository, tree, write
from testbed.tables import each

from flow_core import AsyncFlow, Flow
from flow_core.agent.records import write_json
from flow_core.audit import Gate
from flow_core.errors import ConfigError, Conflict, FlowError, NotFound, ReadOnly
from flow_core.upload.report import UploadResult


@pytest.fixture
def code(tmp_path: Path) -> Path:
    write(tmp_path / "code", {"train.py": "print('trained')", "lib/net.py": "", ".gitignore": "*.pt", "big.pt": "x"})
    return tmp_path / "code"


SENT = {"train.py", "lib/net.py", ".gitignore"}


@pytest.fixture
def home_of_task(tmp_path: Path) -> Path:
    (tmp_path / "task").mkdir()
    return tmp_path / "task"


async def test_the_workspace_is_the_tasks_own_folder(machine, code, home_of_task):
    task = await machine.submit(
        "until [ -e train.py ]; do sleep 0.02; done; cat train.py", working_dir=str(home_of_task)
    )
    result = await machine.provider.uploads.upload(task.task_id, code, "/workspace")
    assert (result.files_sent, result.skipped) == (3, ())
    end = await machine.ended(task)
    assert await machine.output(end) == b"print('trained')"
    assert set(tree(home_of_task)) == SENT


@pytest.fixture
async def task(machine, home_of_task):
    """One that sleeps in its folder."""
    return await machine.submit("sleep 300", working_dir=str(home_of_task))


@each(
    ("target", "place"),
    [
        (".", "task"),
        ("/workspace/src/../beside", "task/beside"),
        ("sub/deep", "task/sub/deep"),
        ("../beside", "beside"),
        ("{tmp}/any/where", "any/where"),
        ("~/code", "{home}/code"),
    ],
)
async def test_any_other_target_is_a_path_of_this_machine(machine, task, code, tmp_path, home, target, place):
    found = machine.provider.uploads._resolve_target_folder(task.task_id, target.format(tmp=tmp_path))
    assert found == tmp_path / place.format(home=home)
    await machine.provider.uploads.upload(task.task_id, code, target.format(tmp=tmp_path))
    assert set(tree(found)) == SENT


async def test_the_workspace_is_only_the_folder_of_that_name(machine, task):
    assert machine.provider.uploads._resolve_target_folder(task.task_id, "/workspace-not") == Path("/workspace-not")


async def test_a_path_under_a_mount_goes_to_where_the_mount_is(machine, code, home_of_task, tmp_path):
    volume = await machine.provider.volumes.create(1, "data", "block", None)
    task = await machine.submit(
        "sleep 300", working_dir=str(home_of_task), volumes=[{"name": "data", "mount_path": "/flow-test/data"}]
    )
    await machine.provider.uploads.upload(task.task_id, code, "/flow-test/data/code/")
    assert set(tree(Path(volume.provider_metadata["path"]) / "code")) == SENT
    assert not Path("/flow-test").exists()


async def test_a_mount_of_a_folder_may_be_read_only(machine, task, code, home_of_task, tmp_path):
    (tmp_path / "shared").mkdir()
    mounts = [
        {"source": str(tmp_path / "shared"), "target": "/workspace/ro", "read_only": True},
        {"source": str(tmp_path / "shared"), "target": "/workspace/rw", "read_only": False},
    ]
    write_json(Path(task.provider_metadata["folder"]) / "mounts.json", {"mounts": mounts})
    with pytest.raises(ConfigError, match="mounted read-only") as caught:
        await machine.provider.uploads.upload(task.task_id, code, "/workspace/ro/x")
    assert caught.value.field == "target_dir"
    await machine.provider.uploads.upload(task.task_id, code, "/workspace/rw/x")
    assert set(tree(tmp_path / "shared/x")) == SENT
    await machine.provider.uploads.upload(task.task_id, code, "/workspace/rwx")
    assert set(tree(home_of_task / "rwx")) == SENT


async def test_a_task_that_is_unknown_or_has_ended_takes_no_code(machine, code, home_of_task):
    with pytest.raises(NotFound):
        await machine.provider.uploads.upload("task_aaaaaaaaaa", code, "/workspace")
    task = await machine.ended(await machine.submit("true", working_dir=str(home_of_task)))
    with pytest.raises(Conflict, match="is completed; code can only be sent to an unfinished one"):
        await machine.provider.uploads.upload(task.task_id, code, "/workspace")
    assert tree(home_of_task) == {}


async def test_a_task_that_waits_takes_code_already(machine, code, home_of_task):
    await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    waiting = await machine.submit("sleep 300", instance_type="a100", working_dir=str(home_of_task))
    assert (await machine.provider.uploads.upload(waiting.task_id, code, "/workspace")).files_sent == 3


async def test_a_folder_onto_itself_sends_nothing(machine, code):
    task = await machine.submit("sleep 300", working_dir=str(code))
    async with AsyncFlow("local") as flow:
        result = await flow.upload_code_to_task(task.task_id, code)
        assert (result.files_sent, result.files_deleted) == (0, 0)
    assert not (code / ".flow-sync.json").exists()


class Console:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def print(self, line: str) -> None:
        self.lines.append(line)


class Reporter:
    def __init__(self) -> None:
        self.told: list[tuple[int, int, str]] = []

    def update(self, done_bytes: int, total_bytes: int, path: str) -> None:
        self.told.append((done_bytes, total_bytes, path))


async def test_whoever_wants_is_told_in_the_callers_own_way(task, code, monkeypatch):
    console, reporter, calls = Console(), Reporter(), []
    monkeypatch.chdir(code)
    async with AsyncFlow("local") as flow:
        await flow.upload_code_to_task(task.task_id, console=console, progress_reporter=reporter)
        assert reporter.told[-1][:2] == (20, 20)
        (code / "more").write_text("1234")
        await flow.upload_code_to_task(task.task_id, progress_reporter=lambda *now: calls.append(now))
        assert calls[-1][0] == calls[-1][1] >= 4
    assert console.lines[0] == f"{task.task_id}: copy what changed of {code} to /workspace"
    assert console.lines[1].startswith(f"{task.task_id}: 3 files sent (20 bytes), 0 unchanged, in 0.")
    assert len(console.lines) == 2


@each(
    ("field", "value"),
    [
        ("task_id", 7),
        ("task_id", ""),
        ("source_dir", 7),
        ("source_dir", ""),
        ("source_dir", "a\0b"),
        ("source_dir", "missing"),
        ("source_dir", "x" * 300),
        ("timeout", 0),
        ("timeout", "10"),
        ("console", 7),
        ("target_dir", ""),
        ("target_dir", None),
        ("target_dir", "a\0b"),
        ("progress_reporter", 7),
        ("git_incremental", "yes"),
        ("git_incremental", True),
    ],
)
async def test_an_argument_that_is_wrong_is_named(task, code, home_of_task, field, value):
    arguments = {"task_id": task.task_id, "source_dir": code, field: value}
    async with AsyncFlow("local") as flow:
        with pytest.raises(ConfigError) as caught:
            await flow.upload_code_to_task(**arguments)
    assert caught.value.field == field
    assert tree(home_of_task) == {}


async def test_a_target_that_can_be_no_folder_is_refused_in_a_sentence(machine, task, code, tmp_path):
    write(tmp_path, {"file": ""})
    for target in (str(tmp_path / "file"), str(tmp_path / "file/below"), "/proc/none", "x" * 300):
        with pytest.raises(FlowError, match=r"choose|can't be"):
            await machine.provider.uploads.upload(task.task_id, code, target)


async def test_a_closed_gate_lets_no_code_through(task, code, home_of_task):
    async with AsyncFlow("local", gate=Gate(read_only=True)) as flow:
        with pytest.raises(ReadOnly):
            await flow.upload_code_to_task(task.task_id, code)
    assert tree(home_of_task) == {}


def test_a_script_sends_code_and_sends_again_only_what_changed(home_of_task, tmp_path):
    repository = Repository(tmp_path / "repository")
    write(repository.path, {"a.py": "1", "b.py": "2"})
    repository.commit()
    with Flow("local") as flow:
        task = flow.submit(f"cd {home_of_task} && sleep 300")
        try:
            first = flow.upload_code_to_task(task.task_id, repository.path, target_dir=str(home_of_task))
            write(repository.path, {"a.py": "11"})
            told: list[str] = []
            again = flow.upload_code_to_task(
                task.task_id,
                repository.path,
                target_dir=str(home_of_task),
                progress_reporter=lambda *_: told.append(threading.current_thread().name),
                git_incremental=True,
            )
        finally:
            flow.cancel(task.task_id)
    assert isinstance(first, UploadResult)
    assert (first.files_sent, again.files_sent, again.files_unchanged) == (2, 1, 1)
    assert told


async def test_an_upload_that_is_cancelled_leaves_the_task_alone(machine, task, code, home_of_task):
    write(code, {f"{number:03}": "x" for number in range(300)})
    await machine.running(task)
    running = asyncio.create_task(
        machine.provider.uploads.upload(
            task.task_id, code, "/workspace", on_progress=lambda now: now.files_done and running.cancel()
        )
    )
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await machine.provider.get_task(task.task_id)).is_running
    await machine.provider.uploads.upload(task.task_id, code, "/workspace")
    assert len(tree(home_of_task)) == 303

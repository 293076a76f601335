"""Pruning ended tasks: what goes, what stays, and what is still known afterwards."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from testbed.places import ROOT
from testbed.waiting import until, wait_until

from flow_core import AsyncFlow
from flow_core.audit import AuditLog, Gate
from flow_core.config import Context
from flow_core.errors import ConfigError, Conflict, NotFound, ReadOnly
from flow_core.fleet import Fleet
from flow_core.models.pruning import PrunableTask, PruningPlan
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.local.provider import LocalProvider

MAKES_A_FILE = "echo weights > $FLOW_TASK_DIR/out.pt"
AT_ONCE = 1e-10  # days


def folder(task: TaskRecord) -> Path:
    return Path(task.provider_metadata["folder"])


def ids(tasks: Any) -> list[str]:
    return [task.task_id for task in tasks]


async def over(machine: Any, command: str = "true", **fields: Any) -> TaskRecord:
    """An ended task whose supervisor has left."""
    task = await machine.ended(await machine.submit(command, **fields))
    await machine.until(lambda: not machine.is_alive(machine.supervisor(task)), "its supervisor leaves")
    return task


async def plan(machine: Any, days: float | None = 0, keep: int | None = None, named: tuple[str, ...] = ()) -> Any:
    return await machine.provider.pruning.plan(days, keep, named)


async def prune(machine: Any, **rule: Any) -> Any:
    return await machine.provider.pruning.prune(await plan(machine, **rule))


async def listed(machine: Any) -> list[str]:
    return ids(await machine.provider.list_tasks())


async def test_the_tasks_that_ended_first_go_and_the_last_ones_stay(machine):
    first, second, third = [await over(machine, f"echo {number}") for number in range(3)]
    found = await plan(machine, days=None, keep=1)
    assert ids(found.tasks) == [first.task_id, second.task_id]
    assert found.oldest.task_id == first.task_id
    assert found.oldest.ended_at == (await machine.provider.get_task(first.task_id)).completed_at
    assert found.size_bytes == sum(task.size_bytes for task in found.tasks) > 0
    assert (found.kept, found.refused) == ((), {})
    assert await listed(machine) == ids((third, second, first))  # a plan changes nothing
    done = await machine.provider.pruning.prune(found)
    assert (ids(done.pruned), done.refused) == ([first.task_id, second.task_id], {})
    assert await listed(machine) == [third.task_id]
    with pytest.raises(NotFound):
        await machine.provider.get_task(first.task_id)
    await until(lambda: not list(folder(first).parent.glob(".deleted-*")))


async def test_a_task_meets_both_parts_of_a_rule_to_go(machine):
    first, _second = await over(machine), await over(machine)
    assert ids((await plan(machine, days=0, keep=1)).tasks) == [first.task_id]
    assert ids((await plan(machine, days=1, keep=0)).tasks) == []


async def test_what_a_task_made_in_its_folder_keeps_it_until_it_is_named(machine):
    task = await over(machine, MAKES_A_FILE)
    found = await plan(machine)
    assert (ids(found.tasks), ids(found.kept)) == ([], [task.task_id])
    assert found.kept[0].made_files == ("out.pt",)
    assert (await machine.provider.pruning.prune(found)).pruned == ()
    assert (folder(task) / "out.pt").read_text() == "weights\n"
    assert ids((await prune(machine, days=None, named=(task.task_id,))).pruned) == [task.task_id]
    assert await listed(machine) == []


async def test_a_file_counts_as_made_wherever_in_the_folder_it_is(machine):
    task = await over(machine)
    for made in ("runs/log", "attempt-0/model", "volumes/mine", "mounts/a/b", "data/0", "root/x"):
        path = folder(task) / made
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        (kept,) = (await plan(machine)).kept
        assert kept.made_files in ((made,), (made.partition("/")[0] + "/",))
        path.unlink()
        if not made.startswith("attempt-0"):
            shutil.rmtree(folder(task) / made.partition("/")[0])
        assert (await plan(machine)).kept == ()


async def test_what_a_task_calls_data_in_its_folder_outlives_it(machine):
    task = await over(machine, "mkdir $FLOW_TASK_DIR/data && echo x > $FLOW_TASK_DIR/data/model")
    assert (folder(task) / "data" / "model").read_text() == "x\n"
    assert (await plan(machine)).kept[0].made_files == ("data/model",)


@pytest.mark.parametrize("has_namespace", [True, False])
async def test_what_we_write_for_a_task_is_not_taken_for_its_own(machine, monkeypatch, has_namespace):
    if not has_namespace:
        monkeypatch.setenv("FLOW_LOCAL_NO_NAMESPACE", "1")
    task = await over(
        machine,
        "echo out; echo err >&2; exit 1",
        num_instances=2,
        instance_type="a100",
        retries={"max_retries": 1, "delay_s": 0},
        ports=[free_port()],
        volumes=[{"name": "data", "size_gb": 1, "mount_path": "/some/where", "interface": "file"}],
    )
    await machine.provider.cancel_task(task.task_id)
    assert task.attempt == 1
    assert (ids((await plan(machine)).tasks), (await plan(machine)).kept) == ([task.task_id], ())


async def test_no_volume_is_touched_even_where_the_task_reached_it_by_a_link(machine, monkeypatch):
    monkeypatch.setenv("FLOW_LOCAL_NO_NAMESPACE", "1")
    volume = await machine.provider.volumes.create(1, "data", "file", None)
    task = await over(
        machine, "echo kept > $FLOW_VOLUME_DATA/file", volumes=[{"volume_id": volume.volume_id, "mount_path": "/x"}]
    )
    assert ids((await prune(machine, days=None, named=(task.task_id,))).pruned) == [task.task_id]
    await until(lambda: not list(folder(task).parent.glob(".deleted-*")))
    assert Path(volume.provider_metadata["path"], "file").read_text() == "kept\n"
    assert [one.name for one in await machine.provider.volumes.list()] == ["data"]


async def test_what_is_not_over_never_goes(machine):
    running = await machine.running(await machine.submit("sleep 600", instance_type="2xa100"))
    waiting = await machine.submit("true", instance_type="2xa100")
    found = await plan(machine)
    assert (found.tasks, found.kept, found.refused) == ((), (), {})
    for task in (running, waiting):
        with pytest.raises(Conflict, match=f"^task {task.task_id} can't be pruned: it is not over; cancel it first$"):
            await plan(machine, named=(task.task_id,))
    forged = PruningPlan("local", (forged_row(running),))
    done = await machine.provider.pruning.prune(forged)
    assert (done.pruned, done.refused) == ((), {running.task_id: "it is not over; cancel it first"})
    assert (await machine.provider.get_task(running.task_id)).is_running


def forged_row(task: TaskRecord) -> PrunableTask:
    return PrunableTask(task.task_id, task.name, TaskStatus.COMPLETED, task.created_at, 1, ("x",))


async def test_a_task_of_which_a_process_lives_stays(machine):
    task = await over(machine)
    mark = machine.record(task, "spec")["mark"]
    with subprocess.Popen(["sleep", "600"], env={**os.environ, "FLOW_TASK_MARK": mark}) as process:
        try:
            await machine.until(lambda: process.pid in machine.members(task), "it runs")
            refused = (await plan(machine)).refused
        finally:
            process.kill()
    assert refused == {task.task_id: "processes of it are still alive; end them first"}
    assert ids((await prune(machine)).pruned) == [task.task_id]


async def test_a_task_that_somebody_works_on_stays(machine):
    task = await over(machine)
    with open(folder(task) / "alive.lock", "rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert (await plan(machine)).refused == {task.task_id: "its supervisor is still at work; try again in a moment"}


async def test_a_file_that_comes_after_the_plan_keeps_its_task(machine):
    task, other = await over(machine), await over(machine)
    found = await plan(machine)
    (folder(task) / "late.pt").write_text("x")
    done = await machine.provider.pruning.prune(found)
    assert ids(done.pruned) == [other.task_id]
    assert done.refused == {task.task_id: "it holds files that it made, such as late.pt; name it to prune it too"}
    again = await machine.provider.pruning.prune(found)
    assert again.pruned == ()
    assert again.refused[other.task_id] == "it is gone already"


async def test_a_broken_record_is_no_end(machine):
    task = await over(machine)
    (folder(task) / "state.json").write_text("[" * 100_000)
    assert (await plan(machine)).tasks == ()
    with pytest.raises(Conflict, match="its record is broken"):
        await plan(machine, named=(task.task_id,))


async def test_a_name_that_no_task_has_is_not_found(machine):
    await over(machine)
    for wanted in ("task_aaaaaaaaaa", "../volumes", "", ".", "task_aaaaaaaaaa/.."):
        with pytest.raises(NotFound):
            await plan(machine, named=(wanted,))


async def test_the_idempotency_key_of_a_pruned_task_does_not_run_again(machine):
    fields = {"idempotency_key": "nightly-1", "name": "nightly"}
    task = await over(machine, "echo ran >> ran", **fields)
    await prune(machine)
    refusal = (
        f"^idempotency_key: 'nightly-1' is that of task {task.task_id}, which has ended \\(completed\\) and was pruned;"
        " to run it again, choose another key$"
    )
    for command in ("echo ran >> ran", "echo something else"):
        with pytest.raises(Conflict, match=refusal):
            await machine.submit(command, **fields)
    (record,) = machine.home.glob("state/local/*/contexts/local/pruned/*.json")
    record.write_text("{")
    with pytest.raises(Conflict, match="is that of a task that was pruned"):
        await machine.submit("echo ran >> ran", **fields)
    assert (machine.home / "ran").read_text() == "ran\n"
    assert (await over(machine, "true", idempotency_key="nightly-2")).status is TaskStatus.COMPLETED


async def test_a_port_of_a_pruned_task_is_free_though_its_submitter_lives(machine):
    port = free_port()
    await over(machine, ports=[port])
    await prune(machine)
    assert (await over(machine, ports=[port])).status is TaskStatus.COMPLETED


async def test_a_folder_that_its_owner_may_not_write_to_goes_too(machine):
    task = await over(machine, "mkdir -p $FLOW_TASK_DIR/pkg/sub && chmod 555 $FLOW_TASK_DIR/pkg/sub $FLOW_TASK_DIR/pkg")
    await prune(machine, named=(task.task_id,))
    await until(lambda: not list(folder(task).parent.glob(".deleted-*")))


async def test_whoever_is_killed_while_pruning_leaves_every_task_whole_or_gone(machine):
    task = await over(machine, "echo hello")
    tasks = folder(task).parent
    for number in range(60):
        copy = f"task_{'abcdefghij'[number // 10] * 9}{'abcdefghij'[number % 10]}"
        shutil.copytree(folder(task), tasks / copy)
    code = (
        "import sys; from pathlib import Path; from flow_core.agent.layout import Layout;"
        "from flow_core.agent.pruning.removal import remove_tasks;"
        "remove_tasks(Layout(Path(sys.argv[1]), 'local'), sys.argv[2:], ())"
    )
    arguments = [str(tasks.parents[2]), *(path.name for path in tasks.iterdir())]
    with subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT) as process:
        wait_until(lambda: list(tasks.glob(".deleted-*")) or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
    left = [path for path in tasks.iterdir() if not path.name.startswith(".")]
    assert len(left) < 61
    for path in left:
        assert json.loads((path / "state.json").read_text())["status"] == "completed"
        assert (path / "attempt-0" / "rank-0.log").read_text() == "hello\n"
    await over(machine)  # whoever submits next clears up
    await until(lambda: not list(tasks.glob(".deleted-*")))
    assert len(await listed(machine)) == len(left) + 1


@pytest.mark.needs("user-namespaces")
async def test_something_mounted_in_the_folder_keeps_the_task(machine):
    task = await over(machine)
    inside = folder(task) / "a b"
    inside.mkdir()
    code = (
        "import sys; from pathlib import Path; from flow_core.agent.layout import Layout;"
        "from flow_core.agent.pruning.selection import PruningRule, select;"
        "print(select(Layout(Path(sys.argv[1]), 'local'), PruningRule(None, 0, frozenset(sys.argv[2:]))).refused)"
    )
    script = 'mount --bind "$1" "$2" && exec "$3" -c "$4" "$5" "$6"'
    arguments = [str(machine.home), str(inside), sys.executable, code, str(folder(task).parents[3]), task.task_id]
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", *arguments]
    result = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"code='mounted', detail='{inside}'" in result.stdout, result.stderr


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "actions.jsonl")


def flow_with(log: AuditLog, *, read_only: bool = False, **settings: Any) -> AsyncFlow:
    return AsyncFlow(Context("local", "local", settings), gate=Gate(log=log, read_only=read_only))


async def test_each_pruning_is_in_the_audit_log_and_read_only_refuses_it(machine, log):
    task, other = await over(machine), await over(machine)
    async with flow_with(log, read_only=True) as flow:
        with pytest.raises(ReadOnly):
            await flow.prune_tasks(await flow.plan_pruning(older_than_days=0))
    assert len(await listed(machine)) == 2
    async with flow_with(log) as flow:
        found = await flow.plan_pruning(older_than_days=0)
        assert log.read_recent() == ()
        assert ids((await flow.prune_tasks(found)).pruned) == [task.task_id, other.task_id]
    (action,) = log.read_recent()
    assert (action.verb, action.target, action.result) == ("prune", f"{task.task_id} {other.task_id}", "ok")
    assert action.call == f"rm -r {folder(task).parent}/{{{task.task_id},{other.task_id}}}"


async def test_a_plan_of_nothing_in_particular_or_of_another_context_is_refused(machine, log):
    async with flow_with(log) as flow:
        with pytest.raises(ConfigError, match="give this, keep_last or task_ids"):
            await flow.plan_pruning()
        with pytest.raises(ConfigError, match="is for context 'lab', and this is 'local'"):
            await flow.prune_tasks(PruningPlan("lab", ()))


async def test_the_setting_prunes_once_a_day_and_never_what_a_task_made(machine, log):
    volume = await machine.provider.volumes.create(1, "data", "block", None)
    made, plain = await over(machine, MAKES_A_FILE), await over(machine)
    async with flow_with(log, read_only=True, prune_after_days=AT_ONCE) as flow:
        assert len(await flow.list_tasks()) == 2
    async with flow_with(log) as flow:
        assert len(await flow.list_tasks()) == 2
    async with flow_with(log, prune_after_days=1) as flow:
        assert len(await flow.list_tasks()) == 2
    another_day(machine)
    async with flow_with(log, prune_after_days=AT_ONCE) as flow:
        assert ids(await flow.list_tasks()) == [made.task_id]
    (action,) = log.read_recent()
    assert (action.verb, action.target) == ("prune", plain.task_id)
    later = await over(machine)
    async with flow_with(log, prune_after_days=AT_ONCE) as flow:
        assert ids(await flow.list_tasks()) == [later.task_id, made.task_id]
        another_day(machine)
    async with flow_with(log, prune_after_days=AT_ONCE) as flow:
        assert ids(await flow.list_tasks()) == [made.task_id]
    assert Path(volume.provider_metadata["path"]).is_dir()


async def test_a_submit_under_way_puts_off_what_the_setting_prunes(machine, log):
    task = await over(machine)
    with open(folder(task).parents[1] / "volumes" / ".lock", "rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with flow_with(log, prune_after_days=AT_ONCE) as flow:
            assert ids(await flow.list_tasks()) == [task.task_id]
    async with flow_with(log, prune_after_days=AT_ONCE) as flow:
        assert await flow.list_tasks() == []


async def test_a_dashboard_that_polls_prunes_by_the_setting(machine, log):
    await over(machine)
    async with Fleet([Context("local", "local", {"prune_after_days": AT_ONCE})], Gate(log=log)) as fleet:
        await until(lambda: fleet.states[0].answered_at is not None and not fleet.tasks)
        assert fleet.prunable == ("local",)
    assert [action.verb for action in log.read_recent()] == ["prune"]


def another_day(machine: Any) -> None:
    (stamp,) = machine.home.glob("state/local/*/contexts/local/pruning.json")
    stamp.write_text(json.dumps({"version": 1, "looked_at": 1.0}))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("days", [0, -1, "30", True, 1e9, float("nan")])
def test_an_age_that_can_not_be_meant_is_refused(days: Any, machine: Any) -> None:
    with pytest.raises(ConfigError, match=r"^prune_after_days: must be a number of days above 0"):
        LocalProvider(Context("x", "local", {"prune_after_days": days}))

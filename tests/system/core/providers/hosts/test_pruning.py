"""Pruning the ended tasks of machines: one rule for all machines, and what stays known."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testbed.hosts_lab import Lab, ended, running, submit
from testbed.waiting import until

from flow_core import AsyncFlow
from flow_core.errors import Conflict, NotFound, Unreachable
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.hosts.provider import HostsProvider

pytestmark = pytest.mark.needs("sshd")

AT_ONCE = 1e-10  # days
TWO = {"num_instances": 2, "instance_type": "a100"}


def ids(tasks: Any) -> list[str]:
    return [task.task_id for task in tasks]


async def over(provider: HostsProvider, command: str = "true", **fields: Any) -> TaskRecord:
    """Returns an ended task whose supervisors have exited."""
    task = await ended(provider, await submit(provider, command, **fields))

    async def is_left() -> bool:
        plan = await provider.pruning.plan(0, None)
        return task.task_id in ids((*plan.tasks, *plan.kept))

    await until(is_left)
    return task


def folders(lab: Lab, task: TaskRecord) -> list[bool]:
    return [(lab.tasks(number) / task.task_id).exists() for number in range(len(lab.servers))]


async def test_pruning_keeps_the_last_tasks_of_all_machines_together(lab: Lab) -> None:
    provider = lab.start(2)
    first, second, third = [await over(provider, region=region) for region in ("one", "two", "one")]
    plan = await provider.pruning.plan(None, 1)
    assert ids(plan.tasks) == [first.task_id, second.task_id]
    assert (plan.kept, plan.refused) == ((), {})
    assert plan.size_bytes > 0
    assert provider.pruning.describe(plan).startswith("on one, two: rm -r ")
    done = await lab.open().pruning.prune(plan)  # another program, without a call to the machines before
    assert (set(ids(done.pruned)), done.refused) == ({first.task_id, second.task_id}, {})
    assert ids(await provider.list_tasks()) == [third.task_id]
    assert [folders(lab, task) for task in (first, second, third)] == [[False, False], [False, False], [True, False]]
    again = await provider.pruning.prune(plan)
    assert (again.pruned, set(again.refused.values())) == ((), {"it is gone already"})


async def test_a_task_with_files_of_its_own_is_kept_and_uploaded_code_is_no_such_file(lab: Lab, tmp_path: Path) -> None:
    provider = lab.start()
    (tmp_path / "code" / "package").mkdir(parents=True)
    (tmp_path / "code" / "package" / "__init__.py").write_text("seen = 1\n")
    sent = {"upload_code": True, "code_root": str(tmp_path / "code")}
    plain = await over(provider, "python3 -c 'import package; print(package.seen)'", **sent)
    maker = await over(provider, "mkdir -p runs && echo weights >runs/model", **sent)
    changer = await over(provider, "echo 'seen = 2' >package/__init__.py", **sent)
    plan = await provider.pruning.plan(0, None)
    assert ids(plan.tasks) == [plain.task_id]
    assert {one.task_id: one.made_files for one in plan.kept} == {
        maker.task_id: ("work/runs/model",),
        changer.task_id: ("work/package/__init__.py",),
    }
    named = await provider.pruning.plan(None, None, (maker.task_id,))
    assert ids((await provider.pruning.prune(named)).pruned) == [maker.task_id]
    assert [folders(lab, task) for task in (plain, maker, changer)] == [[True], [False], [True]]


async def test_a_task_that_has_not_ended_is_never_pruned(lab: Lab) -> None:
    provider = lab.start()
    task = await running(provider, await submit(provider, "sleep 600"))
    assert (await provider.pruning.plan(0, None)).tasks == ()
    with pytest.raises(Conflict, match=f"^task {task.task_id} can't be pruned: it is not over; cancel it first$"):
        await provider.pruning.plan(None, None, (task.task_id,))
    with pytest.raises(NotFound):
        await provider.pruning.plan(None, None, ("task_aaaaaaaaaa",))


async def test_tasks_of_a_machine_that_is_down_are_not_pruned(lab: Lab) -> None:
    provider = lab.start(2)
    here, there = [await over(provider, region=region) for region in ("one", "two")]
    both = await over(provider, **TWO)
    plan = await provider.pruning.plan(0, None)
    assert set(ids(plan.tasks)) == {here.task_id, there.task_id, both.task_id}
    lab.servers[1].stop()
    await until(lambda: _is_silent(provider, "two"))
    assert ids((await provider.pruning.plan(0, None)).tasks) == [here.task_id]
    for task in (there, both):
        with pytest.raises(Unreachable, match=f"^task {task.task_id} can't be pruned now: two does not answer$"):
            await provider.pruning.plan(None, None, (task.task_id,))
    done = await provider.pruning.prune(plan)
    assert ids(done.pruned) == [here.task_id]
    assert done.refused == dict.fromkeys((there.task_id, both.task_id), "two does not answer")
    assert [folders(lab, task) for task in (here, there, both)] == [[False, False], [False, True], [True, True]]
    lab.servers[1].start()

    async def are_pruned() -> bool:
        done = await provider.pruning.prune(plan)
        return set(ids(done.pruned)) == {there.task_id, both.task_id}

    await until(are_pruned)
    assert [folders(lab, task) for task in (there, both)] == [[False, False], [False, False]]


async def test_a_task_on_two_machines_is_pruned_on_both_or_kept_on_both(lab: Lab) -> None:
    provider = lab.start(2)
    task = await over(provider, '[ "$RANK" = 0 ] || echo x >made', **TWO)
    plan = await provider.pruning.plan(0, None)
    assert (plan.tasks, ids(plan.kept)) == ((), [task.task_id])
    assert folders(lab, task) == [True, True]
    plan = await provider.pruning.plan(None, None, (task.task_id,))
    assert plan.tasks[0].made_files == ("work/made",)
    assert ids((await provider.pruning.prune(plan)).pruned) == [task.task_id]
    assert folders(lab, task) == [False, False]


async def test_a_task_whose_other_part_was_lost_can_be_pruned(lab: Lab) -> None:
    provider = lab.start(2)
    task = await over(provider, **TWO)
    shutil.rmtree(lab.tasks(1) / task.task_id)
    fresh = lab.open()
    plan = await fresh.pruning.plan(0, None)
    assert ids(plan.tasks) == [task.task_id]
    assert ids((await fresh.pruning.prune(plan)).pruned) == [task.task_id]
    assert await fresh.list_tasks() == ()


async def test_the_idempotency_key_of_a_pruned_task_stays_known_on_every_machine(lab: Lab) -> None:
    provider = lab.start(2)
    task = await over(provider, region="two", idempotency_key="nightly-7")
    assert ids((await provider.pruning.prune(await provider.pruning.plan(0, None))).pruned) == [task.task_id]
    said = f"^idempotency_key: 'nightly-7' is that of task {task.task_id}, which has ended .completed. and was pruned"
    for region in ("one", "two"):
        with pytest.raises(Conflict, match=said):
            await submit(lab.open(), "true", region=region, idempotency_key="nightly-7")


async def test_a_context_with_that_setting_is_pruned_once_a_day_without_a_prompt(lab: Lab) -> None:
    provider = lab.start(2)
    plain = await over(provider, region="one")
    maker = await over(provider, "echo x >made", region="two")
    context = replace(lab.context, settings={**lab.context.settings, "prune_after_days": AT_ONCE})
    plan = await lab.open(context).pruning.plan_due()
    assert plan is not None
    assert (ids(plan.tasks), ids(plan.kept)) == ([plain.task_id], [maker.task_id])
    assert await lab.open(context).pruning.plan_due() is None
    for number in (0, 1):  # as after a day
        (lab.tasks(number).parent / "pruning.json").write_text(json.dumps({"version": 1, "looked_at": 0.0}))
    async with AsyncFlow(context) as flow:
        assert [task.task_id for task in await flow.list_tasks()] == [maker.task_id]
        assert flow.gate.log.read_recent()[0].verb == "prune"
    assert folders(lab, maker) == [False, True]


async def test_a_submit_that_one_machine_refused_leaves_its_idempotency_key_free(lab: Lab) -> None:
    provider = lab.start(2)
    fields = {**TWO, "ports": [18473], "idempotency_key": "once"}
    holder = await running(provider, await submit(provider, "sleep 600", region="two", ports=[18473]))
    with pytest.raises(Conflict, match=f"^ports: port 18473 is reserved by task {holder.task_id}"):
        await submit(provider, "true", **fields)
    assert ids(await provider.list_tasks()) == [holder.task_id]
    await provider.cancel_task(holder.task_id, force=True)
    await ended(provider, holder)
    task = await submit(provider, "true", **fields)
    assert (await ended(provider, task)).status is TaskStatus.COMPLETED


async def _is_silent(provider: HostsProvider, name: str) -> bool:
    await provider.list_tasks()
    return {row.allocation_id: row.status for row in await provider.instances.find({})}[name] != "available"

"""AsyncFlow over the real local provider: everything a task's owner does with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.audit import AuditLog
from flow_core.client.flow import AsyncFlow
from flow_core.errors import ConfigError, NotFound, Unsupported
from flow_core.models.task import TaskStatus
from flow_core.models.task_config import TaskConfig


@pytest.fixture
async def flow() -> AsyncIterator[AsyncFlow]:
    async with AsyncFlow("local") as opened:
        yield opened


async def test_a_command_runs_to_its_end_and_its_logs_are_read(flow: AsyncFlow) -> None:
    task = await flow.submit("echo out; echo err >&2; exit 3")
    await task.wait(DEADLINE_S)
    assert (task.status, task.exit_code) == (TaskStatus.FAILED, 3)
    assert await flow.status(task.task_id) == "failed"
    assert sorted((await flow.logs(task.task_id)).split()) == ["err", "out"]
    assert (await flow.logs(task.task_id, stderr=True)).split() == ["err"]
    assert (await flow.logs(task.task_id, stream="stdout")).split() == ["out"]


async def test_a_followed_log_gives_every_line_and_ends_with_the_task(flow: AsyncFlow) -> None:
    task = await flow.submit("for n in 1 2 3; do echo line $n; done")
    lines = await flow.logs(task.task_id, follow=True)
    assert [line async for line in lines] == ["line 1", "line 2", "line 3"]
    await task.wait(DEADLINE_S)


async def test_a_followed_log_can_be_left_early(flow: AsyncFlow) -> None:
    task = await flow.submit("echo first; sleep 600")
    lines = await flow.logs(task.task_id, follow=True)
    async with aclosing(lines):
        async for line in lines:
            assert line == "first"
            break
    await task.cancel(force=True)
    await task.wait(DEADLINE_S)
    assert task.status is TaskStatus.CANCELLED


async def test_waiting_for_the_start_does_not_wait_for_the_end(flow: AsyncFlow) -> None:
    task = await flow.run(TaskConfig(command="sleep 600"), wait=True)
    assert task.status is TaskStatus.RUNNING
    with pytest.raises(TimeoutError):
        await task.wait(0.1)


async def test_tasks_are_listed_last_first_by_status_and_up_to_a_limit(flow: AsyncFlow) -> None:
    ids = [(await (await flow.submit("true")).wait(DEADLINE_S)).task_id for _ in range(3)]
    assert [task.task_id for task in await flow.list_tasks(limit=2)] == [ids[2], ids[1]]
    assert [task.task_id for task in await flow.list_tasks(status=TaskStatus.COMPLETED)] == ids[::-1]
    assert await flow.list_tasks(status=[TaskStatus.RUNNING, TaskStatus.PENDING]) == []
    with pytest.raises(ConfigError, match="'gone' is no status; there are: pending"):
        await flow.list_tasks(status="gone")  # type: ignore[arg-type]


async def test_a_local_task_has_no_startup_log(flow: AsyncFlow) -> None:
    for source in ("startup", "host"):
        with pytest.raises(Unsupported, match="there is no startup log here; tasks run on this machine as it is"):
            await flow.logs((await flow.submit("true")).task_id, source=source)


async def test_every_change_is_in_the_audit_log(flow: AsyncFlow) -> None:
    task = await flow.submit("sleep 600")
    await task.cancel(force=True)
    await flow.create_volume(1, name="data")
    await flow.delete_volume("data")
    with pytest.raises(NotFound):
        await flow.delete_volume("data")
    actions = AuditLog().read_recent()[::-1]
    assert [action.verb for action in actions] == ["submit", "cancel", "create volume"] + ["delete volume"] * 2
    assert [action.result for action in actions[:-1]] == ["ok"] * 4
    assert actions[-1].result != "ok"


async def test_a_task_comes_from_a_file_too(flow: AsyncFlow, tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("name: from-file\ncommand: 'true'\n", encoding="utf-8")
    task = await flow.run(tmp_path / "task.yaml")
    assert task.name == "from-file"
    assert (await task.wait(DEADLINE_S)).status is TaskStatus.COMPLETED

"""The contract: what every provider must do, tested with each in its own world."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testbed.tables import each
from testbed.waiting import DEADLINE_S, until
from testbed.worlds import Bench

from flow_core import AsyncFlow, LogHit, LogHits
from flow_core.errors import ConfigError, FlowError, NotFound, ProviderError, Unsupported
from flow_core.logs.log_id import LogId
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_config import TaskConfig

UNKNOWN = ("task_aaaaaaaaaa", "nobody", "", " ", "\x1b[31m", "a\0b", "../../x", "\ud800", "x" * 100_000)


@pytest.mark.facets("remote")
async def test_a_task_is_listed_then_runs_then_ends_with_its_exit_code(bench: Bench) -> None:
    task = await bench.submit("until [ -e go ]; do sleep 0.02; done", name="steps", unique_name=False)
    assert (task.context, task.name, task.exit_code) == (bench.world.context.name, "steps", None)
    assert [one.task_id for one in await bench.provider.list_tasks()] == [task.task_id]
    running = await bench.until(task, lambda now: now.is_running)
    assert running.started_at is not None
    assert running.completed_at is None
    assert bench.provider.remote is not None
    await bench.provider.remote.run(task.task_id, "touch go")
    ended = await bench.ended(task)
    assert (ended.status, ended.exit_code) == (TaskStatus.COMPLETED, 0)
    assert ended.created_at <= ended.started_at <= ended.completed_at  # type: ignore[operator]


async def test_cancelling_twice_and_after_the_end_changes_nothing_more(bench: Bench) -> None:
    task = await bench.running()
    await bench.provider.cancel_task(task.task_id)
    await bench.provider.cancel_task(task.task_id)
    ended = await bench.ended(task)
    assert ended.status is TaskStatus.CANCELLED
    await bench.provider.cancel_task(task.task_id)
    await bench.provider.cancel_task(task.task_id, force=True)
    assert await bench.provider.get_task(task.task_id) == ended


@each("stranger", UNKNOWN)
async def test_an_unknown_id_is_not_found_by_any_call(bench: Bench, stranger: str) -> None:
    provider, context = bench.provider, bench.world.context.name
    address = LogId(context, stranger)
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: provider.get_task(stranger),
        lambda: provider.cancel_task(stranger),
        lambda: provider.cancel_task(stranger, force=True),
    ]
    if (logs := provider.logs) is not None:
        calls += [lambda: logs.addresses(stranger), lambda: logs.open(address), lambda: logs.is_complete(address)]
    if (volumes := provider.volumes) is not None and volumes.can_change:
        calls += [lambda: volumes.delete(stranger), lambda: volumes.attach(stranger, stranger, None)]
    if (shells := provider.shells) is not None:
        calls += [lambda: shells.open(stranger, columns=80, rows=24), lambda: shells.directory(stranger)]
    if (remote := provider.remote) is not None:
        calls.append(lambda: remote.run(stranger, "true"))
    if (uploads := provider.uploads) is not None:
        calls.append(lambda: uploads.upload(stranger, Path.cwd(), "/workspace"))
    if (reservations := provider.reservations) is not None:
        calls += [lambda: reservations.get(stranger), lambda: reservations.release(stranger)]
    if (scheduling := provider.scheduling) is not None:
        calls += [lambda: scheduling.hold(stranger), lambda: scheduling.release(stranger)]
        calls += [lambda: scheduling.requeue(stranger), lambda: scheduling.signal(stranger, "SIGUSR1")]
        calls.append(lambda: scheduling.set_time_limit(stranger, 1.0))
    if (endpoints := provider.endpoints) is not None:
        calls += [lambda: endpoints.resolve(stranger), lambda: endpoints.command(stranger)]
    if (scheduling := provider.scheduling) is not None:
        calls += [lambda: scheduling.hold(stranger), lambda: scheduling.release(stranger)]
        calls += [lambda: scheduling.requeue(stranger), lambda: scheduling.set_time_limit(stranger, 1)]
        calls.append(lambda: scheduling.signal(stranger, "SIGUSR1"))
    for call in calls:
        with pytest.raises(NotFound) as refused:
            await call()
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 300
    assert await provider.list_tasks() == ()


async def test_tasks_keep_how_they_ended_and_are_listed_last_submitted_first_by_status_and_up_to_a_limit(
    bench: Bench,
) -> None:
    done = [await bench.ended(await bench.submit("true")) for _ in range(2)]
    failed = await bench.ended(await bench.submit("exit 7"))
    assert (failed.status, failed.exit_code) == (TaskStatus.FAILED, 7)
    running = await bench.running()
    order = [running.task_id, failed.task_id, done[1].task_id, done[0].task_id]
    assert [task.task_id for task in await bench.provider.list_tasks()] == order
    assert [task.task_id for task in await bench.provider.list_tasks(limit=2)] == order[:2]
    assert await bench.provider.list_tasks(limit=0) == ()
    assert await bench.provider.list_tasks(frozenset()) == ()
    found = await bench.provider.list_tasks({TaskStatus.COMPLETED, TaskStatus.FAILED}, limit=2)
    assert [task.task_id for task in found] == order[1:3]
    (listed,) = await bench.provider.list_tasks({TaskStatus.RUNNING})
    assert replace(listed, cost_usd=None) == replace(running, cost_usd=None)  # the list may not know the cost


@pytest.mark.facets("logs")
async def test_a_followed_log_has_every_byte_and_ends_with_its_task(bench: Bench) -> None:
    task = await bench.submit("for n in 1 2 3 4 5; do printf '%s\\0\\377' $n; sleep 0.05; done")
    flow = await client(bench, task)
    (address,) = await flow.log_addresses(task.task_id)
    pieces = [piece async for piece in flow.log_bytes(address)]
    assert b"".join(data for _, data in pieces) == b"".join(b"%d\0\377" % n for n in (1, 2, 3, 4, 5))
    offsets = [offset for offset, _ in pieces]
    assert offsets == sorted(offsets)
    assert (await flow.provider.get_task(task.task_id)).is_terminal


@pytest.mark.facets("logs")
async def test_a_search_finds_the_lines_of_a_log_wherever_it_is_stored(bench: Bench) -> None:
    text = "first\\nstep 1\\n\\033[31mERR\\033[0mOR [rank0]: lost\\nstep 2\\n"
    task = await bench.submit(f"printf '{text}'; until [ -e go ]; do sleep 0.02; done")
    flow = await client(bench, task)

    async def search(pattern: str, **options: Any) -> list[LogHits]:
        return [result async for result in flow.search_logs(pattern, task.task_id, **options)]

    expected = LogHit(13, "ERROR [rank0]: lost", ((0, 5),), ("first", "step 1"), ("step 2",))
    found = await until(lambda: _when_searched(search, "ERROR"))
    assert [result.hits for result in found] == [(expected,)]
    (found,) = await search("error \\[rank[0-9]\\]", regex=True, context=0)
    assert [(hit.text, hit.spans, hit.before) for hit in found.hits] == [(expected.text, ((0, 13),), ())]
    (found,) = await search("step", limit=1)
    assert ([hit.text for hit in found.hits], found.is_cut) == (["step 1"], True)
    (found,) = await search("step", since={found.log: found.searched})
    assert ([hit.text for hit in found.hits], found.is_cut) == (["step 2"], False)
    with pytest.raises(ConfigError, match="not a regular expression"):
        await search("(", regex=True)


@pytest.mark.facets("logs")
async def test_a_log_can_be_followed_before_its_task_has_begun(bench: Bench) -> None:
    holder = await bench.running(instance_type=bench.world.scarce)
    waiting = await bench.submit("echo begun", instance_type=bench.world.scarce)
    assert (await bench.provider.get_task(waiting.task_id)).status is TaskStatus.PENDING
    async with AsyncFlow(bench.world.context) as flow:
        assert await flow.logs(waiting.task_id) == ""
        reading = asyncio.create_task(every_line(flow, waiting.task_id))
        await asyncio.sleep(0)
        await bench.provider.cancel_task(holder.task_id, force=True)
        async with asyncio.timeout(DEADLINE_S):
            assert await reading == ["begun"]


@pytest.mark.facets("logs")
async def test_the_log_of_a_task_that_is_cancelled_before_it_begins_ends(bench: Bench) -> None:
    await bench.running(instance_type=bench.world.scarce)
    waiting = await bench.submit("echo begun", instance_type=bench.world.scarce)
    async with AsyncFlow(bench.world.context) as flow:
        reading = asyncio.create_task(every_line(flow, waiting.task_id))
        await asyncio.sleep(0)
        await bench.provider.cancel_task(waiting.task_id)
        async with asyncio.timeout(DEADLINE_S):
            assert await reading == []
        ended = await bench.ended(waiting)
        assert (ended.status, ended.exit_code, ended.started_at) == (TaskStatus.CANCELLED, None, None)
        assert await flow.logs(waiting.task_id) == ""


@pytest.mark.facets("logs")
async def test_what_python_prints_is_seen_while_the_task_runs_unless_env_says_otherwise(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    show = 'echo "<${PYTHONUNBUFFERED-unset}>"'
    ended = await bench.ended(await bench.submit(show, env={"PYTHONUNBUFFERED": ""}))
    task = await bench.submit(f"""{show}; python3 -c 'import time; print("seen"); time.sleep(600)'""")
    async with AsyncFlow(bench.world.context) as flow, aclosing(await flow.logs(task.task_id, follow=True)) as lines:
        assert await flow.logs(ended.task_id) == "<>\n"
        async with asyncio.timeout(DEADLINE_S):
            assert [await anext(lines), await anext(lines)] == ["<1>", "seen"]


@pytest.mark.facets("logs")
async def test_merged_streams_are_one_log_that_can_not_be_read_by_stream(bench: Bench) -> None:
    task = await bench.ended(await bench.submit("echo out; echo err >&2", streams="merged"))
    async with AsyncFlow(bench.world.context) as flow:
        assert await flow.logs(task.task_id) == "out\nerr\n"
        with pytest.raises(Unsupported, match=r"^stream: "):
            await flow.logs(task.task_id, stderr=True)


@each("asked", [{"streams": "separate"}, {"tty": True}])
async def test_stream_settings_are_applied_or_refused(bench: Bench, asked: dict[str, Any]) -> None:
    if not bench.world.refuses & asked.keys():
        assert (await bench.ended(await bench.submit("echo out", **asked))).exit_code == 0
        return
    with pytest.raises(Unsupported, match=f"^{next(iter(asked))}: machines "):
        await bench.submit("echo out", **asked)
    assert await bench.provider.list_tasks() == ()


async def _when_searched(search: Callable[[str], Awaitable[list[LogHits]]], pattern: str) -> list[LogHits]:
    """The results once the log has four lines."""
    found = await search(pattern)
    return found if found and found[0].hits and found[0].hits[0].after else []


async def every_line(flow: AsyncFlow, task_id: str) -> list[str]:
    return [line async for line in await flow.logs(task_id, follow=True)]


@pytest.mark.facets("logs")
async def test_reading_on_at_an_offset_misses_nothing_and_repeats_nothing(bench: Bench) -> None:
    task = await bench.submit("for n in $(seq 2000); do echo line $n; [ $((n % 100)) = 0 ] && sleep 0.02; done")
    flow = await client(bench, task)
    (address,) = await flow.log_addresses(task.task_id)
    wanted = b"".join(b"line %d\n" % n for n in range(1, 2001))
    got, offset, rounds = b"", 0, 0
    while len(got) < len(wanted):
        rounds += 1
        async with aclosing(flow.log_bytes(address, offset)) as pieces:  # type: ignore[type-var]
            async for start, data in pieces:
                assert start == offset
                part = data[: max(1, len(data) // 2)]
                got, offset = got + part, start + len(part)
                break
    assert got == wanted
    assert rounds > 3
    assert [piece async for piece in flow.log_bytes(address, offset)] == []


@pytest.mark.facets("logs")
async def test_a_reader_that_leaves_early_or_is_cancelled_releases_what_it_held(bench: Bench) -> None:
    task = await bench.running("echo first; sleep 600")
    flow = await client(bench, task)
    await leave_early(flow, task)  # the first time loads what later ones use
    before, others = open_files(), asyncio.all_tasks()
    for _ in range(10):
        await leave_early(flow, task)
    await until(lambda: open_files() <= before)
    assert asyncio.all_tasks() <= others
    for _ in range(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                _ = [line async for line in await flow.logs(task.task_id, follow=True)]
    await until(lambda: open_files() <= before)


async def test_a_task_that_can_never_run_leaves_nothing_behind(bench: Bench) -> None:
    await bench.ended(await bench.submit("true"))  # creates what only a first submit creates
    before, volumes = bench.world.traces(), await list_volumes(bench)
    for fields in bench.world.impossible:
        with pytest.raises(FlowError) as refused:
            await bench.submit("true", **fields)
        assert isinstance(refused.value, ConfigError | Unsupported | ProviderError)
        assert str(refused.value).isprintable()
        assert bench.world.traces() <= before, fields
    assert len(await bench.provider.list_tasks()) == 1
    assert await list_volumes(bench) == volumes


async def list_volumes(bench: Bench) -> set[str]:
    return {one.volume_id for one in await bench.provider.volumes.list()} if bench.provider.volumes else set()


async def test_descriptions_of_calls_never_contain_values_of_the_environment(bench: Bench) -> None:
    fields = {"command": "sleep 600", "env": {"API_TOKEN": "hunter2"}, "name": "secretive"}
    config = TaskConfig.parse({**bench.world.fields, **fields})
    assert "hunter2" not in bench.provider.describe_submit(config)
    task = await bench.provider.submit(config)
    running = await bench.until(task, lambda now: now.is_running)
    assert "hunter2" not in bench.provider.describe_cancel(task) + bench.provider.describe_cancel(running)
    assert "hunter2" not in f"{running.message}{running.provider_metadata}{running.command}"


@pytest.mark.facets("logs")
async def test_twenty_calls_at_once_are_answered(bench: Bench) -> None:
    task = await bench.running("echo ready; sleep 600")
    submitted = await asyncio.gather(*(bench.submit("true") for _ in range(5)))
    assert len({one.task_id for one in submitted}) == 5
    flow = await client(bench, task)
    answers = await asyncio.gather(
        *(bench.provider.list_tasks() for _ in range(8)),
        *(bench.provider.get_task(task.task_id) for _ in range(8)),
        *(flow.logs(task.task_id) for _ in range(4)),
    )
    assert all(len(tasks) == 6 for tasks in answers[:8])
    assert {one.task_id for one in answers[8:16]} == {task.task_id}
    assert set(answers[16:]) == {"ready\n"}


async def test_another_client_of_the_same_context_sees_the_same_also_once_the_first_is_closed_twice(
    bench: Bench,
) -> None:
    task = await bench.running()
    other = Bench(bench.world)
    assert await other.provider.list_tasks() == await bench.provider.list_tasks()
    await bench.provider.close()
    await bench.provider.close()
    assert (await other.provider.get_task(task.task_id)).is_running
    await other.provider.cancel_task(task.task_id)
    assert (await other.ended(task)).status is TaskStatus.CANCELLED
    await other.provider.close()


async def test_a_provider_describes_its_settings(bench: Bench) -> None:
    fields = bench.provider.config_schema.config_fields()
    assert all(field.name and field.description for field in fields)
    assert bench.provider.config_schema.validate_config(bench.world.context.settings) == ()
    complaints = bench.provider.config_schema.validate_config({"no such setting": 1})
    assert any("no such setting" in sentence for sentence in complaints)
    assert bench.provider.poll.busy_s > 0
    assert bench.provider.poll.idle_s >= bench.provider.poll.busy_s


async def client(bench: Bench, task: TaskRecord) -> AsyncFlow:
    """Returns a client of the same context once the task has a log."""
    flow = AsyncFlow(bench.world.context)
    await bench.until(task, lambda now: now.is_running or now.is_terminal)
    if bench.provider.logs is None:
        pytest.fail("a provider without logs: say here what holds for it")
    return flow


async def leave_early(flow: AsyncFlow, task: TaskRecord) -> None:
    async with aclosing(await flow.logs(task.task_id, follow=True)) as lines:  # type: ignore[type-var]
        async for line in lines:
            assert line == "first"
            break


def open_files() -> int:
    """Returns the number of open descriptors of this process."""
    return len(os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"))

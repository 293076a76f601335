"""The facets of a provider: each works, or the client reports it as missing."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from testbed.missing_facets import KEY, MISSING, ask, check_answers_without
from testbed.waiting import DEADLINE_S
from testbed.worlds import Bench

from flow_core import AsyncFlow
from flow_core.errors import ConfigError, Conflict, FlowError, NotFound, Unreachable, Unsupported
from flow_core.logs.log_id import LogId
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_core.providers.contract.access import ShellFacet
from flow_core.providers.contract.reservations import ReservationFacet

FACETS = (
    *("logs", "instances", "reservations", "ssh_keys", "identity"),
    *("shells", "remote", "uploads", "endpoints", "tunnels", "metrics", "pruning", "scheduling"),
)

Trip = Callable[[Bench, AsyncFlow, TaskRecord], AsyncGenerator[None]]
"""Tests one facet with a running task. After its only `yield`, the task has ended."""


@pytest.mark.parametrize(
    "facets",
    [FACETS, ("volumes",)],  # attaching a volume may restart the task
    ids=["most", "volumes"],
)
async def test_every_facet_works_or_is_reported_as_missing(bench: Bench, facets: Sequence[str]) -> None:
    task = await bench.running("echo hello; sleep 600")
    trips: list[AsyncGenerator[None]] = []
    async with AsyncFlow(bench.world.context) as flow, AsyncExitStack() as stack:
        for facet in facets:
            if getattr(bench.provider, facet) is None:
                assert facet not in bench.world.facets, f"{facet} is promised"
                await check_answers_without(facet, flow, task.task_id)
            else:
                trips.append(await stack.enter_async_context(aclosing(ROUND_TRIPS[facet](bench, flow, task))))
                await anext(trips[-1])
        await bench.provider.cancel_task(task.task_id, force=True)
        await bench.ended(task)
        for trip in trips:
            assert [step async for step in trip] == []


async def logs_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    logs = bench.provider.logs
    assert logs is not None
    (address,) = await logs.addresses(task.task_id)
    assert address == LogId(bench.world.context.name, task.task_id, 0, 0)
    deadline = time.monotonic() + DEADLINE_S
    while await flow.logs(task.task_id) != "hello\n":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert not await logs.is_complete(address)
    yield
    while not await logs.is_complete(address):  # a remote log is fetched first
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    with pytest.raises(NotFound):
        await logs.open(LogId(address.context, address.task_id, 9, 0))
    with pytest.raises(NotFound):
        await logs.open(LogId(address.context, address.task_id, 0, 9))


async def instances_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    found = await flow.find_instances({})
    assert found
    prices = [one.price_per_hour for one in found]
    assert prices == sorted(prices)
    assert all(one.context == bench.world.context.name for one in found)
    again = await flow.find_instances({"instance_type": found[-1].instance_type})
    assert found[-1].instance_type in [one.instance_type for one in again]
    assert await flow.normalize_instance_request(0) == ("cpu", 1, None)
    instance_type, count, warning = await flow.normalize_instance_request(3, "h900")
    assert instance_type.endswith("xh900")
    assert int(instance_type.removesuffix("xh900")) * count == 3
    assert warning
    with pytest.raises(ConfigError, match="no such key"):
        await flow.find_instances({"no such key": 1})  # type: ignore[typeddict-unknown-key]
    yield


async def volumes_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    volumes = bench.provider.volumes
    assert volumes is not None
    if not volumes.can_change:
        await volumes_are_only_listed(flow, task)
        yield
        return
    first = await volumes.create(1, "first", "block", None)
    second = await volumes.create(2, "second", "file", None)
    assert [one.volume_id for one in await volumes.list()] == [second.volume_id, first.volume_id]
    with pytest.raises(Conflict, match="first"):
        await volumes.create(1, "first", "block", None)
    place = await volumes.attach("first", task.task_id, None)
    assert await volumes.attach(first.volume_id, task.task_id, None) == place
    with pytest.raises(Conflict, match=f"^'first' is in use by {re.escape(task.name)}. End that first"):
        await volumes.delete("first")
    one_at_a_time = "A block volume serves one task at a time: wait for it, or use a file volume.$"
    with pytest.raises(Conflict, match=f"^'first' is in use by {re.escape(task.name)}. {one_at_a_time}"):
        await bench.submit("true", volumes=[{"name": "first", "size_gb": 1, "mount_path": "/first"}])
    for words in (volumes.describe_create(1, "x", "block"), volumes.describe_delete(first)):
        assert words.isprintable()
    await volumes.delete("second")
    yield
    await volumes.delete(first.volume_id)
    assert await volumes.list() == ()


async def volumes_are_only_listed(flow: AsyncFlow, task: TaskRecord) -> None:
    volumes = await flow.list_volumes()
    assert volumes
    assert all(volume.path for volume in volumes)
    for name, arguments in MISSING["volumes"][0].items():
        if name != "list_volumes":
            with pytest.raises(Unsupported, match="only lists volumes"):
                await ask(flow, name, arguments, task.task_id)


async def shells_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    shells = bench.provider.shells
    assert shells is not None
    shell = await shells.open(task.task_id, columns=80, rows=24, command="read line; echo got $line; stty size; exit 5")
    try:
        await shell.resize(100, 30)
        await shell.write(b"words\n")
        output = b"".join([piece async for piece in shell.read()])
        assert b"got words" in output
        assert b"30 100" in output
        assert await shell.wait() == 5
    finally:
        await shell.close()
    await shell.close()
    await shell.resize(80, 24)
    with pytest.raises(ConfigError) as refused:
        await shells.open(task.task_id, columns=80, rows=24, node=99)
    assert refused.value.field == "node"
    await a_shell_speaks_the_language_of_the_user(shells, task)
    yield


async def a_shell_speaks_the_language_of_the_user(shells: ShellFacet, task: TaskRecord) -> None:
    for language in ("", "flow_TEST.UTF-8"):  # a server that the first shell started has the other language
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LC_PAPER", language)
            shell = await shells.open(task.task_id, columns=80, rows=24, command="echo $LC_PAPER")
            assert b"".join([piece async for piece in shell.read()]).decode().strip() == language
            await shell.close()


async def remote_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    remote = bench.provider.remote
    assert remote is not None
    done = await remote.run(task.task_id, "cat; echo err >&2; exit 3", stdin=b"\0\377")
    assert (done.exit_code, done.stdout, done.stderr, done.is_cut) == (3, b"\0\377", b"err\n", False)
    with pytest.raises(Unreachable):
        await remote.run(task.task_id, "sleep 600", timeout_s=0.2)
    with pytest.raises(ConfigError):
        await remote.run(task.task_id, "true", node=99)
    yield
    with pytest.raises(Conflict):
        await remote.run(task.task_id, "true")


async def uploads_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    uploads, remote, code = bench.provider.uploads, bench.provider.remote, Path("code").absolute()
    assert uploads is not None
    (code / "inner").mkdir(parents=True)
    (code / "inner" / "file").write_text("content")
    (code / "secret").write_text("no")
    (code / ".flowignore").write_text("secret\n")
    for _ in range(2):
        await uploads.upload(task.task_id, code, str(Path("there").absolute()))
    if remote is not None:
        done = await remote.run(task.task_id, "cd there && cat inner/file && ls")
        assert done.stdout.startswith(b"content")
        assert b"secret" not in done.stdout
    await uploads.put_file(task.task_id, code / "inner" / "file", "one-file")
    await uploads.get_file(task.task_id, "one-file", code / "back")
    assert (code / "back").read_text() == "content"
    yield


async def reservations_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    facet = bench.provider.reservations
    assert facet is not None
    offers = [one for one in await flow.find_instances({}) if one.gpu_count]
    spec = ReservationSpec.parse({"instance_type": offers[0].instance_type, "duration_hours": 3})
    if "reservations" in bench.world.refused:
        with pytest.raises(FlowError, match=bench.world.refused["reservations"]):
            await facet.create(spec)
        assert await facet.list({}) == ()
        yield
        return
    made = await facet.create(spec)
    assert not made.status.is_final
    assert (await facet.get(made.reservation_id)).reservation_id == made.reservation_id
    assert [one.reservation_id for one in await facet.list({})] == [made.reservation_id]
    slots = await facet.availability({"instance_type": offers[0].instance_type})
    assert all({"start_time", "end_time", "quantity"} <= set(slot) for slot in slots)
    await give_back(facet, made.reservation_id)
    await facet.release(made.reservation_id)
    assert (await facet.get(made.reservation_id)).status.is_final
    yield


async def give_back(facet: ReservationFacet, reservation_id: str) -> None:
    """Releases a reservation; retries while its machines are still starting."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return await facet.release(reservation_id)
        except Conflict:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def ssh_keys_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    facet = bench.provider.ssh_keys
    assert facet is not None
    key = await facet.create("contract", KEY)
    assert key.key_id in [one.key_id for one in await facet.list()]
    assert await facet.delete(key.key_id)
    assert not await facet.delete(key.key_id)
    yield


async def identity_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    facet = bench.provider.identity
    assert facet is not None
    assert all(project.project_id for project in await facet.projects())
    assert await facet.user("nobody-at-all") is None
    assert all(user.user_id for user in await facet.teammates("nobody-at-all"))
    assert isinstance(await facet.own_keys(), tuple)
    yield


async def endpoints_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    facet = bench.provider.endpoints
    assert facet is not None
    found = await facet.resolve(task.task_id)
    assert found.host
    assert 0 < found.port < 65536
    assert (await facet.command(task.task_id)).startswith("ssh ")
    with pytest.raises(ConfigError):
        await facet.resolve(task.task_id, 99)
    yield


async def tunnels_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    facet = bench.provider.tunnels
    assert facet is not None
    tunnel = await facet.open(task.task_id, 8080)
    assert tunnel in await facet.list(task.task_id)
    await facet.close(tunnel.tunnel_id)
    await facet.close(tunnel.tunnel_id)
    assert await facet.list() == ()
    yield


async def metrics_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    async with aclosing(flow.task_metrics(task.task_id)) as samples:
        assert (await anext(samples)).load is not None
        yield
        assert len([sample async for sample in samples]) <= 1
    with pytest.raises(Conflict):
        await anext(flow.task_metrics(task.task_id))
    with pytest.raises((NotFound, Unsupported)):
        await anext(flow.instance_metrics("no-such"))


async def pruning_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    with pytest.raises(Conflict, match="it is not over"):
        await flow.plan_pruning(task_ids=[task.task_id])
    assert (await flow.plan_pruning(older_than_days=0)).tasks == ()
    yield
    deadline = time.monotonic() + DEADLINE_S
    while not (plan := await flow.plan_pruning(keep_last=0)).tasks:  # its supervisor may still be exiting
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert bench.provider.pruning is not None
    assert bench.provider.pruning.describe(plan).isprintable()
    assert [one.task_id for one in (await flow.prune_tasks(plan)).pruned] == [task.task_id]
    assert await bench.provider.list_tasks() == ()
    with pytest.raises(NotFound):
        await flow.plan_pruning(task_ids=[task.task_id])


async def scheduling_round_trip(bench: Bench, flow: AsyncFlow, task: TaskRecord) -> AsyncGenerator[None]:
    facet = bench.provider.scheduling
    assert facet is not None
    descriptions = (facet.describe_hold(task), facet.describe_release(task), facet.describe_requeue(task))
    for words in (*descriptions, facet.describe_set_time_limit(task, 0.25), facet.describe_signal(task, "SIGUSR1")):
        assert words.isprintable()
    estimate = await flow.estimate_start(TaskConfig.parse({"command": "true", **bench.world.fields}))
    assert estimate is None or estimate.starts_at.tzinfo is not None
    await flow.set_time_limit(task.task_id, 0.25)
    await flow.signal_task(task.task_id, "CONT")
    with pytest.raises(Conflict):
        await flow.hold_task(task.task_id)
    await flow.watch_everyone()
    assert task.task_id in [one.task_id for one in await flow.list_tasks()]
    await flow.watch_everyone(False)
    await a_pending_task_is_held_released_and_queued_again(bench, flow)
    yield
    for call in (flow.set_time_limit(task.task_id, 0.25), flow.signal_task(task.task_id, "CONT")):
        with pytest.raises(Conflict):
            await call


async def a_pending_task_is_held_released_and_queued_again(bench: Bench, flow: AsyncFlow) -> None:
    holder = await bench.running("trap 'exit 4' USR1; while :; do sleep 0.1; done", instance_type=bench.world.scarce)
    waiting = await bench.submit("sleep 600", instance_type=bench.world.scarce)
    for _ in range(2):
        await flow.hold_task(waiting.task_id)
    await bench.until(waiting, lambda now: now.is_held)
    await flow.signal_task(holder.task_id, "USR1")
    assert (await bench.ended(holder)).exit_code == 4
    assert (await bench.provider.get_task(waiting.task_id)).is_held
    for _ in range(2):
        await flow.release_task(waiting.task_id)
    await bench.until(waiting, lambda now: now.is_running)
    await flow.requeue_task(waiting.task_id)
    await bench.until(waiting, lambda now: now.status is TaskStatus.PENDING)  # a scheduler may let it wait for minutes
    await bench.provider.cancel_task(waiting.task_id)
    assert (await bench.ended(waiting)).status is TaskStatus.CANCELLED


ROUND_TRIPS: dict[str, Trip] = {
    "logs": logs_round_trip,
    "instances": instances_round_trip,
    "volumes": volumes_round_trip,
    "reservations": reservations_round_trip,
    "ssh_keys": ssh_keys_round_trip,
    "identity": identity_round_trip,
    "shells": shells_round_trip,
    "remote": remote_round_trip,
    "uploads": uploads_round_trip,
    "endpoints": endpoints_round_trip,
    "tunnels": tunnels_round_trip,
    "metrics": metrics_round_trip,
    "pruning": pruning_round_trip,
    "scheduling": scheduling_round_trip,
}

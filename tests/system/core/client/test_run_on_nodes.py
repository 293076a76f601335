"""One command on several nodes of a real local task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from testbed.waiting import DEADLINE_S

from flow_core import AsyncFlow, TaskConfig
from flow_core.client.run_on_nodes import NodeResult, run_on_nodes
from flow_core.client.task import AsyncTask
from flow_core.errors import FlowError


@pytest.fixture
async def flow() -> AsyncIterator[AsyncFlow]:
    async with AsyncFlow("local") as flow:
        yield flow


@pytest.fixture
async def pair(flow: AsyncFlow) -> AsyncTask:
    return await flow.run(TaskConfig(name="pair", command="sleep 300", num_instances=2), wait=True)


def _nothing(_: NodeResult) -> None:
    """For who doesn't look."""


async def test_every_node_runs_it_in_its_own_environment_and_both_streams_are_kept(
    flow: AsyncFlow, pair: AsyncTask
) -> None:
    runs, seen = [NodeResult(0), NodeResult(1)], []
    command = "echo out-$NODE_RANK; echo err-$NODE_RANK >&2; exit $NODE_RANK"
    await run_on_nodes(flow.get_remote_operations(), pair.task_id, command, runs, seen.append, timeout_s=DEADLINE_S)
    assert [run.exit_code for run in runs] == [0, 1]
    for run in runs:
        assert set(bytes(run.output).split()) == {b"out-%d" % run.node, b"err-%d" % run.node}
        assert run.is_over
    assert set(seen) == set(runs)


async def test_a_node_that_fails_stops_no_other_and_is_named_at_the_end(flow: AsyncFlow, pair: AsyncTask) -> None:
    runs = [NodeResult(0), NodeResult(7)]
    with pytest.raises(FlowError, match=r"1 of 2 nodes did not run it; node 7: .*no 7"):
        await run_on_nodes(
            flow.get_remote_operations(), pair.task_id, "echo fine", runs, _nothing, timeout_s=DEADLINE_S
        )
    assert (runs[0].exit_code, bytes(runs[0].output)) == (0, b"fine\n")
    assert (runs[1].exit_code, bool(runs[1].problem)) == (None, True)


async def test_a_node_that_takes_too_long_is_stopped(flow: AsyncFlow, pair: AsyncTask) -> None:
    runs = [NodeResult(0)]
    with pytest.raises(FlowError, match=r"did not end within 0\.5 s"):
        await run_on_nodes(flow.get_remote_operations(), pair.task_id, "sleep 60", runs, _nothing, timeout_s=0.5)


async def test_cancelling_ends_the_command_on_every_node(flow: AsyncFlow, pair: AsyncTask) -> None:
    runs, both = [NodeResult(0), NodeResult(1)], asyncio.Event()

    def note(_: NodeResult) -> None:
        if all(run.output for run in runs):
            both.set()

    remote = flow.get_remote_operations()
    line = "echo $$; exec sleep 300"
    running = asyncio.create_task(run_on_nodes(remote, pair.task_id, line, runs, note, timeout_s=DEADLINE_S))
    await asyncio.wait_for(both.wait(), DEADLINE_S)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(run.is_over and run.exit_code is None and not run.problem for run in runs)
    pids = b" ".join(bytes(run.output.strip()) for run in runs).decode()
    gone = await remote.run(pair.task_id, f"for pid in {pids}; do kill -0 $pid 2>/dev/null && echo lives; done; true")
    assert gone.stdout == b""


async def test_the_first_output_of_a_node_that_writes_much_is_dropped(flow: AsyncFlow, pair: AsyncTask) -> None:
    run = NodeResult(0)
    line = "head -c 1000000 /dev/zero | tr '\\0' x; echo end"
    await run_on_nodes(flow.get_remote_operations(), pair.task_id, line, [run], _nothing, timeout_s=DEADLINE_S)
    assert run.output.endswith(b"xend\n")
    assert len(run.output) + run.cut_bytes == 1_000_004
    assert len(run.output) <= 128 << 10

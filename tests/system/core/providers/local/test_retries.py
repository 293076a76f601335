"""Attempts: what is tried again, when, and what is left of it."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise

import pytest

from flow_core.errors import Conflict
from flow_core.logs.log_id import LogId
from flow_core.models.task import TaskStatus

COUNTED = 'n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n > n; echo "this is $n"; '


def _retries(most: int, delay_s: float = 0.0, mode: str = "fixed", **fields: float) -> dict[str, object]:
    return {"retries": {"max_retries": most, "mode": mode, "delay_s": delay_s, **fields}}


async def _log(machine, task, attempt, rank=0):
    files = await machine.provider.logs.open(LogId("local", task.task_id, attempt, rank))
    return files.log.read_bytes()


async def _waiting(machine, task):
    return await machine.until_task(task, lambda now: "starts in" in now.message)


async def test_a_task_that_fails_is_tried_again_until_it_succeeds(machine):
    end = await machine.ended(await machine.submit(COUNTED + "[ $n = 3 ]", **_retries(5)))
    assert (end.status, end.exit_code, end.attempt) == (TaskStatus.COMPLETED, 0, 2)
    assert [await _log(machine, end, n) for n in range(3)] == [b"this is 1\n", b"this is 2\n", b"this is 3\n"]
    addresses = await machine.provider.logs.addresses(end.task_id)
    assert [address.attempt for address in addresses] == [0, 1, 2]


async def test_a_task_that_goes_on_failing_says_how_often_it_was_tried(machine):
    end = await machine.ended(await machine.submit(COUNTED + "exit $n", **_retries(2)))
    assert (end.status, end.exit_code, end.attempt) == (TaskStatus.FAILED, 3, 2)
    assert end.message == "all 3 attempts failed, the last with exit code 3"


async def test_a_command_that_cannot_start_is_tried_again(machine):
    end = await machine.ended(await machine.submit(["no-such-command-here"], **_retries(1)))
    assert (end.status, end.exit_code, end.attempt) == (TaskStatus.FAILED, 127, 1)
    assert end.message.startswith("all 2 attempts failed, the last (can't run 'no-such-command-here'")


async def test_between_attempts_it_is_pending_and_says_when_the_next_one_starts(machine):
    task = await machine.submit(COUNTED + "exit 3", instance_type="a100:2", **_retries(3, 60.0))
    waiting = await _waiting(machine, task)
    assert (waiting.status, waiting.attempt, waiting.exit_code) == (TaskStatus.PENDING, 0, None)
    assert waiting.message == "attempt 1 failed with exit code 3; attempt 2 of 4 starts in 60 s"
    assert waiting.started_at is not None
    assert await machine.provider.logs.is_complete(LogId("local", task.task_id))
    assert "the remaining attempts" in machine.provider.describe_cancel(waiting)
    (offer,) = await machine.provider.instances.find({"instance_type": "1xa100"})
    assert offer.available_quantity == 0
    with pytest.raises(Conflict):
        await machine.provider.shells.open(task.task_id, columns=80, rows=24)
    asked = time.monotonic()
    await machine.provider.cancel_task(task.task_id)
    end = await machine.ended(task)
    assert time.monotonic() - asked < 30  # the next attempt would have been in 60
    assert (end.status, end.message) == (TaskStatus.CANCELLED, "attempt 1 of 4 failed with exit code 3")
    assert (await machine.ended(await machine.submit("true", instance_type="a100:2"))).status is TaskStatus.COMPLETED


async def test_delays_double_up_to_their_limit(machine):
    command = 'python3 -c "import time; print(time.monotonic())" >> stamps; false'
    task = await machine.submit(command, **_retries(3, 0.3, "exponential", max_delay_s=0.5))
    messages = set()

    def note(now):
        messages.add(now.message)
        return now.is_terminal

    await machine.until_task(task, note)
    assert {message.rpartition("starts in ")[2] for message in messages if "starts in" in message} == {"0.3 s", "0.5 s"}
    stamps = [float(line) for line in (machine.home / "stamps").read_text().split()]
    gaps = [after - before for before, after in pairwise(stamps)]
    assert all(gap >= least for gap, least in zip(gaps, (0.3, 0.5, 0.5), strict=True))


async def test_an_older_attempts_log_is_complete_while_the_next_one_runs(machine):
    task = await machine.submit(COUNTED + "[ $n = 2 ] && sleep 300; exit 1", **_retries(2))
    await machine.until_task(task, lambda now: now.attempt == 1 and now.is_running)
    logs = machine.provider.logs
    assert await logs.is_complete(LogId("local", task.task_id, 0))
    assert not await logs.is_complete(LogId("local", task.task_id, 1))


async def test_started_at_is_the_first_start_and_the_limit_counts_from_it(machine):
    task = await machine.submit(COUNTED + "[ $n = 1 ] && exit 1; sleep 300", max_run_time_hours=0.0003, **_retries(5))
    first = await machine.until_task(task, lambda now: now.started_at is not None)
    end = await machine.ended(task)
    assert end.started_at == first.started_at
    assert end.status is TaskStatus.FAILED
    assert end.message == "stopped after 0.0003 h (max_run_time_hours), in attempt 2 of 6"


async def test_the_limit_also_ends_the_wait_for_the_next_attempt(machine):
    end = await machine.ended(await machine.submit("exit 3", max_run_time_hours=0.0001, **_retries(5, 60.0)))
    assert (end.status, end.exit_code) == (TaskStatus.FAILED, 3)
    assert end.message == "stopped after 0.0001 h (max_run_time_hours); attempt 1 of 6 failed with exit code 3"


async def test_what_was_cancelled_or_told_to_end_is_not_tried_again(machine):
    cancelled = await machine.running(await machine.submit("exec sleep 300", **_retries(5)))
    await machine.provider.cancel_task(cancelled.task_id)
    end = await machine.ended(cancelled)
    assert (end.status, end.attempt) == (TaskStatus.CANCELLED, 0)
    told = await machine.running(await machine.submit("exec sleep 300", **_retries(5)))
    os.kill(machine.supervisor(told), signal.SIGTERM)
    end = await machine.ended(told)
    assert (end.status, end.attempt) == (TaskStatus.FAILED, 0)
    assert end.message.startswith("stopped: its supervisor was ended by a signal")


async def test_a_failing_rank_has_all_ranks_tried_again_at_another_port(machine):
    fails_once = '[ -e failed ] || { [ "$NODE_RANK" = 1 ] && touch failed && exit 3; sleep 300; }'
    command = f'echo "$NODE_RANK $MASTER_PORT"; {fails_once}'
    end = await machine.ended(await machine.submit(command, num_instances=2, **_retries(1)))
    assert (end.status, end.attempt) == (TaskStatus.COMPLETED, 1)
    logs = [[await _log(machine, end, attempt, rank) for rank in range(2)] for attempt in range(2)]
    assert [[line.split()[0] for line in attempt] for attempt in logs] == [[b"0", b"1"], [b"0", b"1"]]


async def test_a_supervisor_killed_between_attempts_loses_the_task_and_frees_its_gpus(machine):
    task = await machine.submit("exit 3", instance_type="a100:2", **_retries(3, 60.0))
    await _waiting(machine, task)
    waiting = await machine.submit("true", instance_type="a100")
    await machine.until_task(waiting, lambda now: now.message.startswith("waiting for 1 x a100: 0 of 2"))
    os.kill(machine.supervisor(task), signal.SIGKILL)
    end = await machine.ended(task)
    assert (end.status, end.message) == (TaskStatus.FAILED, "lost: its supervisor was killed")
    assert (await machine.ended(waiting)).status is TaskStatus.COMPLETED
    await machine.until(lambda: not machine.members(task), "all processes gone")


async def test_no_gpu_is_given_to_another_task_between_two_attempts(machine):
    """Each task notes the GPU it got at its first attempt and at its end; nobody else may note it in between."""
    command = (
        '[ -e "first$N" ] && { echo "stop $N $CUDA_VISIBLE_DEVICES" >> stamps; exit 0; }; '
        'touch "first$N"; echo "start $N $CUDA_VISIBLE_DEVICES" >> stamps; exit 1'
    )
    tasks = [
        await machine.submit(command, instance_type="a100", env={"N": str(n)}, **_retries(1, 0.1)) for n in range(5)
    ]
    assert {(await machine.ended(task)).status for task in tasks} == {TaskStatus.COMPLETED}
    held: dict[str, str] = {}
    for verb, number, gpu in (line.split() for line in (machine.home / "stamps").read_text().splitlines()):
        if verb == "start":
            assert gpu not in held
            held[gpu] = number
        else:
            assert held.pop(gpu) == number
    assert held == {}

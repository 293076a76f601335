"""Reservations of this machine's GPUs: who gets them, for how long, and what is left when something dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flow_core.agent.capacity import reservation_records
from flow_core.agent.capacity.queue import queue_lock
from flow_core.agent.capacity.reservation_records import ReservationRecord
from flow_core.errors import CapacityError, ConfigError, Conflict
from flow_core.models.reservation import Reservation, ReservationStatus
from flow_core.models.reservation_spec import ReservationSpec
from flow_core.models.task import TaskStatus


async def reserve(machine: Any, gpu: str = "a100:2", **fields: Any) -> Reservation:
    made: Reservation = await machine.provider.reservations.create(ReservationSpec(instance_type=gpu, **fields))
    return made


async def waiting(machine: Any, task: Any) -> str:
    return str((await machine.until_task(task, lambda now: now.message.startswith("waiting"))).message)


def root_of(machine: Any) -> Path:
    (root,) = machine.home.glob("state/local/*")
    return Path(root)


def rewrite(machine: Any, made: Reservation, **changes: Any) -> None:
    """Changes a reservation behind everybody's back, as hours would."""
    root = root_of(machine)
    with queue_lock(root):
        path = reservation_records.find_record(root, made.reservation_id)
        assert path is not None
        reservation_records.save_record(root, ReservationRecord.read(path)._replace(**changes))


async def test_reserved_gpus_go_to_the_tasks_that_name_the_reservation(machine):
    made = await reserve(machine)
    assert (made.status, made.instance_type, made.quantity) == (ReservationStatus.ACTIVE, "2xa100", 1)
    other = await machine.submit("true", instance_type="a100")
    end = time.strftime("%H:%M", time.localtime(made.end_time_utc.timestamp()))
    message = await waiting(machine, other)
    assert message.startswith("waiting for 1 x a100: 0 of 2 free, 2 reserved until ")
    assert message.endswith(f"{end} by {made.reservation_id}")
    mine = await machine.submit(
        "true", instance_type="a100:2", reservation_id=made.reservation_id, allocation_mode="reserved"
    )
    end_of_mine = await machine.ended(mine)
    assert end_of_mine.status is TaskStatus.COMPLETED
    assert end_of_mine.provider_metadata["reservation"] == made.reservation_id
    assert (await machine.provider.get_task(other.task_id)).status is TaskStatus.PENDING


async def test_a_reservation_given_back_lets_the_line_move_and_leaves_its_tasks_alone(machine):
    made = await reserve(machine, "a100")
    running = await machine.running(
        await machine.submit("sleep 300", instance_type="a100", reservation_id=made.reservation_id)
    )
    both = await machine.submit("true", instance_type="a100:2")
    assert "1 of 2 free, 1 reserved" in await waiting(machine, both)
    one = await machine.submit("true", instance_type="a100")
    assert (await machine.ended(one)).status is TaskStatus.COMPLETED, "who waits for a reservation holds nobody up"
    await machine.provider.reservations.release(made.reservation_id)
    await machine.provider.reservations.release(made.reservation_id)
    assert (await machine.provider.reservations.get(made.reservation_id)).status is ReservationStatus.CANCELED
    await machine.until_task(both, lambda now: now.message == "waiting for 2 x a100: 1 of 2 free")
    assert (await machine.provider.get_task(running.task_id)).is_running
    await machine.provider.cancel_task(running.task_id)
    assert (await machine.ended(both)).status is TaskStatus.COMPLETED


async def test_the_end_of_a_reservation_is_noticed_by_those_who_wait(machine):
    made = await reserve(machine)
    mine = await machine.running(
        await machine.submit("sleep 300", instance_type="a100", reservation_id=made.reservation_id)
    )
    other = await machine.submit("true", instance_type="a100")
    await waiting(machine, other)
    rewrite(machine, made, end=time.time())
    assert (await machine.ended(other)).status is TaskStatus.COMPLETED
    assert (await machine.provider.get_task(mine.task_id)).is_running
    assert (await machine.provider.reservations.get(made.reservation_id)).status is ReservationStatus.EXPIRED


async def test_a_task_whose_reservation_ends_first_stands_in_line_like_any_other(machine):
    made = await reserve(machine, "a100")
    await machine.running(await machine.submit("sleep 300", instance_type="a100", reservation_id=made.reservation_id))
    late = await machine.submit("true", instance_type="a100", reservation_id=made.reservation_id)
    assert await waiting(machine, late) == f"waiting for 1 x a100: 0 of 1 free in {made.reservation_id}"
    await machine.provider.reservations.release(made.reservation_id)
    assert (await machine.ended(late)).status is TaskStatus.COMPLETED


async def test_a_reservation_that_renews_itself_holds_until_it_is_released(machine):
    made = await reserve(machine, auto_renew=True)
    other = await machine.submit("true", instance_type="a100")
    assert "2 reserved until it is released by" in await waiting(machine, other)
    rewrite(machine, made, start=time.time() - 100, end=time.time() - 10, duration_s=15.0)
    renewed = await machine.provider.reservations.get(made.reservation_id)
    assert renewed.status is ReservationStatus.ACTIVE
    assert renewed.end_time_utc > datetime.now(UTC)
    assert (await machine.provider.get_task(other.task_id)).status is TaskStatus.PENDING
    await machine.provider.reservations.release(made.reservation_id)
    assert (await machine.ended(other)).status is TaskStatus.COMPLETED


async def test_a_task_that_waits_renews_what_it_waits_for(machine):
    made = await reserve(machine, auto_renew=True)
    rewrite(machine, made, start=time.time() - 100, end=time.time() - 10, duration_s=15.0)
    await waiting(machine, await machine.submit("true", instance_type="a100"))
    path = reservation_records.find_record(root_of(machine), made.reservation_id)
    assert path is not None
    assert ReservationRecord.read(path).end > time.time()


async def test_a_later_reservation_leaves_the_gpus_to_everybody_until_it_starts(machine):
    made = await reserve(machine, start_time_utc=datetime.now(UTC) + timedelta(hours=3))
    assert made.status is ReservationStatus.SCHEDULED
    mine = await machine.submit("true", instance_type="a100", reservation_id=made.reservation_id)
    assert f"{made.reservation_id} starts at" in await waiting(machine, mine)
    other = await machine.submit("true", instance_type="a100:2")
    assert (await machine.ended(other)).status is TaskStatus.COMPLETED
    rewrite(machine, made, start=time.time())
    assert (await machine.ended(mine)).status is TaskStatus.COMPLETED
    assert (await machine.provider.reservations.get(made.reservation_id)).status is ReservationStatus.ACTIVE


async def test_it_holds_in_every_context_and_every_context_may_use_it(machine):
    made = await reserve(machine)
    lab = machine.open("lab")
    assert [one.reservation_id for one in await lab.reservations.list({})] == [made.reservation_id]
    with pytest.raises(CapacityError, match=made.reservation_id):
        await lab.reservations.create(ReservationSpec(instance_type="a100"))
    machine.provider = lab
    task = await machine.submit("true", instance_type="a100", reservation_id=made.reservation_id)
    assert (await machine.ended(task)).status is TaskStatus.COMPLETED


async def test_what_can_not_be_reserved_is_refused_with_who_has_it_until_when(machine, monkeypatch):
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:4")
    first = await reserve(machine, "a100", duration_hours=2)
    task = await machine.running(await machine.submit("sleep 300", instance_type="a100"))
    with pytest.raises(CapacityError) as refused:
        await reserve(machine, "a100:3")
    message = str(refused.value)
    assert "1 x 3xa100 can't be reserved now until" in message
    assert "2 of 4 GPUs are free all that time" in message
    assert f"by {first.reservation_id}" in message
    assert f"1 held by {task.task_id}" in message
    soon = datetime.now(UTC) + timedelta(hours=1)
    later = await reserve(machine, "a100", quantity=3, start_time_utc=soon)
    assert len(set(later.provider_metadata["gpus"])) == 3
    with pytest.raises(CapacityError, match=f"reserved from .* until .* by {later.reservation_id}"):
        await reserve(machine, "a100", auto_renew=True)
    with pytest.raises(CapacityError, match="it has 4 x a100"):
        await reserve(machine, "a100:3", quantity=2)
    with pytest.raises(CapacityError):
        await reserve(machine, "h100")


async def test_a_gpu_that_somebody_waits_for_is_not_reserved_away(machine):
    await machine.running(await machine.submit("sleep 300", instance_type="a100"))
    both = await machine.submit("true", instance_type="a100:2")
    await waiting(machine, both)
    with pytest.raises(CapacityError, match=f"requested by {both.task_id}, which waits"):
        await reserve(machine, "a100")
    await machine.provider.cancel_task(both.task_id)
    await machine.ended(both)
    assert (await reserve(machine, "a100")).status is ReservationStatus.ACTIVE


async def test_a_task_that_wants_reserved_gpus_finds_its_users_reservation(machine):
    with pytest.raises(CapacityError, match="no active reservation of yours has 1 x a100"):
        await machine.submit("true", instance_type="a100", allocation_mode="reserved")
    with pytest.raises(ConfigError, match="allocation_mode"):
        await machine.submit("true", allocation_mode="reserved")
    made = await reserve(machine)
    for mode in ("reserved", "auto"):
        task = await machine.ended(await machine.submit("true", instance_type="a100:2", allocation_mode=mode))
        assert (task.status, task.provider_metadata["reservation"]) == (TaskStatus.COMPLETED, made.reservation_id)
    await machine.provider.reservations.release(made.reservation_id)
    free = await machine.ended(await machine.submit("true", instance_type="a100", allocation_mode="auto"))
    assert (free.status, free.provider_metadata["reservation"]) == (TaskStatus.COMPLETED, None)


async def test_all_instances_of_a_task_go_on_its_reservation_or_none(machine):
    made = await reserve(machine)
    fields = {"instance_type": "a100", "reservation_id": made.reservation_id}
    task = await machine.ended(await machine.submit("echo $CUDA_VISIBLE_DEVICES", num_instances=2, **fields))
    assert task.status is TaskStatus.COMPLETED
    await machine.provider.reservations.release(made.reservation_id)
    small = await reserve(machine, "a100")
    with pytest.raises(CapacityError, match="has 1 x a100; the task requests 2"):
        await machine.submit("true", num_instances=2, **fields | {"reservation_id": small.reservation_id})


async def test_of_several_reservations_a_task_goes_on_one_with_room(machine):
    first, second = await reserve(machine, "a100", duration_hours=9), await reserve(machine, "a100")
    tasks = [await machine.submit("sleep 300", instance_type="a100", allocation_mode="reserved") for _ in range(2)]
    went_on = [(await machine.running(task)).provider_metadata["reservation"] for task in tasks]
    assert went_on == [first.reservation_id, second.reservation_id]
    third = await machine.submit("true", instance_type="a100", allocation_mode="reserved")
    assert first.reservation_id in await waiting(machine, third), "the one that lasts longest"


async def test_a_gpu_that_left_the_machine_takes_nothing_else_along(machine, monkeypatch):
    made = await reserve(machine)
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:1")
    assert (await machine.provider.reservations.get(made.reservation_id)).status is ReservationStatus.ACTIVE
    task = await machine.submit("true", instance_type="a100", reservation_id=made.reservation_id)
    assert (await machine.ended(task)).status is TaskStatus.COMPLETED
    await machine.provider.reservations.release(made.reservation_id)


async def test_a_broken_record_keeps_nobody_from_anything_and_is_shown(machine):
    made = await reserve(machine)
    path = reservation_records.find_record(root_of(machine), made.reservation_id)
    assert path is not None
    path.write_text("{")
    assert (await machine.ended(await machine.submit("true", instance_type="a100:2"))).status is TaskStatus.COMPLETED
    (broken,) = await machine.provider.reservations.list({})
    assert (broken.reservation_id, broken.status) == (made.reservation_id, ReservationStatus.FAILED)
    assert "its record is broken" in broken.provider_metadata["message"]
    with pytest.raises(Conflict, match="broken"):
        await machine.submit("true", instance_type="a100", reservation_id=made.reservation_id)
    await machine.provider.reservations.release(made.reservation_id)
    assert (await machine.provider.reservations.get(made.reservation_id)).status is ReservationStatus.FAILED


async def test_a_reservation_outlives_whoever_made_it(machine):
    script = "import os; from flow_core import Flow; print(Flow('local').reserve('a100:2').id, flush=True); "
    command = [sys.executable, "-c", script + "os.kill(os.getpid(), 9)"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    task = await machine.submit("true", instance_type="a100")
    assert ended.stdout.strip() in await waiting(machine, task)


async def test_a_killed_supervisor_on_a_reservation_gives_its_gpu_back_to_the_reservation(machine):
    made = await reserve(machine, "a100:2")
    lost = await machine.running(
        await machine.submit("sleep 300", instance_type="a100:2", reservation_id=made.reservation_id)
    )
    os.kill(machine.supervisor(lost), signal.SIGKILL)
    after = await machine.submit("true", instance_type="a100:2", reservation_id=made.reservation_id)
    assert (await machine.ended(after)).status is TaskStatus.COMPLETED


async def test_gpus_of_a_lost_task_in_another_context_can_be_reserved(machine):
    lost = await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    await machine.kill_all(lost)
    machine.provider = machine.open("lab")
    assert (await reserve(machine)).status is ReservationStatus.ACTIVE


async def test_what_a_slot_offers_can_be_reserved(machine, monkeypatch):
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:4")
    at = datetime.now(UTC).replace(microsecond=0)
    hour = timedelta(hours=1)
    await reserve(machine, "a100", duration_hours=2)
    await reserve(machine, "a100", quantity=2, start_time_utc=at + 5 * hour, duration_hours=2)
    await machine.running(await machine.submit("sleep 300", instance_type="a100", max_run_time_hours=4))
    wanted = {"instance_type": "a100", "latest_end_time": (at + 10 * hour).isoformat()}
    slots = await machine.provider.reservations.availability(wanted)
    assert [slot["quantity"] for slot in slots] == [2, 3, 4, 2, 4]
    assert all(one["end_time"] == other["start_time"] for one, other in pairwise(slots))
    pairs = await machine.provider.reservations.availability({**wanted, "instance_type": "a100:2", "quantity": 2})
    assert [(slot["start_time"], slot["quantity"]) for slot in pairs] == [
        (slots[2]["start_time"], 2),
        (slots[4]["start_time"], 2),
    ]
    for slot in slots:
        start, end = datetime.fromisoformat(slot["start_time"]), datetime.fromisoformat(slot["end_time"])
        spec = {"start_time_utc": start, "quantity": slot["quantity"], "duration_hours": max(1, (end - start) // hour)}
        if end - start >= hour:
            await reserve(machine, "a100", **spec)

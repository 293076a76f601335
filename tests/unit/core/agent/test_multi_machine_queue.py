"""The GPU queue with parts of tasks on several machines: no two tasks wait for each other."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from flow_core.agent import multi_machine
from flow_core.agent.capacity import queue
from flow_core.agent.capacity.queue import QueueTicket
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.machine_id import make_new_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.records import write_json
from flow_core.agent.refusals import Refused
from flow_core.agent.task_state import TaskState

GPUS = ("gpu-0", "gpu-1", "gpu-2")


class Machine:
    """The queue of one machine."""

    def __init__(self, root: Path) -> None:
        self._layout = Layout(root, "local")
        self._layout.make()
        self.tickets: dict[str, QueueTicket] = {}

    def add(
        self, gpus: Iterable[str], task_id: str = "", submitted_at: float | None = None, *, client: bool = True
    ) -> QueueTicket:
        task = self._layout.task(task_id or make_new_id("task"))
        make_private_folder(task.path)
        seq = len(self.tickets) + 1
        part = None if submitted_at is None else (submitted_at, task.task_id)
        path = task.root / "queue" / f"{seq:012d}.json"
        ticket = self.tickets[task.task_id] = QueueTicket(
            path, seq, task, 1, tuple(gpus), ProcessIdentity.current(), part=part
        )
        ticket.write()
        if part is not None and client:
            multi_machine.note_client(task)
        return ticket

    def find_startable(self) -> set[str]:
        """Return the waiting tasks that could start now."""
        waiting = {task_id: ticket for task_id, ticket in self.tickets.items() if ticket.path.exists()}
        return {task_id for task_id, ticket in waiting.items() if not queue.explain_queue_wait(ticket)}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def describe_wait(ticket: QueueTicket) -> str:
    return queue.explain_queue_wait(ticket).partition(": ")[2]


def test_parts_start_in_the_order_of_their_tasks_not_of_their_arrival(machine: Machine) -> None:
    late, early = machine.add(GPUS[:1], submitted_at=20.0), machine.add(GPUS[:1], submitted_at=10.0)
    alone = machine.add(GPUS[:1])
    assert (describe_wait(late), describe_wait(early), describe_wait(alone)) == (
        "1 task ahead in the queue",
        "",
        "2 tasks ahead in the queue",
    )


def test_a_task_before_everything_that_a_part_waits_for_precedes_the_part(machine: Machine) -> None:
    late, alone = machine.add(GPUS[:1], submitted_at=20.0), machine.add(GPUS[:1])
    early = machine.add(GPUS[:1], submitted_at=10.0)
    assert describe_wait(alone) == ""
    assert describe_wait(early) == "1 task ahead in the queue"
    assert describe_wait(late) == "2 tasks ahead in the queue"


def test_a_part_without_a_client_blocks_no_task(machine: Machine) -> None:
    abandoned = machine.add(GPUS[:1], submitted_at=10.0, client=False)
    alone, part = machine.add(GPUS[:1]), machine.add(GPUS[:1], submitted_at=20.0)
    assert (describe_wait(alone), describe_wait(part)) == ("", "1 task ahead in the queue")
    multi_machine.note_client(abandoned.task)
    assert describe_wait(alone) == "1 task ahead in the queue"


@pytest.mark.parametrize("set_by_s", [-86400.0, -60.0, 86400.0])
def test_a_changed_clock_leaves_no_stale_client(machine: Machine, set_by_s: float) -> None:
    task = machine.add(GPUS[:1], submitted_at=10.0).task
    assert multi_machine.has_client(task)
    moment = time.time() + set_by_s
    os.utime(task.client, (moment, moment))
    assert not multi_machine.has_client(task)
    multi_machine.note_client(task)
    assert multi_machine.has_client(task)


def test_a_part_whose_task_has_started_elsewhere_precedes_earlier_tasks(machine: Machine) -> None:
    early, begun = machine.add(GPUS[:1], submitted_at=10.0), machine.add(GPUS[:1], submitted_at=20.0)
    assert (describe_wait(early), describe_wait(begun)) == ("", "1 task ahead in the queue")
    queue.move_to_front(begun.task, begun.seq)
    assert (describe_wait(early), describe_wait(begun)) == ("1 task ahead in the queue", "")
    begun.drop()
    queue.move_to_front(begun.task, begun.seq)
    assert not begun.path.exists()


def test_tasks_with_different_candidates_do_not_wait_for_each_other_in_a_cycle(machine: Machine) -> None:
    """Each would wait for the next one if only the first part preceded all other tasks."""
    machine.add(GPUS[:2], submitted_at=20.0)
    machine.add(GPUS[:1])
    machine.add(GPUS[:2])
    machine.add(GPUS[1:2], submitted_at=10.0)
    assert machine.find_startable()


@pytest.mark.parametrize("seed", range(12))
def test_every_task_starts_whatever_its_candidates_and_arrival(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    machines = [Machine(tmp_path / name) for name in ("one", "two")]
    ids = [make_new_id("task") for _ in range(3)]
    for machine in machines:
        submissions = [*((task_id, float(at)) for at, task_id in enumerate(ids, 1)), *[("", None)] * 3]
        rng.shuffle(submissions)
        for task_id, submitted_at in submissions:
            machine.add(rng.sample(GPUS, rng.randint(1, 3)), task_id, submitted_at)
    waiting = [set(machine.tickets) for machine in machines]
    while any(waiting):
        startable = [machine.find_startable() for machine in machines]
        ready = {
            one
            for each in startable
            for one in each
            if all(one in there or one not in here for here, there in zip(waiting, startable, strict=True))
        }
        assert ready, waiting
        for task_id in ready:
            for machine, left in zip(machines, waiting, strict=True):
                if task_id in left:
                    machine.tickets[task_id].drop()
                    left.remove(task_id)


def test_a_part_that_has_ended_holds_no_gpus(machine: Machine) -> None:
    task = machine.add(GPUS[:1], submitted_at=10.0).task
    state = TaskState()
    for status, is_held in (("cancelled", False), ("failed", False), ("running", True), ("completed", True)):
        state.status = status
        state.write(task.state)
        assert multi_machine.hold_gpus(task, "a client", 10.0, lambda: None, lambda: None) is is_held


def test_a_start_order_may_be_repeated_but_not_after_the_hold_has_expired(machine: Machine) -> None:
    task = machine.add(GPUS[:1], submitted_at=10.0).task
    write_json(task.start, {"by": "a client", "until": time.time() + 10.0, "go": False})
    for _ in range(2):
        multi_machine.start_part(task, "a client", lambda: None)
    for client, remaining_s in (("another", 10.0), ("a client", 0.1)):
        write_json(task.start, {"by": "a client", "until": time.time() + remaining_s, "go": False})
        with pytest.raises(Refused):
            multi_machine.start_part(task, client, lambda: None)


def test_an_order_to_hold_expires_even_if_the_clock_is_changed(tmp_path: Path) -> None:
    task = TaskFolder(tmp_path)
    for until_s, is_valid in ((-0.1, False), (10.0, True), (3600.0, False)):
        write_json(task.start, {"by": "a client", "until": time.time() + until_s, "go": False})
        assert (multi_machine.read_order(task) is not None) is is_valid

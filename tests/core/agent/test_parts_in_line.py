"""The line for GPUs with parts of tasks on several machines in it: nobody waits for somebody who waits for them."""

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
from flow_core.agent.machine import new_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import write_json
from flow_core.agent.refusals import Refused
from flow_core.agent.state import TaskState
from flow_core.agent.supervisor.processes import ProcessIdentity

GPUS = ("gpu-0", "gpu-1", "gpu-2")


class Machine:
    """One machine's line. A part is a moment at which its task was submitted, and the id of the task."""

    def __init__(self, root: Path) -> None:
        self._layout = Layout(root, "local")
        self._layout.make()
        self.tickets: dict[str, QueueTicket] = {}

    def add(
        self, gpus: Iterable[str], task_id: str = "", submitted_at: float | None = None, *, client: bool = True
    ) -> QueueTicket:
        task = self._layout.task(task_id or new_id("task"))
        make_private_folder(task.path)
        seq = len(self.tickets) + 1
        part = None if submitted_at is None else (submitted_at, task.task_id)
        path = task.root / "queue" / f"{seq:012d}.json"
        ticket = self.tickets[task.task_id] = QueueTicket(
            path, seq, task, 1, tuple(gpus), ProcessIdentity.mine(), part=part
        )
        ticket.write()
        if part is not None and client:
            multi_machine.note_client(task)
        return ticket

    def first(self) -> set[str]:
        """Those that could start now, of the ones that still wait."""
        waiting = {task_id: ticket for task_id, ticket in self.tickets.items() if ticket.path.exists()}
        return {task_id for task_id, ticket in waiting.items() if not queue.explain_queue_wait(ticket)}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def ahead(ticket: QueueTicket) -> str:
    return queue.explain_queue_wait(ticket).partition(": ")[2]


def test_parts_go_in_the_order_of_their_tasks_whichever_came_first_here(machine: Machine) -> None:
    late, early = machine.add(GPUS[:1], submitted_at=20.0), machine.add(GPUS[:1], submitted_at=10.0)
    alone = machine.add(GPUS[:1])
    assert (ahead(late), ahead(early), ahead(alone)) == ("1 task ahead in the queue", "", "2 tasks ahead in the queue")


def test_whoever_came_before_all_that_a_part_waits_for_goes_before_it(machine: Machine) -> None:
    late, alone = machine.add(GPUS[:1], submitted_at=20.0), machine.add(GPUS[:1])
    early = machine.add(GPUS[:1], submitted_at=10.0)
    assert ahead(alone) == ""
    assert ahead(early) == "1 task ahead in the queue"
    assert ahead(late) == "2 tasks ahead in the queue"


def test_a_part_without_a_client_holds_nobody_up(machine: Machine) -> None:
    left = machine.add(GPUS[:1], submitted_at=10.0, client=False)
    alone, part = machine.add(GPUS[:1]), machine.add(GPUS[:1], submitted_at=20.0)
    assert (ahead(alone), ahead(part)) == ("", "1 task ahead in the queue")
    multi_machine.note_client(left.task)
    assert ahead(alone) == "1 task ahead in the queue"


@pytest.mark.parametrize("set_by_s", [-86400.0, -60.0, 86400.0])
def test_a_clock_that_was_set_leaves_no_client_behind(machine: Machine, set_by_s: float) -> None:
    task = machine.add(GPUS[:1], submitted_at=10.0).task
    assert multi_machine.has_client(task)
    moment = time.time() + set_by_s
    os.utime(task.client, (moment, moment))
    assert not multi_machine.has_client(task)
    multi_machine.note_client(task)
    assert multi_machine.has_client(task)


def test_what_has_begun_elsewhere_goes_before_what_was_submitted_before_it(machine: Machine) -> None:
    early, begun = machine.add(GPUS[:1], submitted_at=10.0), machine.add(GPUS[:1], submitted_at=20.0)
    assert (ahead(early), ahead(begun)) == ("", "1 task ahead in the queue")
    queue.move_to_front(begun.task, begun.seq)
    assert (ahead(early), ahead(begun)) == ("1 task ahead in the queue", "")
    begun.drop()
    queue.move_to_front(begun.task, begun.seq)
    assert not begun.path.exists()


def test_tasks_that_want_different_gpus_do_not_wait_for_one_another_in_a_ring(machine: Machine) -> None:
    """Each of them waits for the next one, were only the first of the parts before everybody else."""
    machine.add(GPUS[:2], submitted_at=20.0)
    machine.add(GPUS[:1])
    machine.add(GPUS[:2])
    machine.add(GPUS[1:2], submitted_at=10.0)
    assert machine.first()


@pytest.mark.parametrize("seed", range(12))
def test_all_get_their_turn_whatever_they_want_and_however_they_came(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    machines = [Machine(tmp_path / name) for name in ("one", "two")]
    ids = [new_id("task") for _ in range(3)]
    for machine in machines:
        wants = [*((task_id, float(at)) for at, task_id in enumerate(ids, 1)), *[("", None)] * 3]
        chance.shuffle(wants)
        for task_id, submitted_at in wants:
            machine.add(chance.sample(GPUS, chance.randint(1, 3)), task_id, submitted_at)
    waiting = [set(machine.tickets) for machine in machines]
    while any(waiting):
        first = [machine.first() for machine in machines]
        ready = {
            one
            for each in first
            for one in each
            if all(one in there or one not in here for here, there in zip(waiting, first, strict=True))
        }
        assert ready, waiting
        for task_id in ready:
            for machine, left in zip(machines, waiting, strict=True):
                if task_id in left:
                    machine.tickets[task_id].drop()
                    left.remove(task_id)


def test_a_part_that_is_over_is_not_taken(machine: Machine) -> None:
    task = machine.add(GPUS[:1], submitted_at=10.0).task
    state = TaskState()
    for status, is_taken in (("cancelled", False), ("failed", False), ("running", True), ("completed", True)):
        state.status = status
        state.write(task.state)
        assert multi_machine.hold_gpus(task, "a client", 10.0, lambda: None, lambda: None) is is_taken


def test_a_start_may_be_asked_for_again_after_a_lost_answer_but_not_too_late(machine: Machine) -> None:
    task = machine.add(GPUS[:1], submitted_at=10.0).task
    write_json(task.start, {"by": "a client", "until": time.time() + 10.0, "go": False})
    for _ in range(2):
        multi_machine.start_part(task, "a client", lambda: None)
    for by, left_s in (("another", 10.0), ("a client", 0.1)):
        write_json(task.start, {"by": "a client", "until": time.time() + left_s, "go": False})
        with pytest.raises(Refused):
            multi_machine.start_part(task, by, lambda: None)


def test_an_order_to_hold_ends_by_itself_whatever_is_done_to_the_clock(tmp_path: Path) -> None:
    task = TaskFolder(tmp_path)
    for until_s, counts in ((-0.1, False), (10.0, True), (3600.0, False)):
        write_json(task.start, {"by": "a client", "until": time.time() + until_s, "go": False})
        assert (multi_machine.read_order(task) is not None) is counts

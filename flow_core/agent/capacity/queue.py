"""The order of submissions, and the line of those who wait for GPUs. Standard library only.

There is no scheduler: each waiting supervisor looks whether its turn has come, woken by a bell (a FIFO
beside its ticket) that everybody rings who leaves the line or ends.

Programs of all versions wait in one line: the fields of a ticket keep their meaning for ever. A ticket that can't be
read is written anew from the record of its task.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent.capacity import leases, reservation_records
from flow_core.agent.gpus import find_busy_gpus
from flow_core.agent.layout import TaskFolder, find_task_folder, iter_tasks
from flow_core.agent.liveness import may_live
from flow_core.agent.locks import exclusive_lock, move_aside, uses_links
from flow_core.agent.multi_machine import has_client
from flow_core.agent.record_fields import Fields, check_timestamp
from flow_core.agent.records import MalformedRecord, read_known, write_json
from flow_core.agent.spec import StoredSpec
from flow_core.agent.state import TaskState
from flow_core.agent.supervisor.processes import ProcessIdentity

_END = "counter.json"  # numbers come first in the alphabet, and so before the counter
_ALONE, _FIRST = (-1.0, ""), 0.0
_SEQ_MAX = 10**12 - 2  # the numbers of tickets have twelve digits, and there is always a next one


class QueueTicket(NamedTuple):
    """A place in the line."""

    path: Path
    seq: int
    task: TaskFolder
    gpu_count: int
    candidates: tuple[str, ...]
    submitter: ProcessIdentity | None
    reservation_id: str | None = None
    part: tuple[float, str] | None = None
    """Of a part of a task on several machines: when that was submitted, and its id. The same on all its machines.

    The time is 0 once other parts of it have begun: it goes before all others, which may wait for what these hold.
    """

    @property
    def bell(self) -> Path:
        return self.path.with_suffix(".bell")

    @property
    def is_live(self) -> bool:
        """False when nobody is left who could use it."""
        try:
            state, _ = TaskState.read_known(self.task.state)
        except MalformedRecord:
            return may_live(self.task)
        if state is None:
            return self.submitter is not None and self.submitter.is_alive
        return state.status == "pending" and state.supervisor is not None and state.supervisor.is_alive

    def open(self, reserved: Sequence[reservation_records.ReservationRecord]) -> tuple[str, ...]:
        """Those of its candidates that it may have now, free or not."""
        return reservation_records.select_open_gpus(self.candidates, self.reservation_id, reserved)

    def write(self) -> None:
        data = {
            "seq": self.seq,
            "task": self.task.name_in_records,
            "count": self.gpu_count,
            "candidates": list(self.candidates),
            "submitter": None if self.submitter is None else self.submitter._asdict(),
            "reservation": self.reservation_id,
            "part": None if self.part is None else list(self.part),
        }
        write_json(self.path, data)

    def drop(self) -> None:
        """Leaves the line. Twice is safe."""
        self.path.unlink(missing_ok=True)
        self.bell.unlink(missing_ok=True)


class QueuePosition(NamedTuple):
    """What a submission got: its number on this machine, and a time that never goes back."""

    seq: int
    created_at: float


@contextmanager
def queue_lock(root: Path) -> Iterator[None]:
    with exclusive_lock(root / "queue" / ".lock"):
        yield


def take_position(root: Path) -> QueuePosition:
    """Call it under the queue's lock."""
    counter = root / "queue" / "counter.json"
    last: dict[str, Any] = {}
    try:
        last = read_known(counter)[0] or {}
        seq, created_at = Fields(last).whole("seq", most=_SEQ_MAX), Fields(last).moment("created_at")
    except ValueError:
        seq, created_at = _recount(root)
    place = QueuePosition(seq + 1, max(time.time(), created_at + 1e-6))
    while os.path.lexists(_path(root, place.seq)):
        place = place._replace(seq=place.seq + 1)  # the counter was set back: whoever waits there keeps its ticket
    write_json(counter, {**last, "seq": place.seq, "created_at": place.created_at})
    return place


def enqueue(task: TaskFolder, spec: StoredSpec) -> None:
    """Takes the task's place in the line, if it wants GPUs. Call it under the queue's lock."""
    if spec.wants_gpus:
        _ticket_for(task, spec).write()


def dequeue(task: TaskFolder) -> None:
    """Drops what tickets a task has: one that was left by a submit that was killed would stand in its own way.

    Call it under the queue's lock.
    """
    for path in (task.root / "queue").glob("[0-9]*.json"):
        try:
            ticket = _read(task.root, path)
        except MalformedRecord:
            continue
        if ticket is not None and ticket.task == task:
            ticket.drop()


def move_to_front(task: TaskFolder, seq: int) -> None:
    """This part goes before all others: those of its task that have begun wait for it. Twice is safe."""
    with queue_lock(task.root):
        ticket = find_ticket(task, seq)
        if ticket is None or ticket.part is None or ticket.part[0] == _FIRST or not ticket.is_live:
            return
        ticket._replace(part=(_FIRST, ticket.part[1])).write()
    notify_waiting(task.root)


def find_ticket(task: TaskFolder, seq: int) -> QueueTicket | None:
    try:
        return _read(task.root, _path(task.root, seq))
    except MalformedRecord:
        return None


def try_take_gpus(ticket: QueueTicket) -> leases.GpuLocks | str:
    """The GPUs if it is this ticket's turn and they are free; else why not, in words.

    The ticket stays in the line: drop it once the task has started, so that the next one starts after it.
    """
    root = ticket.task.root
    with queue_lock(root):
        reserved = reservation_records.load_live(root)
        gpu_ids = ticket.open(reserved)
        if len(gpu_ids) >= ticket.gpu_count:
            if ahead := _ahead_of(ticket, set(gpu_ids), reserved):
                return _behind(ticket, ahead)
            locks = leases.take_gpus(ticket.task, gpu_ids, ticket.gpu_count)
            if locks is not None:
                return locks
        return _why_not(ticket, gpu_ids, reserved)


def explain_queue_wait(ticket: QueueTicket) -> str:
    """The same without taking anything: "" where it could start now."""
    root = ticket.task.root
    with queue_lock(root):
        reserved = reservation_records.load_live(root)
        gpu_ids = ticket.open(reserved)
        if len(gpu_ids) >= ticket.gpu_count and (ahead := _ahead_of(ticket, set(gpu_ids), reserved)):
            return _behind(ticket, ahead)
        unheld = set(gpu_ids) - leases.find_holders(root, gpu_ids).keys()
        if len(unheld - find_busy_gpus(unheld)) >= ticket.gpu_count:
            return ""
        return _why_not(ticket, gpu_ids, reserved)


def list_tickets(root: Path, before: str = _END) -> Iterator[QueueTicket]:
    """The live tickets, in order, up to a file's name. Dead ones are removed. Call it under the queue's lock."""
    for path in sorted((root / "queue").glob("*.json")):
        if path.name >= before:
            break
        try:
            ticket = _read(root, path)
        except MalformedRecord:
            ticket = _written_anew(root, path)
            if ticket is None and _is_newer(path):
                continue  # that version knows whose it is
        if ticket is not None and ticket.is_live:
            yield ticket
        elif not move_aside(path):
            path.unlink(missing_ok=True)
            path.with_suffix(".bell").unlink(missing_ok=True)


def open_wakeup_fifo(ticket: QueueTicket) -> int | None:
    """A descriptor that becomes readable when something changed; None where FIFOs can't be relied on."""
    try:
        if uses_links(ticket.bell.parent):
            return None
        if not ticket.bell.exists():
            os.mkfifo(ticket.bell, 0o600)
        # For reading and writing, so that it never reads as ended when the last ringer leaves.
        return _open_fifo(ticket.bell, os.O_RDWR)
    except OSError:
        return None


def notify_waiting(root: Path) -> None:
    """Wakes everybody in the line."""
    for bell in (root / "queue").glob("*.bell"):
        try:
            fd = _open_fifo(bell, os.O_WRONLY)
        except OSError:
            continue  # nobody listens
        if fd is None:
            continue
        try:
            os.write(fd, b"!")
        except BlockingIOError:
            pass  # it has rung often enough
        finally:
            os.close(fd)


def _behind(ticket: QueueTicket, ahead: int) -> str:
    return f"{_waiting(ticket)}{ahead} task{'s' if ahead > 1 else ''} ahead in the queue"


def _why_not(
    ticket: QueueTicket, gpu_ids: Sequence[str], reserved: Sequence[reservation_records.ReservationRecord]
) -> str:
    unheld = set(gpu_ids) - leases.find_holders(ticket.task.root, gpu_ids).keys()
    used = find_busy_gpus(unheld)
    why = reservation_records.explain_wait(len(unheld - used), ticket.candidates, ticket.reservation_id, reserved)
    return f"{_waiting(ticket)}{why}{', others work on some without a lease' if used else ''}"


def _waiting(ticket: QueueTicket) -> str:
    return f"waiting for {ticket.gpu_count} x GPU: "


def _ahead_of(ticket: QueueTicket, gpu_ids: set[str], reserved: Sequence[reservation_records.ReservationRecord]) -> int:
    """How many before this one want a GPU that this one could use.

    Those who can't start before a reservation ends are not counted: that may never be. Nor are parts of tasks on
    several machines while no client is there to start them.
    """
    root = ticket.task.root
    tickets = list(list_tickets(root, ticket.path.name))
    if ticket.part is not None or any(other.part is not None for other in tickets):
        tickets = list(list_tickets(root))
    mine = next((one for one in tickets if one.path == ticket.path), ticket)
    others = [one for one in tickets if one.path != ticket.path and (one.part is None or has_client(one.task))]
    places = _places([mine, *others])
    before = (other for other in others if places[other.path] < places[mine.path])
    return sum(_competes(other, gpu_ids, reserved) for other in before)


def _places(tickets: Iterable[QueueTicket]) -> dict[Path, tuple[int, tuple[float, str]]]:
    """One order for all: by number, but parts among themselves in the order of their tasks.

    That order is the same on all machines, and a part comes after whatever the parts before it come after. So nobody
    waits for somebody who waits for them, here or on another machine.
    """
    places = {one.path: (one.seq, _ALONE) for one in tickets if one.part is None}
    last = 0
    parts = {one.part: one for one in tickets if one.part is not None}
    for part in sorted(parts):
        last = max(last, parts[part].seq)
        places[parts[part].path] = (last, part)
    return places


def _competes(other: QueueTicket, gpu_ids: set[str], reserved: Sequence[reservation_records.ReservationRecord]) -> bool:
    theirs = other.open(reserved)
    return len(theirs) >= other.gpu_count and not gpu_ids.isdisjoint(theirs)


def _read(root: Path, path: Path) -> QueueTicket | None:
    """None where there is none. Raises MalformedRecord; of a newer version the known fields are enough."""
    data, problem = read_known(path)
    if data is None:
        return None
    fields = Fields(data)
    try:
        seq, count = fields.whole("seq", most=_SEQ_MAX + 1), fields.whole("count", least=1)
        task, candidates = find_task_folder(root, fields.text("task")), fields.texts("candidates")
        submitter, reservation_id = ProcessIdentity.parse(data.get("submitter")), fields.optional_text("reservation")
        part = None if data.get("part") is None else _order_of(data["part"])
        if task is None:
            raise ValueError("it names no task")
    except ValueError as error:
        raise MalformedRecord(problem or f"{path.name} holds no ticket: {error}") from error
    return QueueTicket(path, seq, task, count, candidates, submitter, reservation_id, part)


def _written_anew(root: Path, path: Path) -> QueueTicket | None:
    """The ticket of the task that has this number, for a file that can't be read; None where there is no such task.

    A newer version's file stays as it is: that version may well understand it.
    """
    for task in iter_tasks(root):
        try:
            spec = StoredSpec.read_known(task.spec)[0]
            if spec is None or path.stem != _path(root, spec.seq).stem or not spec.wants_gpus:
                continue
            ticket = _ticket_for(task, spec)
            if not _is_newer(path):
                ticket.write()
            return ticket
        except MalformedRecord:
            continue
    return None


def _ticket_for(task: TaskFolder, spec: StoredSpec) -> QueueTicket:
    count, candidates, reservation_id = spec.gpus.per_rank * spec.ranks, spec.gpus.candidates, spec.gpus.reservation
    part = None if spec.part is None else (spec.part.submitted_at, task.task_id)
    path = _path(task.root, spec.seq)
    return QueueTicket(path, spec.seq, task, count, candidates, spec.submitter, reservation_id, part)


def _order_of(said: Any) -> tuple[float, str]:
    """Raises KeyError, TypeError, ValueError."""
    submitted_at, task_id = said
    return check_timestamp(submitted_at, "part"), str(task_id)


def _is_newer(path: Path) -> bool:
    try:
        return bool(read_known(path)[1])
    except MalformedRecord:
        return False


def _path(root: Path, seq: int) -> Path:
    return root / "queue" / f"{seq:012d}.json"


def _open_fifo(path: Path, flags: int) -> int | None:
    """None for what is none: a file would always be readable. Raises OSError."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _recount(root: Path) -> tuple[int, float]:
    """The highest number and time of all tasks, for when the counter is broken."""
    seq, created_at = 0, 0.0
    for task in iter_tasks(root):
        try:
            fields = Fields(read_known(task.spec)[0])
            seq, created_at = max(seq, fields.whole("seq", most=_SEQ_MAX)), max(created_at, fields.moment("created_at"))
        except (MalformedRecord, ValueError):
            continue
    return seq, created_at

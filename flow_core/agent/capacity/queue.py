"""The order of submissions and the queue of tasks that wait for GPUs.

There is no scheduler process. Each waiting supervisor checks whether it may start. A task that leaves the queue or ends
wakes all waiting supervisors through a FIFO beside each ticket.

Programs of all versions share one queue, so the fields of a ticket never change their meaning. A ticket that can't be
read is rewritten from the record of its task.
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
from flow_core.agent.liveness import may_be_alive
from flow_core.agent.locks import exclusive_lock, move_aside, uses_links
from flow_core.agent.multi_machine import has_client
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.record_fields import Fields, check_timestamp
from flow_core.agent.records import MalformedRecord, read_known, write_json
from flow_core.agent.spec import StoredSpec
from flow_core.agent.task_state import TaskState

_COUNTER = "counter.json"  # the names of tickets are numbers and sort before the counter
_FIFO_SUFFIX = ".bell"  # programs of other versions know the FIFO by this name
_NO_PART, _FRONT = (-1.0, ""), 0.0
_SEQ_MAX = 10**12 - 2  # the names of tickets have twelve digits, and there must always be a next one


class QueueTicket(NamedTuple):
    """The position of a waiting task in the queue."""

    path: Path
    seq: int
    task: TaskFolder
    gpu_count: int
    candidates: tuple[str, ...]
    submitter: ProcessIdentity | None
    reservation_id: str | None = None
    part: tuple[float, str] | None = None
    """For a part of a task on several machines: the task's submit time and id, which are the same on all its machines.

    The time is 0 once other parts of the task have started: the ticket then precedes all others, which may wait for the
    GPUs of those parts.
    """

    @property
    def wakeup_fifo(self) -> Path:
        return self.path.with_suffix(_FIFO_SUFFIX)

    @property
    def is_live(self) -> bool:
        """Whether a process remains that could use the ticket."""
        try:
            state, _ = TaskState.read_known(self.task.state)
        except MalformedRecord:
            return may_be_alive(self.task)
        if state is None:
            return self.submitter is not None and self.submitter.is_alive
        return state.status == "pending" and state.supervisor is not None and state.supervisor.is_alive

    def select_allowed_gpus(self, reservations: Sequence[reservation_records.ReservationRecord]) -> tuple[str, ...]:
        """Returns the candidates that reservations allow this task to use now, free or not."""
        return reservation_records.select_open_gpus(self.candidates, self.reservation_id, reservations)

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
        """Leaves the queue. Calling it again is safe."""
        self.path.unlink(missing_ok=True)
        self.wakeup_fifo.unlink(missing_ok=True)


class QueuePosition(NamedTuple):
    """The sequence number of a submission on this machine, and its time, which never decreases."""

    seq: int
    created_at: float


@contextmanager
def queue_lock(root: Path) -> Iterator[None]:
    """Holds the lock of the queue. Raises OSError."""
    with exclusive_lock(root / "queue" / ".lock"):
        yield


def take_position(root: Path) -> QueuePosition:
    """Assigns the next position. Call it under the queue's lock."""
    counter = root / "queue" / "counter.json"
    last: dict[str, Any] = {}
    try:
        last = read_known(counter)[0] or {}
        seq, created_at = Fields(last).whole("seq", maximum=_SEQ_MAX), Fields(last).moment("created_at")
    except ValueError:
        seq, created_at = _recount(root)
    position = QueuePosition(seq + 1, max(time.time(), created_at + 1e-6))
    while os.path.lexists(_path(root, position.seq)):
        position = position._replace(seq=position.seq + 1)  # the counter was set back; that task keeps its ticket
    write_json(counter, {**last, "seq": position.seq, "created_at": position.created_at})
    return position


def enqueue(task: TaskFolder, spec: StoredSpec) -> None:
    """Writes the task's ticket if the task needs GPUs. Call it under the queue's lock."""
    if spec.needs_gpus:
        _make_ticket(task, spec).write()


def dequeue(task: TaskFolder) -> None:
    """Removes all tickets of a task: a ticket left by a killed submit would block the task itself.

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
    """Moves this part before all other tickets, since the started parts of its task wait for it.

    Calling it again is safe.
    """
    with queue_lock(task.root):
        ticket = find_ticket(task, seq)
        if ticket is None or ticket.part is None or ticket.part[0] == _FRONT or not ticket.is_live:
            return
        ticket._replace(part=(_FRONT, ticket.part[1])).write()
    notify_waiting(task.root)


def find_ticket(task: TaskFolder, seq: int) -> QueueTicket | None:
    """Returns the task's ticket; None if there is none or it can't be read."""
    try:
        return _read(task.root, _path(task.root, seq))
    except MalformedRecord:
        return None


def try_take_gpus(ticket: QueueTicket) -> leases.GpuLocks | str:
    """Returns the locks of the GPUs if they are free and no ticket before this one needs them; otherwise the reason.

    The ticket stays in the queue. Remove it once the task has started, so that the next task starts after it.
    """
    root = ticket.task.root
    with queue_lock(root):
        reservations = reservation_records.update_and_load_live(root)
        gpu_ids = ticket.select_allowed_gpus(reservations)
        if len(gpu_ids) >= ticket.gpu_count:
            if ahead := _count_ahead(ticket, set(gpu_ids), reservations):
                return _describe_tickets_ahead(ticket, ahead)
            locks = leases.take_gpus(ticket.task, gpu_ids, ticket.gpu_count)
            if locks is not None:
                return locks
        return _explain(ticket, gpu_ids, reservations)


def explain_queue_wait(ticket: QueueTicket) -> str:
    """Returns the reason as `try_take_gpus` does, without taking a GPU; "" if the task could start now."""
    root = ticket.task.root
    with queue_lock(root):
        reservations = reservation_records.update_and_load_live(root)
        gpu_ids = ticket.select_allowed_gpus(reservations)
        if len(gpu_ids) >= ticket.gpu_count and (ahead := _count_ahead(ticket, set(gpu_ids), reservations)):
            return _describe_tickets_ahead(ticket, ahead)
        unleased = set(gpu_ids) - leases.find_holders(root, gpu_ids).keys()
        if len(unleased - find_busy_gpus(unleased)) >= ticket.gpu_count:
            return ""
        return _explain(ticket, gpu_ids, reservations)


def list_tickets(root: Path, before: str = _COUNTER) -> Iterator[QueueTicket]:
    """Yields the live tickets in order, up to a file name; removes dead tickets. Call it under the queue's lock."""
    for path in sorted((root / "queue").glob("*.json")):
        if path.name >= before:
            break
        try:
            ticket = _read(root, path)
        except MalformedRecord:
            ticket = _rebuild_ticket(root, path)
            if ticket is None and _is_newer(path):
                continue  # only that version knows the task
        if ticket is not None and ticket.is_live:
            yield ticket
        elif not move_aside(path):
            path.unlink(missing_ok=True)
            path.with_suffix(_FIFO_SUFFIX).unlink(missing_ok=True)


def open_wakeup_fifo(ticket: QueueTicket) -> int | None:
    """Returns a descriptor that becomes readable when the queue changes; None if FIFOs are unreliable."""
    try:
        if uses_links(ticket.wakeup_fifo.parent):
            return None
        if not ticket.wakeup_fifo.exists():
            os.mkfifo(ticket.wakeup_fifo, 0o600)
        # For reading and writing, so that it never reads end-of-file after the last writer closes it.
        return _open_fifo(ticket.wakeup_fifo, os.O_RDWR)
    except OSError:
        return None


def notify_waiting(root: Path) -> None:
    """Wakes all waiting supervisors."""
    for fifo in (root / "queue").glob(f"*{_FIFO_SUFFIX}"):
        try:
            fd = _open_fifo(fifo, os.O_WRONLY)
        except OSError:
            continue  # no supervisor reads it
        if fd is None:
            continue
        try:
            os.write(fd, b"!")
        except BlockingIOError:
            pass  # the FIFO is full, so the supervisor will wake anyway
        finally:
            os.close(fd)


def _describe_tickets_ahead(ticket: QueueTicket, ahead: int) -> str:
    return f"{_wait_prefix(ticket)}{ahead} task{'s' if ahead > 1 else ''} ahead in the queue"


def _explain(
    ticket: QueueTicket, gpu_ids: Sequence[str], reservations: Sequence[reservation_records.ReservationRecord]
) -> str:
    unleased = set(gpu_ids) - leases.find_holders(ticket.task.root, gpu_ids).keys()
    busy = find_busy_gpus(unleased)
    why = reservation_records.explain_wait(len(unleased - busy), ticket.candidates, ticket.reservation_id, reservations)
    return f"{_wait_prefix(ticket)}{why}{', other processes use some without a lease' if busy else ''}"


def _wait_prefix(ticket: QueueTicket) -> str:
    return f"waiting for {ticket.gpu_count} x GPU: "


def _count_ahead(
    ticket: QueueTicket, gpu_ids: set[str], reservations: Sequence[reservation_records.ReservationRecord]
) -> int:
    """Returns the number of tickets before this one that compete for a GPU that this one could use.

    A ticket that can't start before a reservation ends doesn't count, since the reservation may never end. A part of a
    task on several machines doesn't count while no client is connected that could start it.
    """
    root = ticket.task.root
    tickets = list(list_tickets(root, ticket.path.name))
    if ticket.part is not None or any(other.part is not None for other in tickets):
        tickets = list(list_tickets(root))
    own = next((one for one in tickets if one.path == ticket.path), ticket)
    others = [one for one in tickets if one.path != ticket.path and (one.part is None or has_client(one.task))]
    order = _order_tickets([own, *others])
    before = (other for other in others if order[other.path] < order[own.path])
    return sum(_competes(other, gpu_ids, reservations) for other in before)


def _order_tickets(tickets: Iterable[QueueTicket]) -> dict[Path, tuple[int, tuple[float, str]]]:
    """Returns the sort key of each ticket: its number, but for a part the highest number among it and earlier parts.

    A part is the ticket of a task on several machines. Parts are in the order of their tasks, which is the same on all
    machines, and a part comes after every ticket that an earlier part comes after. Therefore no two tasks wait for each
    other, on this machine or across machines.
    """
    order = {one.path: (one.seq, _NO_PART) for one in tickets if one.part is None}
    last = 0
    parts = {one.part: one for one in tickets if one.part is not None}
    for part in sorted(parts):
        last = max(last, parts[part].seq)
        order[parts[part].path] = (last, part)
    return order


def _competes(
    other: QueueTicket, gpu_ids: set[str], reservations: Sequence[reservation_records.ReservationRecord]
) -> bool:
    gpus_of_other = other.select_allowed_gpus(reservations)
    return len(gpus_of_other) >= other.gpu_count and not gpu_ids.isdisjoint(gpus_of_other)


def _read(root: Path, path: Path) -> QueueTicket | None:
    """Reads a ticket; returns None if there is none. Raises MalformedRecord.

    For a newer version's ticket, the known fields are enough.
    """
    data, problem = read_known(path)
    if data is None:
        return None
    fields = Fields(data)
    try:
        seq, count = fields.whole("seq", maximum=_SEQ_MAX + 1), fields.whole("count", minimum=1)
        task, candidates = find_task_folder(root, fields.text("task")), fields.texts("candidates")
        submitter, reservation_id = ProcessIdentity.parse(data.get("submitter")), fields.optional_text("reservation")
        part = None if data.get("part") is None else _parse_part(data["part"])
        if task is None:
            raise ValueError("it names no task")
    except ValueError as error:
        raise MalformedRecord(problem or f"{path.name} holds no ticket: {error}") from error
    return QueueTicket(path, seq, task, count, candidates, submitter, reservation_id, part)


def _rebuild_ticket(root: Path, path: Path) -> QueueTicket | None:
    """Rebuilds an unreadable ticket from the task whose queue number is in the file name; None if there is no task.

    Leaves a file that a newer version of flow wrote unchanged: that version may be able to read it.
    """
    for task in iter_tasks(root):
        try:
            spec = StoredSpec.read_known(task.spec)[0]
            if spec is None or path.stem != _path(root, spec.seq).stem or not spec.needs_gpus:
                continue
            ticket = _make_ticket(task, spec)
            if not _is_newer(path):
                ticket.write()
            return ticket
        except MalformedRecord:
            continue
    return None


def _make_ticket(task: TaskFolder, spec: StoredSpec) -> QueueTicket:
    count, candidates, reservation_id = spec.gpus.per_rank * spec.ranks, spec.gpus.candidates, spec.gpus.reservation
    part = None if spec.part is None else (spec.part.submitted_at, task.task_id)
    path = _path(task.root, spec.seq)
    return QueueTicket(path, spec.seq, task, count, candidates, spec.submitter, reservation_id, part)


def _parse_part(value: Any) -> tuple[float, str]:
    """Parses the part of a ticket. Raises KeyError, TypeError, ValueError."""
    submitted_at, task_id = value
    return check_timestamp(submitted_at, "part"), str(task_id)


def _is_newer(path: Path) -> bool:
    try:
        return bool(read_known(path)[1])
    except MalformedRecord:
        return False


def _path(root: Path, seq: int) -> Path:
    return root / "queue" / f"{seq:012d}.json"


def _open_fifo(path: Path, flags: int) -> int | None:
    """Opens a FIFO; returns None for any other file, which would always be readable. Raises OSError."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _recount(root: Path) -> tuple[int, float]:
    """Returns the highest number and time of all tasks, for a broken counter."""
    seq, created_at = 0, 0.0
    for task in iter_tasks(root):
        try:
            fields = Fields(read_known(task.spec)[0])
            task_seq, task_created_at = fields.whole("seq", maximum=_SEQ_MAX), fields.moment("created_at")
            seq, created_at = max(seq, task_seq), max(created_at, task_created_at)
        except (MalformedRecord, ValueError):
            continue
    return seq, created_at

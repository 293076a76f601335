"""The order of submissions, and the line of those who wait for GPUs. Standard library only.

There is no scheduler: each waiting supervisor looks whether its turn has come, woken by a bell (a FIFO
beside its ticket) that everybody rings who leaves the line or ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent.capacity import holds, leases
from flow_core.agent.layout import TaskFolder
from flow_core.agent.records import MalformedRecord, locked, read_json, write_json
from flow_core.agent.state import State
from flow_core.agent.supervisor.processes import Identity


class Ticket(NamedTuple):
    """A place in the line."""

    path: Path
    seq: int
    task: TaskFolder
    gpu_count: int
    candidates: tuple[str, ...]
    submitter: Identity | None
    reservation_id: str | None = None

    @property
    def bell(self) -> Path:
        return self.path.with_suffix(".bell")

    @property
    def is_live(self) -> bool:
        """False when nobody is left who could use it."""
        try:
            state = State.read(self.task.state)
        except MalformedRecord:
            return False
        if state is None:
            return self.submitter is not None and self.submitter.is_alive
        return state.status == "pending" and state.supervisor is not None and state.supervisor.is_alive

    def open(self, reserved: Sequence[holds.Hold]) -> tuple[str, ...]:
        """Those of its candidates that it may have now, free or not."""
        return holds.open_to(self.candidates, self.reservation_id, reserved)

    def drop(self) -> None:
        """Leaves the line. Twice is safe."""
        self.path.unlink(missing_ok=True)
        self.bell.unlink(missing_ok=True)


class Place(NamedTuple):
    """What a submission got: its number on this machine, and a time that never goes back."""

    seq: int
    created_at: float


@contextmanager
def queue_lock(root: Path) -> Iterator[None]:
    with locked(root / "queue" / ".lock"):
        yield


def next_place(root: Path) -> Place:
    """Call it under the queue's lock."""
    counter = root / "queue" / "counter.json"
    try:
        last = read_json(counter) or {}
        seq, created_at = int(last.get("seq", 0)), float(last.get("created_at", 0.0))
    except (MalformedRecord, TypeError, ValueError):
        seq, created_at = _recount(root)
    place = Place(seq + 1, max(time.time(), created_at + 1e-6))
    write_json(counter, {"seq": place.seq, "created_at": place.created_at})
    return place


def issue(
    root: Path, place: Place, task: TaskFolder, candidates: Sequence[str], count: int, reservation_id: str | None = None
) -> Ticket:
    """Takes a place in the line for `count` of the candidates. Call it under the queue's lock."""
    path = root / "queue" / f"{place.seq:012d}.json"
    submitter = Identity.mine()
    data = {
        "seq": place.seq,
        "task": str(task.path.relative_to(root)),
        "count": count,
        "candidates": list(candidates),
        "submitter": submitter._asdict(),
        "reservation": reservation_id,
    }
    write_json(path, data)
    return Ticket(path, place.seq, task, count, tuple(candidates), submitter, reservation_id)


def stand_in_line(task: TaskFolder, spec: dict[str, Any]) -> None:
    """Takes the task's place in the line, if it wants GPUs. Call it under the queue's lock."""
    gpus = spec["gpus"]
    if count := gpus["count"] * spec["ranks"]:
        place = Place(int(spec["seq"]), float(spec["created_at"]))
        issue(task.root, place, task, gpus["candidates"], count, gpus.get("reservation"))


def ticket_of(task: TaskFolder, seq: int) -> Ticket | None:
    return _read(task.root, task.root / "queue" / f"{seq:012d}.json")


def try_start(ticket: Ticket) -> leases.GpuLocks | str:
    """The GPUs if it is this ticket's turn and they are free; else why not, in words.

    The ticket stays in the line: drop it once the task has started, so that the next one starts after it.
    """
    root = ticket.task.root
    with queue_lock(root):
        reserved = holds.live(root)
        gpu_ids = ticket.open(reserved)
        waiting = f"waiting for {ticket.gpu_count} x GPU: "
        if len(gpu_ids) >= ticket.gpu_count:
            if ahead := _ahead_of(ticket, set(gpu_ids), reserved):
                return f"{waiting}{ahead} task{'s' if ahead > 1 else ''} ahead in the queue"
            locks = leases.take(ticket.task, gpu_ids, ticket.gpu_count)
            if locks is not None:
                return locks
        free = len(gpu_ids) - len(leases.held_by(root, gpu_ids))
        return waiting + holds.why_not(free, ticket.candidates, ticket.reservation_id, reserved)


def line(root: Path, before: str = "counter.json") -> Iterator[Ticket]:
    """The live tickets, in order, up to a file's name. Dead ones are removed. Call it under the queue's lock."""
    for path in sorted((root / "queue").glob("*.json")):
        if path.name >= before:
            break  # numbers come first in the alphabet, and so before the counter
        ticket = _read(root, path)
        if ticket is not None and ticket.is_live:
            yield ticket
        else:
            path.unlink(missing_ok=True)
            path.with_suffix(".bell").unlink(missing_ok=True)


def open_bell(ticket: Ticket) -> int | None:
    """A descriptor that becomes readable when something changed; None where the file system has no FIFOs."""
    try:
        if not ticket.bell.exists():
            os.mkfifo(ticket.bell, 0o600)
        # For reading and writing, so that it never reads as ended when the last ringer leaves.
        return os.open(ticket.bell, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None


def ring(root: Path) -> None:
    """Wakes everybody in the line."""
    for bell in (root / "queue").glob("*.bell"):
        try:
            fd = os.open(bell, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # nobody listens
        try:
            os.write(fd, b"!")
        except BlockingIOError:
            pass  # it has rung often enough
        finally:
            os.close(fd)


def _ahead_of(ticket: Ticket, gpu_ids: set[str], reserved: Sequence[holds.Hold]) -> int:
    """How many before this one want a GPU that this one could use.

    Those who can't start before a reservation ends are not counted: that may never be.
    """
    ahead = 0
    for other in line(ticket.task.root, ticket.path.name):
        theirs = other.open(reserved)
        ahead += len(theirs) >= other.gpu_count and not gpu_ids.isdisjoint(theirs)
    return ahead


def _read(root: Path, path: Path) -> Ticket | None:
    try:
        data = read_json(path)
        if data is None:
            return None
        task = TaskFolder(root / data["task"])
        candidates = tuple(str(gpu_id) for gpu_id in data["candidates"])
        submitter, reserved = Identity.parse(data["submitter"]), data.get("reservation")
        reservation_id = reserved if isinstance(reserved, str) else None
        return Ticket(path, int(data["seq"]), task, int(data["count"]), candidates, submitter, reservation_id)
    except (MalformedRecord, KeyError, TypeError, ValueError):
        return None


def _recount(root: Path) -> tuple[int, float]:
    """The highest number and time of all tasks, for when the counter is broken."""
    seq, created_at = 0, 0.0
    for spec in root.glob("contexts/*/tasks/*/spec.json"):
        try:
            data = read_json(spec) or {}
            seq, created_at = max(seq, int(data["seq"])), max(created_at, float(data["created_at"]))
        except (MalformedRecord, KeyError, TypeError, ValueError):
            continue
    return seq, created_at

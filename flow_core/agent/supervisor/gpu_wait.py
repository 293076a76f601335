"""Waits in the queue for GPUs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flow_core.agent.capacity import leases, queue
from flow_core.agent.supervisor.lost_supervisor import start_reapers
from flow_core.agent.supervisor.state_writer import TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal, drain

if TYPE_CHECKING:
    from flow_core.agent.supervisor.gang_wait import GangWait

_POLL_S = 2.0  # poll interval for events without notification: a killed process released a lock
# poll interval without a FIFO: a part without GPUs has no ticket, and on NFS there are no FIFOs
_POLL_WITHOUT_FIFO_S = 0.5


class GpuWait:
    """The wait of one task, from its ticket to its GPUs."""

    def __init__(self, writer: TaskStateWriter, stop: StopSignal) -> None:
        self._writer = writer
        self._stop = stop
        self._ticket: queue.QueueTicket | None = None
        self._gang_wait: GangWait | None = None

    def wait(self) -> leases.GpuLocks | None:
        """Returns the locks of the task's GPUs, empty for a task without GPUs.

        Returns None if the task was stopped while it waited.
        """
        is_part, needs_gpus = self._writer.spec.part is not None, self._writer.spec.needs_gpus
        if not needs_gpus and not is_part:
            return None if self._stop.must_stop else leases.GpuLocks()
        ticket = self._ticket = self._load_ticket() if needs_gpus else None
        if needs_gpus and ticket is None:
            return None
        if is_part:
            # lazy import: nearly all tasks run on one machine
            from flow_core.agent.supervisor.gang_wait import GangWait

            self._gang_wait = GangWait(self._writer, self._stop, ticket)
        locks = self._wait_for_gpus(ticket)
        if locks is None:
            self.leave_queue()
        return locks

    def leave_queue(self) -> None:
        """Leaves the queue and wakes the others.

        Call it once the task has started or won't start. Calling it again is safe.
        """
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.drop()
            queue.notify_waiting(self._writer.task.root)

    def _wait_for_gpus(self, ticket: queue.QueueTicket | None) -> leases.GpuLocks | None:
        fifo = None if ticket is None else queue.open_wakeup_fifo(ticket)
        try:
            while not self._stop.must_stop:
                result = self._try_start(ticket)
                if isinstance(result, leases.GpuLocks):
                    self._record_gpus(ticket)
                    return result
                if result:
                    self._explain(ticket, result)
                self._sleep(fifo)
        finally:
            if fifo is not None:
                os.close(fifo)
        return None

    def _try_start(self, ticket: queue.QueueTicket | None) -> leases.GpuLocks | str:
        """Returns the locks of the GPUs, or the reason of the wait; "" if the disk fails."""
        try:
            if self._gang_wait is not None:
                return self._gang_wait.try_start()
            return queue.try_take_gpus(ticket) if ticket is not None else leases.GpuLocks()
        except OSError:
            return ""

    def _load_ticket(self) -> queue.QueueTicket | None:
        """Returns the task's ticket; None if the task was stopped.

        Writes a lost ticket again, since no task may run without the GPUs that it requested.
        """
        task, spec = self._writer.task, self._writer.spec
        while (ticket := queue.find_ticket(task, spec.seq)) is None and not self._stop.must_stop:
            with queue.queue_lock(task.root):
                queue.enqueue(task, spec)
        return ticket

    def _record_gpus(self, ticket: queue.QueueTicket | None) -> None:
        if ticket is not None:
            self._writer.state.gpus = leases.find_leased_gpus(self._writer.task, ticket.candidates)

    def _explain(self, ticket: queue.QueueTicket | None, reason: str) -> None:
        """Writes the reason of the wait into the state, and reaps GPU holders whose supervisor was killed."""
        self._writer.set_message(reason.replace("GPU", str(self._writer.spec.gpus.type), 1))
        if ticket is None:
            return
        holders = leases.find_holders(self._writer.task.root, ticket.candidates).values()
        start_reapers({holder for holder in holders if holder is not None})

    def _sleep(self, fifo: int | None) -> None:
        pause_s = _POLL_WITHOUT_FIFO_S if self._gang_wait is not None and fifo is None else _POLL_S
        for fd in self._stop.wait(set() if fifo is None else {fifo}, pause_s):
            drain(fd)

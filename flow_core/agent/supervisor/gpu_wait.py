"""Waiting in the line for GPUs. Standard library only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flow_core.agent.capacity import leases, queue
from flow_core.agent.supervisor.reap import start_reapers
from flow_core.agent.supervisor.stop_signal import StopSignal, drain
from flow_core.agent.supervisor.task_state import TaskStateWriter

if TYPE_CHECKING:
    from flow_core.agent.supervisor.joint_start import JointStart

_LOOK_AGAIN_S = 2.0  # for what rings no bell: a lock that a killed process let go of
_LOOK_FOR_CLIENT_S = 0.5  # a part without GPUs has no place in the line, and so no bell; nor has any on NFS


class GpuWait:
    """One task's wait, from its ticket to the GPUs it may use."""

    def __init__(self, ledger: TaskStateWriter, stop: StopSignal) -> None:
        self._ledger = ledger
        self._stop = stop
        self._ticket: queue.QueueTicket | None = None
        self._joint: JointStart | None = None

    def wait(self) -> leases.GpuLocks | None:
        """The locks on its GPUs, none for a task that wants no GPU. None when it was stopped while it waited."""
        is_part, wants_gpus = self._ledger.spec.part is not None, self._ledger.spec.wants_gpus
        if not wants_gpus and not is_part:
            return None if self._stop.is_over else leases.GpuLocks()
        ticket = self._ticket = self._place() if wants_gpus else None
        if wants_gpus and ticket is None:
            return None
        if is_part:
            from flow_core.agent.supervisor.joint_start import (
                JointStart,
            )  # deferred: nearly all tasks are on one machine

            self._joint = JointStart(self._ledger, self._stop, ticket)
        locks = self._until_started(ticket)
        if locks is None:
            self.leave()
        return locks

    def leave(self) -> None:
        """Lets the next one have its turn: call it once the task has started, or never will. Twice is safe."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.drop()
            queue.notify_waiting(self._ledger.task.root)

    def _until_started(self, ticket: queue.QueueTicket | None) -> leases.GpuLocks | None:
        bell = None if ticket is None else queue.open_wakeup_fifo(ticket)
        try:
            while not self._stop.is_over:
                answer = self._try(ticket)
                if isinstance(answer, leases.GpuLocks):
                    self._note(ticket)
                    return answer
                if answer:
                    self._explain(ticket, answer)
                self._sleep(bell)
        finally:
            if bell is not None:
                os.close(bell)
        return None

    def _try(self, ticket: queue.QueueTicket | None) -> leases.GpuLocks | str:
        """The GPUs, or why not; "" while the disk does not say."""
        try:
            if self._joint is not None:
                return self._joint.look()
            return queue.try_take_gpus(ticket) if ticket is not None else leases.GpuLocks()
        except OSError:
            return ""

    def _place(self) -> queue.QueueTicket | None:
        """Its ticket; a lost one is taken anew, since no task runs without the GPUs it asked for. None when stopped."""
        task, spec = self._ledger.task, self._ledger.spec
        while (ticket := queue.find_ticket(task, spec.seq)) is None and not self._stop.is_over:
            with queue.queue_lock(task.root):
                queue.enqueue(task, spec)
        return ticket

    def _note(self, ticket: queue.QueueTicket | None) -> None:
        if ticket is not None:
            self._ledger.state.gpus = leases.find_leased_gpus(self._ledger.task, ticket.candidates)

    def _explain(self, ticket: queue.QueueTicket | None, why: str) -> None:
        """Says what it waits for, and sees to it that this is not a task whose supervisor was killed."""
        self._ledger.say(why.replace("GPU", str(self._ledger.spec.gpus.type), 1))
        if ticket is None:
            return
        holders = leases.find_holders(self._ledger.task.root, ticket.candidates).values()
        start_reapers({holder for holder in holders if holder is not None})

    def _sleep(self, bell: int | None) -> None:
        pause_s = _LOOK_FOR_CLIENT_S if self._joint is not None and bell is None else _LOOK_AGAIN_S
        for fd in self._stop.wait(set() if bell is None else {bell}, pause_s):
            drain(fd)

"""Waiting in the line for GPUs. Standard library only."""

from __future__ import annotations

import os

from flow_core.agent.capacity import leases, queue
from flow_core.agent.supervisor.ledger import Ledger
from flow_core.agent.supervisor.settle import settle_beside
from flow_core.agent.supervisor.stopping import StopOrder, drain

_LOOK_AGAIN_S = 2.0  # for what rings no bell: a lock that a killed process let go of


class Turn:
    """One task's wait, from its ticket to the GPUs it may use."""

    def __init__(self, ledger: Ledger, stop: StopOrder) -> None:
        self._ledger = ledger
        self._stop = stop
        self._ticket: queue.Ticket | None = None

    def wait(self) -> leases.GpuLocks | None:
        """The locks on its GPUs, none for a task that wants no GPU. None when it was stopped while it waited."""
        if not queue.wants_gpus(self._ledger.spec):
            return None if self._stop.is_over else leases.GpuLocks()
        ticket = self._ticket = self._place()
        if ticket is None:
            return None
        bell = queue.open_bell(ticket)
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
        self.leave()
        return None

    def leave(self) -> None:
        """Lets the next one have its turn: call it once the task has started, or never will. Twice is safe."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.drop()
            queue.ring(self._ledger.task.root)

    def _try(self, ticket: queue.Ticket) -> leases.GpuLocks | str:
        """The GPUs, or why not; "" while the disk does not say."""
        try:
            return queue.try_start(ticket)
        except OSError:
            return ""

    def _place(self) -> queue.Ticket | None:
        """Its ticket; a lost one is taken anew, since no task runs without the GPUs it asked for. None when stopped."""
        task, spec = self._ledger.task, self._ledger.spec
        while (ticket := queue.ticket_of(task, int(spec["seq"]))) is None and not self._stop.is_over:
            with queue.queue_lock(task.root):
                queue.stand_in_line(task, spec)
        return ticket

    def _note(self, ticket: queue.Ticket) -> None:
        self._ledger.state.gpus = leases.leased_by(self._ledger.task, ticket.candidates)

    def _explain(self, ticket: queue.Ticket, why: str) -> None:
        """Says what it waits for, and sees to it that this is not a task whose supervisor was killed."""
        self._ledger.say(why.replace("GPU", str(self._ledger.spec["gpus"]["type"]), 1))
        holders = leases.held_by(self._ledger.task.root, ticket.candidates).values()
        settle_beside({holder for holder in holders if holder is not None})

    def _sleep(self, bell: int | None) -> None:
        for fd in self._stop.wait(set() if bell is None else {bell}, _LOOK_AGAIN_S):
            drain(fd)

"""How a part of a task on several machines waits: it holds nothing until a client has it take its GPUs.

Standard library only; never loaded for a task on one machine.
"""

from __future__ import annotations

import time

from flow_core.agent import multi_machine
from flow_core.agent.capacity import leases, queue
from flow_core.agent.capacity.leases import GpuLocks
from flow_core.agent.locks import exclusive_lock
from flow_core.agent.supervisor.stop_signal import StopSignal
from flow_core.agent.supervisor.task_state import TaskStateWriter

_HOLDING_S = 0.2


class JointStart:
    """One part's wait. `ticket` is its place in the line; None for a task that wants no GPU."""

    def __init__(self, ledger: TaskStateWriter, stop: StopSignal, ticket: queue.QueueTicket | None) -> None:
        self._ledger = ledger
        self._stop = stop
        self._ticket = ticket

    def look(self) -> GpuLocks | str:
        """The locks once it may start, else why not. While a client has it hold its GPUs, this waits for the client."""
        task = self._ledger.task
        order = multi_machine.read_order(task)
        if order is None:
            return self._why_not()
        locks = GpuLocks() if self._ticket is None else queue.try_take_gpus(self._ticket)
        if isinstance(locks, GpuLocks):
            try:
                is_started = self._is_started(order.client, locks)
            except OSError:
                locks.release()
                raise
            return locks if is_started else self._why_not()
        with exclusive_lock(task.start_lock):
            multi_machine.remove_order(task)  # the client learns at once that it can't be had
        return locks

    def _why_not(self) -> str:
        if not multi_machine.has_client(self._ledger.task):
            return multi_machine.NO_CLIENT
        return (
            queue.explain_queue_wait(self._ticket) if self._ticket is not None else ""
        ) or multi_machine.OTHER_MACHINES

    def _is_started(self, by: str, locks: GpuLocks) -> bool:
        """Holds the GPUs as long as the client wants, and gives them back unless it says go."""
        ledger, candidates = self._ledger, () if self._ticket is None else self._ticket.candidates
        ledger.state.gpus = leases.find_leased_gpus(ledger.task, candidates)
        ledger.state.held_by = by
        ledger.write()
        while not self._stop.is_over:
            order = multi_machine.read_order(ledger.task)
            if order is None or order.client != by or order.is_start:
                break
            self._stop.wait(set(), min(_HOLDING_S, max(0.0, order.until - time.time())))
        is_go = self._is_go(by) and not self._stop.is_over
        ledger.state.held_by = ""
        if not is_go:
            locks.release()
            leases.release_leases(ledger.task, ledger.state.gpus)
            ledger.state.gpus = []
            ledger.write()
            queue.notify_waiting(ledger.task.root)
        return is_go

    def _is_go(self, by: str) -> bool:
        """Decided under the lock that the client's order is written under: it is too late, or it is not.

        An order to start stays: the client may ask for it again, before the record says that the part runs.
        """
        task = self._ledger.task
        with exclusive_lock(task.start_lock):
            order = multi_machine.read_order(task)
            is_go = order is not None and order.client == by and order.is_start
            if not is_go:
                multi_machine.remove_order(task)
        return is_go

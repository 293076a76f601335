"""How a part of a task on several machines waits: it holds nothing until a client has it take its GPUs.

Standard library only; never loaded for a task on one machine.
"""

from __future__ import annotations

import time

from flow_core.agent import parts
from flow_core.agent.capacity import leases, queue
from flow_core.agent.capacity.leases import GpuLocks
from flow_core.agent.locks import locked
from flow_core.agent.supervisor.ledger import Ledger
from flow_core.agent.supervisor.stopping import StopOrder

_HOLDING_S = 0.2


class JointStart:
    """One part's wait. `ticket` is its place in the line; None for a task that wants no GPU."""

    def __init__(self, ledger: Ledger, stop: StopOrder, ticket: queue.Ticket | None) -> None:
        self._ledger = ledger
        self._stop = stop
        self._ticket = ticket

    def look(self) -> GpuLocks | str:
        """The locks once it may start, else why not. While a client has it hold its GPUs, this waits for the client."""
        task = self._ledger.task
        order = parts.read_order(task)
        if order is None:
            return self._why_not()
        locks = GpuLocks() if self._ticket is None else queue.try_start(self._ticket)
        if isinstance(locks, GpuLocks):
            try:
                is_started = self._is_started(order.by, locks)
            except OSError:
                locks.release()
                raise
            return locks if is_started else self._why_not()
        with locked(task.start_lock):
            parts.drop(task)  # the client learns at once that it can't be had
        return locks

    def _why_not(self) -> str:
        if not parts.has_client(self._ledger.task):
            return parts.NO_CLIENT
        return (queue.why_not_now(self._ticket) if self._ticket is not None else "") or parts.OTHERS

    def _is_started(self, by: str, locks: GpuLocks) -> bool:
        """Holds the GPUs as long as the client wants, and gives them back unless it says go."""
        ledger, candidates = self._ledger, () if self._ticket is None else self._ticket.candidates
        ledger.state.gpus = leases.leased_by(ledger.task, candidates)
        ledger.state.held_by = by
        ledger.write()
        while not self._stop.is_over:
            order = parts.read_order(ledger.task)
            if order is None or order.by != by or order.is_go:
                break
            self._stop.wait(set(), min(_HOLDING_S, max(0.0, order.until - time.time())))
        is_go = self._is_go(by) and not self._stop.is_over
        ledger.state.held_by = ""
        if not is_go:
            locks.release()
            leases.give_back(ledger.task, ledger.state.gpus)
            ledger.state.gpus = []
            ledger.write()
            queue.ring(ledger.task.root)
        return is_go

    def _is_go(self, by: str) -> bool:
        """Decided under the lock that the client's order is written under: it is too late, or it is not.

        An order to start stays: the client may ask for it again, before the record says that the part runs.
        """
        task = self._ledger.task
        with locked(task.start_lock):
            order = parts.read_order(task)
            is_go = order is not None and order.by == by and order.is_go
            if not is_go:
                parts.drop(task)
        return is_go

"""The wait of one part of a task on several machines: it holds no GPUs until a client orders it to.

Never loaded for a task on one machine.
"""

from __future__ import annotations

import time

from flow_core.agent import multi_machine
from flow_core.agent.capacity import leases, queue
from flow_core.agent.capacity.leases import GpuLocks
from flow_core.agent.locks import exclusive_lock
from flow_core.agent.supervisor.state_writer import TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal

_POLL_S = 0.2


class GangWait:
    """The wait of one part. `ticket` is None for a task without GPUs."""

    def __init__(self, writer: TaskStateWriter, stop: StopSignal, ticket: queue.QueueTicket | None) -> None:
        self._writer = writer
        self._stop = stop
        self._ticket = ticket

    def try_start(self) -> GpuLocks | str:
        """Returns the GPU locks once the part may start; otherwise the reason why not.

        While a client orders the part to hold its GPUs, this waits for the client's next order.
        """
        task = self._writer.task
        order = multi_machine.read_order(task)
        if order is None:
            return self._explain_wait()
        locks = GpuLocks() if self._ticket is None else queue.try_take_gpus(self._ticket)
        if isinstance(locks, GpuLocks):
            try:
                is_started = self._hold_until_started(order.client, locks)
            except OSError:
                locks.release()
                raise
            return locks if is_started else self._explain_wait()
        with exclusive_lock(task.start_lock):
            multi_machine.remove_order(task)  # the client learns immediately that the GPUs aren't available
        return locks

    def _explain_wait(self) -> str:
        if not multi_machine.has_client(self._writer.task):
            return multi_machine.NO_CLIENT
        return (
            queue.explain_queue_wait(self._ticket) if self._ticket is not None else ""
        ) or multi_machine.OTHER_MACHINES

    def _hold_until_started(self, client: str, locks: GpuLocks) -> bool:
        """Holds the GPUs as long as the client's order allows; releases them unless the client orders the start."""
        writer, candidates = self._writer, () if self._ticket is None else self._ticket.candidates
        writer.state.gpus = leases.find_leased_gpus(writer.task, candidates)
        writer.state.held_by = client
        writer.write()
        while not self._stop.must_stop:
            order = multi_machine.read_order(writer.task)
            if order is None or order.client != client or order.is_start:
                break
            self._stop.wait(set(), min(_POLL_S, max(0.0, order.until - time.time())))
        is_start = self._is_start_ordered(client) and not self._stop.must_stop
        writer.state.held_by = ""
        if not is_start:
            locks.release()
            leases.release_leases(writer.task, writer.state.gpus)
            writer.state.gpus = []
            writer.write()
            queue.notify_waiting(writer.task.root)
        return is_start

    def _is_start_ordered(self, client: str) -> bool:
        """Returns whether the client has ordered the start. Checks it under the lock of the client's orders.

        So an order is either in time or too late. A start order is kept: the client may repeat it before the record
        shows that the part runs.
        """
        task = self._writer.task
        with exclusive_lock(task.start_lock):
            order = multi_machine.read_order(task)
            is_start = order is not None and order.client == client and order.is_start
            if not is_start:
                multi_machine.remove_order(task)
        return is_start

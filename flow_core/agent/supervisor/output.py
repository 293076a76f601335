"""Writes the output of one attempt's ranks to their logs, in the order of the writes if the system reports it.

Each rank has one pipe per stream, in packet mode if the system supports it: a read then returns the bytes of one
write, and the system reports the order of the writes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from flow_core.agent.spool import SpoolWriter
from flow_core.agent.supervisor.pipe_write_order import get_write_order
from flow_core.agent.supervisor.process_launch import LaunchedProcess, OutputChannel, open_pipes

_PIPES_TOTAL_BYTES, _PIPE_BYTES = 1 << 20, 1 << 16  # a user's total pipe memory is limited
_READ_BYTES = 1 << 16  # a packet has at most a page
_ROUND_BYTES = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_BURST_PACKETS, _BURST_PAUSE_S = 1000, 0.002


class RankOutput:
    """The pipes of all ranks, or their terminals."""

    def __init__(self, spools: Sequence[SpoolWriter], *, on_terminals: bool = False) -> None:
        self._spools = spools
        self._on_terminals = on_terminals
        self._order = get_write_order()
        self._streams: dict[int, tuple[int, int]] = {}
        self._bursts: dict[int, BurstControl] = {}
        self._writes: dict[int, list[int]] = {rank: [] for rank in range(len(spools))}

    @property
    def fds(self) -> Collection[int]:
        """The descriptors to wait for."""
        return self._streams.keys()

    @property
    def check_in_s(self) -> float | None:
        """The time until `read` must be called at the latest."""
        return min(
            (remaining_s for one in self._bursts.values() if (remaining_s := one.remaining_s) is not None), default=None
        )

    def open_channel(self, rank: int) -> OutputChannel:
        """Opens the channel for the process that is about to start. Raises OSError, LaunchError."""
        if self._on_terminals:
            from flow_core.agent.supervisor.pseudo_terminal import open_pty  # lazy import: few tasks use a terminal

            channel = open_pty()
        else:
            channel = open_pipes(max(_PIPES_TOTAL_BYTES // len(self._spools), _PIPE_BYTES), in_packets=True)
            if all([self._order.watch(fd) for fd in channel.parent_fds]):  # noqa: C419 - watch both, even if the first fails
                self._bursts[rank] = BurstControl(dict(zip(channel.parent_fds, map(os.dup, channel.child_fds[1:]))))
        return channel

    def add(self, rank: int, child: LaunchedProcess) -> None:
        for stream, fd in enumerate(child.parent_fds):
            self._streams[fd] = rank, stream

    def read(self, ready: Collection[int]) -> bool:
        """Reads one round of output; returns whether there was any."""
        ranks = {self._streams[fd][0] for fd in ready}
        for rank, burst in self._bursts.items():
            if rank not in ranks and burst.remaining_s is not None:
                burst.add(0)
        return sum(self._read_rank(rank) for rank in sorted(ranks)) > 0

    def close(self) -> None:
        for fd in [*self._streams]:
            self._drop(fd)
        for burst in self._bursts.values():
            burst.close()
        for spool in self._spools:
            spool.close()

    def _read_rank(self, rank: int) -> bool:
        # The order is known once every packet that was read has its event in the queue, and the bytes of every event
        # were read. A writer that never pauses would prevent that, hence the limit.
        streams = {fd: stream for fd, (other, stream) in self._streams.items() if other == rank}
        packets: dict[int, list[bytes]] = {fd: [] for fd in streams}
        writes, budget = self._collect_writes(rank), _ROUND_BYTES
        while True:
            for fd in [fd for fd in streams if fd in self._streams]:
                budget = self._read(fd, packets[fd], budget)
            new_writes = self._collect_writes(rank)
            writes += new_writes
            if not new_writes or budget <= 0:
                break
        if rank in self._bursts:
            self._bursts[rank].add(sum(map(len, packets.values())))
        has_output = False
        for fd, data in order_packets(writes, packets):
            if data:
                self._spools[rank].append(streams[fd], data)
                has_output = True
        return has_output

    def _collect_writes(self, rank: int) -> list[int]:
        for fd in self._order.read_writes():
            if fd in self._streams:
                self._writes[self._streams[fd][0]].append(fd)
        found, self._writes[rank] = self._writes[rank], []
        return found

    def _read(self, fd: int, packets: list[bytes], budget: int) -> int:
        """Reads packets and returns the remaining budget.

        A packet counts as at least a page, since it occupies a page of the pipe.
        """
        while budget > 0:
            try:
                data = os.read(fd, _READ_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EIO:  # EIO: the terminal was closed
                    raise
                data = b""
            packets.append(data)
            budget -= max(len(data), _PAGE)
            if not data:
                self._drop(fd)
                break
        return budget

    def _drop(self, fd: int) -> None:
        del self._streams[fd]
        os.close(fd)


def order_packets(writes: Sequence[int], packets: Mapping[int, Sequence[bytes]]) -> Iterator[tuple[int, bytes]]:
    """Yields (descriptor, bytes) for each reported write, with its packets joined, in the order of the reports.

    Skips reports whose packets were read before. Then yields the bytes without a report, perhaps none, for each
    descriptor.
    """
    reports = {fd: writes.count(fd) for fd in packets}
    # More reports than packets: the first reports belong to packets that were read before.
    skipped = {fd: max(0, reports[fd] - len(packets[fd])) for fd in packets}
    next_packet = dict.fromkeys(packets, 0)
    for fd in (fd for fd in writes if fd in packets):
        reports[fd] -= 1
        if skipped[fd]:
            skipped[fd] -= 1
            continue
        start, next_packet[fd] = next_packet[fd], _end_of_write(packets[fd], next_packet[fd], reports[fd])
        yield fd, b"".join(packets[fd][start : next_packet[fd]])
    for fd, start in next_packet.items():
        yield fd, b"".join(packets[fd][start:])


def _end_of_write(packets: Sequence[bytes], start: int, later_reports: int) -> int:
    """Returns the index after the last packet of a write.

    A write of more than a page has several packets, all but the last of them full.
    """
    end = start + 1
    while len(packets) - end > later_reports and len(packets[end - 1]) >= _PAGE:
        end += 1
    return end


class BurstControl:
    """The two pipes of one rank. They use packets and write notifications, except during a burst.

    In a burst a rank writes without pause, and throughput matters more than the order of its writes. `pipes` maps the
    reading end to the writing end; both are descriptors of this process. A change of their flags also applies to the
    writing processes, since they share the open file description.
    """

    def __init__(self, pipes: dict[int, int]) -> None:
        self._pipes = pipes
        self._is_bursting = False
        self._count = 0
        self._last_read_at = 0.0

    @property
    def remaining_s(self) -> float | None:
        """The time until `add` must be called even without output; None outside a burst."""
        return max(0.0, self._last_read_at + _BURST_PAUSE_S - time.monotonic()) if self._is_bursting else None

    def add(self, packets: int) -> None:
        """Counts `packets` packets that were read, perhaps none.

        More than 1000 without a pause of 2 ms start a burst.
        """
        now = time.monotonic()
        if now - self._last_read_at >= _BURST_PAUSE_S:
            self._count = 0
            self._set_bursting(False)
        self._count += packets
        if packets:
            self._last_read_at = now
        if self._count > _BURST_PACKETS:
            self._set_bursting(True)

    def close(self) -> None:
        for fd in self._pipes.values():
            os.close(fd)

    def _set_bursting(self, is_bursting: bool) -> None:
        if is_bursting == self._is_bursting:
            return
        self._is_bursting = is_bursting
        for read, write in self._pipes.items():
            _set_flag(read, os.O_ASYNC, not is_bursting)
            _set_flag(write, os.O_DIRECT, not is_bursting)


def _set_flag(fd: int, flag: int, is_on: bool) -> None:
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | flag if is_on else flags & ~flag)

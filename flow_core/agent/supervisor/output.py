"""What the ranks of one attempt write, on its way into their logs: in the order of the writes, as far as it is told.

Each rank has a pipe a stream. Such a pipe is in packet mode where the system has it, so that a read returns what one
write wrote, and the system tells the order of the writes. Standard library only.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence

from flow_core.agent.spool import SpoolWriter
from flow_core.agent.supervisor.bursts import BurstControl
from flow_core.agent.supervisor.launch import LaunchedProcess, OutputChannel, open_pipes
from flow_core.agent.supervisor.write_order import shared_write_order

_PIPES_BYTES, _PIPE_BYTES = 1 << 20, 1 << 16  # what one user may have of it is limited
_READ_BYTES = 1 << 16  # no packet is longer: a page is the most
_ROUND_BYTES = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


class RankOutput:
    """The pipes of all ranks, or their terminals."""

    def __init__(self, spools: Sequence[SpoolWriter], *, on_terminals: bool = False) -> None:
        self._spools = spools
        self._on_terminals = on_terminals
        self._order = shared_write_order()
        self._places: dict[int, tuple[int, int]] = {}
        self._bursts: dict[int, BurstControl] = {}
        self._written: dict[int, list[int]] = {rank: [] for rank in range(len(spools))}

    @property
    def fds(self) -> Collection[int]:
        """What to wait for."""
        return self._places.keys()

    @property
    def check_in_s(self) -> float | None:
        """In how many seconds to call `take` at the latest."""
        return min((left_s for one in self._bursts.values() if (left_s := one.remaining_s) is not None), default=None)

    def open_channel(self, rank: int) -> OutputChannel:
        """For the process that is about to be started. Raises OSError, LaunchError."""
        if self._on_terminals:
            from flow_core.agent.supervisor.terminal import open_pty  # deferred: few tasks want one

            made = open_pty()
        else:
            made = open_pipes(max(_PIPES_BYTES // len(self._spools), _PIPE_BYTES), in_packets=True)
            if all([self._order.watch(fd) for fd in made.kept]):  # noqa: C419 - both of them, whatever the first says
                self._bursts[rank] = BurstControl(dict(zip(made.kept, map(os.dup, made.given[1:]))))
        return made

    def add(self, rank: int, child: LaunchedProcess) -> None:
        for stream, fd in enumerate(child.kept):
            self._places[fd] = rank, stream

    def take(self, ready: Collection[int]) -> bool:
        """One round of what can be read; True when something came."""
        ranks = {self._places[fd][0] for fd in ready}
        for rank, burst in self._bursts.items():
            if rank not in ranks and burst.remaining_s is not None:
                burst.add(0)
        return sum(self._take_of(rank) for rank in sorted(ranks)) > 0

    def close(self) -> None:
        for fd in [*self._places]:
            self._drop(fd)
        for burst in self._bursts.values():
            burst.close()
        for spool in self._spools:
            spool.close()

    def _take_of(self, rank: int) -> bool:
        # Whatever was read has its event in the queue by now, and each event's bytes were read: only then is the order
        # known. A writer that never rests would keep this from being so, hence the limit.
        streams = {fd: stream for fd, (other, stream) in self._places.items() if other == rank}
        packets: dict[int, list[bytes]] = {fd: [] for fd in streams}
        written, room = self._written_of(rank), _ROUND_BYTES
        while True:
            for fd in [fd for fd in streams if fd in self._places]:
                room = self._read(fd, packets[fd], room)
            fresh = self._written_of(rank)
            written += fresh
            if not fresh or room <= 0:
                break
        if rank in self._bursts:
            self._bursts[rank].add(sum(map(len, packets.values())))
        came = False
        for fd, data in order_packets(written, packets):
            if data:
                self._spools[rank].append(streams[fd], data)
                came = True
        return came

    def _written_of(self, rank: int) -> list[int]:
        for fd in self._order.written():
            if fd in self._places:
                self._written[self._places[fd][0]].append(fd)
        found, self._written[rank] = self._written[rank], []
        return found

    def _read(self, fd: int, packets: list[bytes], room: int) -> int:
        """What is left of the room. A packet takes a page of the pipe, however short it is, and so it does here."""
        while room > 0:
            try:
                data = os.read(fd, _READ_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EIO:  # the end of a terminal
                    raise
                data = b""
            packets.append(data)
            room -= max(len(data), _PAGE)
            if not data:
                self._drop(fd)
                break
        return room

    def _drop(self, fd: int) -> None:
        del self._places[fd]
        os.close(fd)


def order_packets(written: Sequence[int], packets: Mapping[int, Sequence[bytes]]) -> Iterator[tuple[int, bytes]]:
    """All packets, as (descriptor, bytes): in the order of the writes that are told of, then the others."""
    told = {fd: written.count(fd) for fd in packets}
    # Told of more often than there is something: the first times are about what was read before.
    late = {fd: max(0, told[fd] - len(packets[fd])) for fd in packets}
    taken = dict.fromkeys(packets, 0)
    for fd in (fd for fd in written if fd in packets):
        told[fd] -= 1
        if late[fd]:
            late[fd] -= 1
            continue
        start, taken[fd] = taken[fd], _end_of_write(packets[fd], taken[fd], told[fd])
        yield fd, b"".join(packets[fd][start : taken[fd]])
    for fd, start in taken.items():
        yield fd, b"".join(packets[fd][start:])


def _end_of_write(packets: Sequence[bytes], start: int, told_of: int) -> int:
    """A write of more than a page is several packets, all but the last of them full."""
    end = start + 1
    while len(packets) - end > told_of and len(packets[end - 1]) >= _PAGE:
        end += 1
    return end

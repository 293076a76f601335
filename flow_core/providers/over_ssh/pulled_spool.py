"""The spool to which a pull appends."""

from __future__ import annotations

import os
import time

from flow_core.agent.locks import release, try_lock
from flow_core.agent.spool import RECORD, STDOUT
from flow_core.providers.over_ssh.pull_state import PullState, SpoolPaths, read_pull_state, write_pull_state

_STAMP_INTERVAL_US = 1_000
_LOST = "a part of this log was lost on this machine"


class PulledSpool:
    """A spool that is written by one pull. Does blocking I/O.

    `open` repairs what an interrupted step left. Every method may raise OSError; then close this object and create
    another one, since the size of the file shows what was written.
    """

    def __init__(self, paths: SpoolPaths) -> None:
        self.state = PullState()
        self.size = 0
        self._paths = paths
        self._fds: list[int] = []
        self._stamped_us = 0

    def open(self) -> bool:
        """Locks and opens the spool; returns False while a pull in this or another program has the lock."""
        lock = try_lock(self._paths.lock)
        if lock is None:
            return False
        self._fds.append(lock)
        for path in self._paths.files:
            self._fds.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        self.state = read_pull_state(self._paths.state) or PullState()
        self.size = os.fstat(self._log).st_size
        self._repair_sidecar()
        self._repair_note()
        return True

    def close(self) -> None:
        """Closes the files and the lock. Calling it again is safe."""
        while self._fds:
            release(self._fds.pop())

    @property
    def offset(self) -> int:
        """The offset in the remote file of the next byte."""
        return self.size - self.state.base

    def append(self, data: bytes) -> None:
        """Appends bytes of the remote file, from `offset` on; writes their record first, as `SpoolWriter` does."""
        start, now_us = self.size, max(time.time_ns() // 1_000, self._stamped_us)
        if now_us - self._stamped_us >= _STAMP_INTERVAL_US:
            os.write(self._sidecar, RECORD.pack(start, now_us << 1 | STDOUT))
            self._stamped_us = now_us
        self._write(data)

    def switch_file(self, inode: int | None, note: str = "") -> None:
        """Stores that the remote file was replaced: the bytes that follow are those of file `inode`, from its start.

        `inode` is None if that file is not known yet. Appends `note`, if there is one, for the reader.
        """
        if note:
            note = f"{'' if self._is_at_line_start() else chr(10)}[flow] {note}\n"
        base = self.size + len(note.encode())
        self._store_state(self.state._replace(inode=inode, base=base, words=note))
        self.append(note.encode())

    def set_inode(self, inode: int) -> None:
        """Stores the inode of the file that the bytes so far are from."""
        self._store_state(self.state._replace(inode=inode))

    def move_to(self, machine: str) -> None:
        """Stores the machine of the file that the bytes from here on are from."""
        self._store_state(self.state._replace(machine=machine))

    def complete(self) -> None:
        """Stores that nothing will be added to the log."""
        self._store_state(self.state._replace(is_complete=True))

    @property
    def _log(self) -> int:
        return self._fds[1]

    @property
    def _sidecar(self) -> int:
        return self._fds[2]

    def _store_state(self, state: PullState) -> None:
        write_pull_state(self._paths.state, state)
        self.state = state

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = os.write(self._log, view)
            self.size += count
            view = view[count:]

    def _repair_sidecar(self) -> None:
        """Drops an incomplete record, and the records of bytes that a crash of the machine lost."""
        count = os.fstat(self._sidecar).st_size // RECORD.size
        while count:
            offset, packed = RECORD.unpack(os.pread(self._sidecar, RECORD.size, (count - 1) * RECORD.size))
            if offset <= self.size:
                self._stamped_us = packed >> 1
                break
            count -= 1
        os.ftruncate(self._sidecar, count * RECORD.size)

    def _repair_note(self) -> None:
        """Appends the rest of an incomplete note, or a note that bytes were lost."""
        note = self.state.words.encode()
        missing = self.state.base - self.size
        if missing > len(note):
            self.switch_file(self.state.inode, _LOST)
        elif missing > 0:
            self.append(note[-missing:])

    def _is_at_line_start(self) -> bool:
        return not self.size or os.pread(self._log, 1, self.size - 1) == b"\n"

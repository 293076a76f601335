"""The end of a spool that a pull appends to."""

from __future__ import annotations

import os
import time

from flow_core.agent.locks import release, try_lock
from flow_core.agent.spool import RECORD, STDOUT
from flow_core.providers.over_ssh.pull_state import PullState, SpoolPaths, read_pull_state, write_pull_state

_SAME_MOMENT_US = 1_000
_LOST = "a part of this log was lost on this machine"


class PulledSpool:
    """Blocking. What an end in the middle of a step left over is put right at the next opening.

    Every step may raise OSError, after which it is closed and made anew: the size of the file says what was done.
    """

    def __init__(self, paths: SpoolPaths) -> None:
        self.state = PullState()
        self.size = 0
        self._paths = paths
        self._fds: list[int] = []
        self._stamped_us = 0

    def open(self) -> bool:
        """False while another has it open, in this program or in another one."""
        lock = try_lock(self._paths.lock)
        if lock is None:
            return False
        self._fds.append(lock)
        for path in self._paths.files:
            self._fds.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        self.state = read_pull_state(self._paths.state) or PullState()
        self.size = os.fstat(self._log).st_size
        self._mend_sidecar()
        self._mend_words()
        return True

    def close(self) -> None:
        """Lets others have it. Twice is safe."""
        while self._fds:
            release(self._fds.pop())

    @property
    def offset(self) -> int:
        """Where the next byte stands in the far file."""
        return self.size - self.state.base

    def append(self, data: bytes) -> None:
        """Bytes of the far file, from `offset` on; their record comes first, as in `SpoolWriter`."""
        start, now_us = self.size, max(time.time_ns() // 1_000, self._stamped_us)
        if now_us - self._stamped_us >= _SAME_MOMENT_US:
            os.write(self._sidecar, RECORD.pack(start, now_us << 1 | STDOUT))
            self._stamped_us = now_us
        self._write(data)

    def turn_to(self, inode: int | None, words: str = "") -> None:
        """From here on the bytes are those of another file. `words` say what the reader has to know about that."""
        if words:
            words = f"{'' if self._is_at_line_start() else chr(10)}[flow] {words}\n"
        base = self.size + len(words.encode())
        self._keep(self.state._replace(inode=inode, base=base, words=words))
        self.append(words.encode())

    def known_as(self, inode: int) -> None:
        """The bytes so far are those of this file."""
        self._keep(self.state._replace(inode=inode))

    def move_to(self, machine: str) -> None:
        """From here on the bytes are those of a file of that machine."""
        self._keep(self.state._replace(machine=machine))

    def complete(self) -> None:
        """Nothing will be added any more."""
        self._keep(self.state._replace(is_complete=True))

    @property
    def _log(self) -> int:
        return self._fds[1]

    @property
    def _sidecar(self) -> int:
        return self._fds[2]

    def _keep(self, state: PullState) -> None:
        write_pull_state(self._paths.state, state)
        self.state = state

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = os.write(self._log, view)
            self.size += count
            view = view[count:]

    def _mend_sidecar(self) -> None:
        """Drops a record that was cut short, and those of bytes that a crash of the machine took."""
        count = os.fstat(self._sidecar).st_size // RECORD.size
        while count:
            offset, packed = RECORD.unpack(os.pread(self._sidecar, RECORD.size, (count - 1) * RECORD.size))
            if offset <= self.size:
                self._stamped_us = packed >> 1
                break
            count -= 1
        os.ftruncate(self._sidecar, count * RECORD.size)

    def _mend_words(self) -> None:
        words = self.state.words.encode()
        missing = self.state.base - self.size
        if missing > len(words):
            self.turn_to(self.state.inode, _LOST)
        elif missing > 0:
            self.append(words[-missing:])

    def _is_at_line_start(self) -> bool:
        return not self.size or os.pread(self._log, 1, self.size - 1) == b"\n"

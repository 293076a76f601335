"""Reports the order in which pipes were written to.

Only Linux reports it: a pipe whose reader requests it sends a signal for each write, after the bytes and before the
writer continues, and signals of one number stay in order. (inotify also has a queue, but it merges several writes to
the same pipe in a row into one event.) A write of more than the pipe's capacity is reported several times.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct
import sys

_F_SETSIG = 10
_INFO = struct.Struct("20xi104x")  # signalfd_siginfo: the descriptor
_READ_BYTES = 512 * _INFO.size
_MASK_BYTES = 128
_instances: list[WriteOrder] = []


class WriteOrder:
    """A report of writes to watched pipes; reports none if the system doesn't support it."""

    def __init__(self) -> None:
        self._queue = _open_signal_queue(signal.SIGRTMAX) if sys.platform == "linux" else -1

    def watch(self, fd: int) -> bool:
        """Watches the reading end of a pipe until it is closed; returns False if it can't be watched."""
        if self._queue < 0 or sys.platform != "linux":
            return False
        try:
            fcntl.fcntl(fd, _F_SETSIG, signal.SIGRTMAX)
            fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
        except OSError:
            return False
        return True

    def read_writes(self) -> list[int]:
        """Returns the descriptors that were written to since the last call, in order. Doesn't block."""
        found: list[int] = []
        while self._queue >= 0:
            try:
                data = os.read(self._queue, _READ_BYTES)
            except BlockingIOError:
                break
            found += [fd for (fd,) in _INFO.iter_unpack(data)]
            if len(data) < _READ_BYTES:
                break
        return found


def get_write_order() -> WriteOrder:
    """Returns the only instance of this process, since signals belong to the process."""
    if not _instances:
        _instances.append(WriteOrder())
    return _instances[0]


def release_signals() -> None:
    """Unblocks the signals in a new process; the supervisor keeps them blocked."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _open_signal_queue(number: int) -> int:
    """Returns a descriptor from which signals of this number are read from now on; -1 if unsupported."""
    # SIGIO replaces them when no more can be queued; its default would end this process.
    signal.signal(signal.SIGIO, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    mask = (ctypes.c_uint64 * (_MASK_BYTES // 8))(1 << (number - 1))
    try:
        return int(ctypes.CDLL(None).signalfd(-1, ctypes.byref(mask), os.O_NONBLOCK | os.O_CLOEXEC))
    except AttributeError:
        return -1

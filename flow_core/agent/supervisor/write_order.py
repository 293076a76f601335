"""In which order pipes were written to, as the system tells it. Standard library only.

Linux alone says so: a pipe whose reader asked for it sends a signal for each write, after the bytes and before the
writer goes on, and signals of one number stay in their order. (inotify has such a queue too, but makes one event of
several writes to the same pipe in a row.) A write of more than a pipe holds is told of several times.
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
_own: list[WriteOrder] = []


class WriteOrder:
    """Tells of writes to the pipes that are watched; where the system can't, of none."""

    def __init__(self) -> None:
        self._queue = _queue_of(signal.SIGRTMAX) if sys.platform == "linux" else -1

    def watch(self, fd: int) -> bool:
        """The reading end of a pipe, until it is closed; false where nobody tells of it."""
        if self._queue < 0 or sys.platform != "linux":
            return False
        try:
            fcntl.fcntl(fd, _F_SETSIG, signal.SIGRTMAX)
            fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
        except OSError:
            return False
        return True

    def written(self) -> list[int]:
        """The descriptors that were written to since the last call, in order. Does not wait."""
        found: list[int] = []
        while self._queue >= 0:
            try:
                told = os.read(self._queue, _READ_BYTES)
            except BlockingIOError:
                break
            found += [fd for (fd,) in _INFO.iter_unpack(told)]
            if len(told) < _READ_BYTES:
                break
        return found


def shared_write_order() -> WriteOrder:
    """The only one of this process, as its signals are."""
    if not _own:
        _own.append(WriteOrder())
    return _own[0]


def release_signals() -> None:
    """For a new process: it gets the signals that we keep from ourselves."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _queue_of(number: int) -> int:
    """From now on signals of that number can be read from here, and do nothing else; -1 where that can't be had."""
    # What comes in their place when no more of them can be queued; it would end us.
    signal.signal(signal.SIGIO, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    mask = (ctypes.c_uint64 * (_MASK_BYTES // 8))(1 << (number - 1))
    try:
        return int(ctypes.CDLL(None).signalfd(-1, ctypes.byref(mask), os.O_NONBLOCK | os.O_CLOEXEC))
    except AttributeError:
        return -1

"""Keeping a running task: its output goes to the log, its processes are reaped, and all of them end with it.

Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

from flow_core.logs.spool import STDERR, STDOUT, SpoolWriter
from flow_core.providers.local.launch import Child, end_of
from flow_core.providers.local.layout import make_folder
from flow_core.providers.local.ledger import Ledger, Outcome
from flow_core.providers.local.processes import Tree, end_tree, grace_s
from flow_core.providers.local.stopping import StopOrder

_PR_SET_CHILD_SUBREAPER = 36
_CHUNK = 1 << 18
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Keeper:
    """Make it before the task starts: from then on what the task leaves behind becomes this process's child."""

    def __init__(self, ledger: Ledger, stop: StopOrder) -> None:
        self._ledger = ledger
        self._stop = stop
        self._streams: dict[int, int] = {}
        self._status: int | None = None
        if _libc is not None:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        files = ledger.task.spool()
        make_folder(files.log.parent)
        self._spool = SpoolWriter(files, ledger.clock.now_us)

    def keep(self, child: Child) -> Outcome:
        """Returns when the main process has ended or had to, and none of the task's others lives."""
        self._streams = {child.stdout: STDOUT, child.stderr: STDERR}
        while self._status is None and not self._stop.is_given:
            self._pump(child, self._stop.left_s)
        stopped = self._status is None
        self._end_all(child)
        code, message = end_of(self._status) if self._status is not None else (None, "")
        if stopped:
            return self._stop.outcome(code, message)
        return Outcome("failed" if code else "completed", code, message)

    def _end_all(self, child: Child) -> None:
        def pump_for(seconds: float) -> None:
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                self._pump(child, left)

        tree = Tree(self._ledger.spec["mark"], self._ledger.state.child, os.getpid())
        end_tree(tree.members, grace_s(), pump_for, self._stop.is_urgent)
        while self._pump(child, 0):
            pass
        self._spool.close()

    def _pump(self, child: Child, timeout_s: float | None) -> bool:
        """Waits for output or a signal, takes one round of it; True when output came."""
        came = False
        for fd in self._stop.wait(self._streams, timeout_s):
            data = os.read(fd, _CHUNK)
            if data:
                self._spool.append(self._streams[fd], data)
                came = True
            else:
                os.close(fd)
                del self._streams[fd]
        self._reap(child)
        return came

    def _reap(self, child: Child) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == child.pid:
                self._status = status

"""Kills every descendant of this process, for a system without namespaces."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

_ROUNDS = 100


def end_descendants() -> None:
    """Kills all descendants. Gives up on a process that starts new ones faster than they can be killed."""
    for _ in range(_ROUNDS):
        family = _find_descendants()
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended by itself
        _reap(wait=bool(family))
        if not family:
            return


def _find_descendants() -> list[int]:
    parents = dict(_read_from_proc() if os.path.exists("/proc/self/stat") else _read_from_ps())
    family = [os.getpid()]
    for member in family:
        family += [pid for pid, parent in parents.items() if parent == member]
    return family[1:]


def _read_from_proc() -> Iterator[tuple[int, int]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stream:
                    yield int(name), int(stream.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue  # it has ended meanwhile


def _read_from_ps() -> Iterator[tuple[int, int]]:
    import subprocess  # lazy import: heavy for each machine, and needed only without /proc

    rows = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
    for row in rows.splitlines():
        pid, parent = row.split()
        yield int(pid), int(parent)


def _reap(*, wait: bool) -> None:
    try:
        while os.waitpid(-1, 0 if wait else os.WNOHANG)[0]:
            wait = False
    except ChildProcessError:
        pass  # none is left

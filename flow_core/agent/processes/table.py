"""The processes of this machine: from /proc on Linux, from ps on macOS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_HAS_PROC = os.path.exists("/proc/self/stat")

if not _HAS_PROC:
    import subprocess  # takes as long as all other imports

_MARK = b"FLOW_TASK_MARK="


class ProcessInfo(NamedTuple):
    """One process. `start` distinguishes it from an earlier process with the same pid."""

    pid: int
    parent: int
    group: int
    session: int
    start: str
    is_zombie: bool


def find_process(pid: int) -> ProcessInfo | None:
    """Returns the process with this pid; None if there is none."""
    if _HAS_PROC:
        return _read_from_proc(pid)
    return _read_from_ps("-p", str(pid)).get(pid)


def list_processes() -> dict[int, ProcessInfo]:
    """Returns every process by its pid."""
    if _HAS_PROC:
        return {found.pid: found for pid in _list_pids() if (found := _read_from_proc(pid)) is not None}
    return _read_from_ps("-ax")


def read_task_mark(pid: int) -> str | None:
    """Returns the task mark in the process's initial environment; None if there is none or it can't be read."""
    return _read_variable(pid, _MARK)


def iter_variable(name: str) -> Iterator[tuple[int, str]]:
    """Yields (pid, value) of each live process that was started with this variable, if that is visible."""
    for pid in _list_pids() if _HAS_PROC else ():
        if (value := _read_variable(pid, f"{name}=".encode())) is not None:
            yield pid, value


def _read_variable(pid: int, prefix: bytes) -> str | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            content = stream.read()
    except OSError:
        return None
    # Almost no process has the variable: don't split what can't hold it.
    for entry in content.split(b"\0") if prefix in content else ():
        if entry.startswith(prefix):
            return os.fsdecode(entry[len(prefix) :])
    return None


def has_argument(pid: int, text: str) -> bool:
    """Returns whether the arguments of the process contain the text; True on a system without /proc."""
    if not _HAS_PROC:
        return True
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return os.fsencode(text) in stream.read()
    except OSError:
        return False


@lru_cache(maxsize=1)
def read_boot_id() -> str:
    """Returns an id that changes whenever the machine boots."""
    if _HAS_PROC:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    return _run("sysctl", "-n", "kern.bootsessionuuid").strip()


def _list_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _read_from_proc(pid: int) -> ProcessInfo | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            content = stream.read()
    except OSError:
        return None
    # The second field is the program's name in brackets and may contain any character, brackets included.
    fields = content[content.rindex(b")") + 2 :].split()
    return ProcessInfo(pid, int(fields[1]), int(fields[2]), int(fields[3]), fields[19].decode(), fields[0] in b"ZXx")


def _read_from_ps(*arguments: str) -> dict[int, ProcessInfo]:
    found = {}
    for line in _run("ps", *arguments, "-o", "pid=,ppid=,pgid=,stat=,lstart=").splitlines():
        pid, parent, group, state, start = line.split(None, 4)
        try:
            session = os.getsid(int(pid))
        except OSError:
            session = 0
        found[int(pid)] = ProcessInfo(int(pid), int(parent), int(group), session, start, state.startswith("Z"))
    return found


def _run(*command: str) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=10, check=False).stdout

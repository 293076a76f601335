"""Locks between processes of one machine: a descriptor holds the lock until its last copy is closed.

On local file systems this is flock. On network file systems flock may fail or protect nothing; there a lock is a hard
link to a file that names its holder. Such a lock is broken only if its holder is proven dead: it is a process of this
machine that has ended or closed the descriptor, and no other process has it open.

FLOW_LOCKS=link in the environment selects links for all folders; all processes that share a folder must use the same
value.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flow_core.agent.file_systems import is_on_network
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.record_fields import Fields
from flow_core.agent.regular_files import parse_json, read_regular_file

_WAIT_S = 60.0
_POLL_RANGE_S = (0.002, 0.05)
_RETRY_PAUSES_S = (0.0, 0.001, 0.01, 0.05, 0.2)  # another process may hold the lock for a moment only to check it
_TOKENS_MAX = 100
_LINKS_UNSUPPORTED = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

_links: dict[int, str] = {}
_counter = itertools.count()


def uses_links(folder: Path) -> bool:
    """Returns whether flock and FIFOs in this folder are unreliable. Raises OSError."""
    return os.environ.get("FLOW_LOCKS") == "link" or is_on_network(folder)


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds an exclusive lock. Waits for it; with links, for at most a minute. Raises OSError."""
    fd = _wait_for_link(path) if uses_links(path.parent) else _wait_for_flock(path)
    try:
        yield
    finally:
        release(fd)


def try_lock(path: Path) -> int | None:
    """Returns a descriptor that holds the lock until it is closed; None if another process holds it. Raises OSError."""
    if uses_links(path.parent):
        return _try_link(_link_path(path))
    for pause_s in (*_RETRY_PAUSES_S, None):
        fd = _open_file(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
        else:
            return fd
        if pause_s is None or is_locked(path):
            return None
        time.sleep(pause_s)
    return None


def release(fd: int) -> None:
    """Closes the descriptor. Also removes the link, so that the next process doesn't have to prove it stale."""
    link = _links.pop(fd, None)
    if link is not None and _is_same(link, os.fstat(fd)):
        os.unlink(link)
    os.close(fd)


def is_locked(path: Path) -> bool:
    """Returns whether a process holds the lock now. Raises OSError."""
    if uses_links(path.parent):
        found = _stat(_link_path(path))
        return found is not None and not _is_stale(_link_path(path), found)
    fd = _open_file(path)
    try:
        # Shared: two processes that only check must not mistake each other for a holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def move_aside(path: Path) -> bool:
    """Renames an object that is in the place of a regular file; returns False if there is none.

    Two processes take turns, so that neither renames the file that the other has just created. Raises OSError.
    """
    try:
        with _lock_folder(path.parent):
            if stat.S_ISREG(os.lstat(path).st_mode):
                return False
            os.rename(path, path.with_name(f"{path.name}.broken-{time.time_ns()}"))
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    if uses_links(folder):
        with exclusive_lock(folder / ".moving"):
            yield
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _open_file(path: Path) -> int:
    """Opens a regular file; moves aside anything else. Raises OSError."""
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except OSError:
            if not move_aside(path):
                raise
            continue
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        move_aside(path)


def _wait_for_flock(path: Path) -> int:
    fd = _open_file(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _wait_for_link(path: Path) -> int:
    link = _link_path(path)
    deadline, pause_s = time.monotonic() + _WAIT_S, _POLL_RANGE_S[0]
    while (fd := _try_link(link)) is None:
        if time.monotonic() >= deadline:
            raise OSError(
                errno.ETIMEDOUT, f"{link} is held by {_describe_holder(link)}; remove it if that is gone for good"
            )
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _POLL_RANGE_S[1])
    return fd


def _link_path(path: Path) -> str:
    return f"{path}.held"


def _try_link(link: str) -> int | None:
    fd = _create_link(link) if _remove_stale(link) else None
    if fd is not None:
        _links[fd] = link
    return fd


def _create_link(link: str) -> int | None:
    """Creates the link in one step and returns its descriptor; None if the link exists already. Raises OSError."""
    folder, name = os.path.split(link)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}-{time.time_ns()}-{next(_counter)}")
    text = json.dumps({"host": os.uname().nodename, **ProcessIdentity.current()._asdict()}).encode()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o600)
    try:
        os.write(fd, text)
        os.fsync(fd)
        os.link(temporary, link)
    except OSError as error:
        # After a lost response NFS repeats the request and reports that the link exists already.
        if _is_same(link, os.fstat(fd)):
            return fd
        os.close(fd)
        if error.errno in _LINKS_UNSUPPORTED:
            return _create_without_links(link, text, flags)
        if not isinstance(error, FileExistsError):
            raise
        return None
    finally:
        os.unlink(temporary)
    return fd


def _create_without_links(link: str, text: bytes, flags: int) -> int | None:
    """Creates the file in place. While it is empty it names no holder, and no process can prove it stale."""
    try:
        fd = os.open(link, flags, 0o600)
    except FileExistsError:
        return None
    os.write(fd, text)
    os.fsync(fd)
    return fd


def _remove_stale(link: str) -> bool:
    """Removes a stale link; returns True if no link is left, False while it is held.

    If several processes find it stale, the one that creates the token of exactly this link removes it, after another
    check. If the creator of a token died, the next token follows.
    """
    found = _stat(link)
    if found is None:
        return True
    if not _is_stale(link, found):
        return False
    for number in range(_TOKENS_MAX):
        fd = _create_link(_token_path(link, found, number))
        if fd is not None:
            try:
                if _is_same(link, found):
                    os.unlink(link)
            finally:
                for made in range(number + 1):
                    _remove(_token_path(link, found, made))
                os.close(fd)
            return True
        token = _stat(_token_path(link, found, number))
        if token is None or not _is_stale(_token_path(link, found, number), token):
            return False
    return False


def _token_path(link: str, found: os.stat_result, number: int) -> str:
    folder, name = os.path.split(link)
    return os.path.join(folder, f".{name}.{found.st_ino}-{found.st_mtime_ns}-{number}")


def _is_stale(link: str, found: os.stat_result) -> bool:
    """Returns whether the holder is proven dead.

    Returns False if the holder can't be read or belongs to another machine.
    """
    holder = _read(link)
    if holder is None:
        return False
    host, process = holder
    if not process.is_of_this_boot:
        return host == os.uname().nodename
    if process.is_alive and _has_open(process.pid, found) is not False:
        return False
    return not any(_has_open(int(name), found) for name in _list_pids())


def _list_pids() -> list[str]:
    try:
        return [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _has_open(pid: int, found: os.stat_result) -> bool | None:
    """Returns whether the process has this file open; None if that is unknown."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return False if os.path.exists("/proc/self/fd") else None
    except OSError:
        return None
    return any(_is_same(f"{folder}/{name}", found) for name in names)


def _read(link: str) -> tuple[str, ProcessIdentity] | None:
    try:
        data = parse_json(read_regular_file(link))
        process = ProcessIdentity.parse(data)
        return None if process is None else (Fields(data).text("host"), process)
    except (OSError, ValueError):
        return None


def _describe_holder(link: str) -> str:
    holder = _read(link)
    if holder is None:
        return "an unknown process"
    host, process = holder
    return f"process {process.pid} of {host}"


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _is_same(path: str, found: os.stat_result) -> bool:
    """Returns whether the path still names exactly this file."""
    try:
        now = os.stat(path)
    except OSError:
        return False
    return (now.st_dev, now.st_ino, now.st_mtime_ns) == (found.st_dev, found.st_ino, found.st_mtime_ns)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # another process removed it already

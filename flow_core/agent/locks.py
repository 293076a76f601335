"""Locks between processes of one machine: a descriptor that holds the lock until the last copy of it is closed.

On local file systems this is flock. On those of a network, where flock may fail or hold nothing, a lock is a hard link
to a file that names who holds it. It is broken only when its holder is proven dead: a process of this very machine
that is gone, or has closed the descriptor, and no other one has it open. Standard library only.

FLOW_LOCKS=link in the environment has links used everywhere; all processes that share a folder must agree.
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
from flow_core.agent.record_fields import Fields
from flow_core.agent.regular_files import parse_json, read_regular_file
from flow_core.agent.supervisor.process_table import boot_id
from flow_core.agent.supervisor.processes import ProcessIdentity

_WAIT_S = 60.0
_PAUSES_S = (0.002, 0.05)
_LOOKERS_LEAVE_S = (0.0, 0.001, 0.01, 0.05, 0.2)  # for whoever only looked at that moment
_BREAKERS_MAX = 100
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

_links: dict[int, str] = {}
_numbers = itertools.count()


def uses_links(folder: Path) -> bool:
    """Whether locks and FIFOs in this folder can't be relied on. Raises OSError."""
    return os.environ.get("FLOW_LOCKS") == "link" or is_on_network(folder)


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds an exclusive lock; waits for it, with links for a minute at most. Raises OSError."""
    fd = _wait_for_link(path) if uses_links(path.parent) else _wait_for_flock(path)
    try:
        yield
    finally:
        release(fd)


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed, or None when another holds it. Raises OSError."""
    if uses_links(path.parent):
        return _try_link(_link_of(path))
    for pause_s in (*_LOOKERS_LEAVE_S, None):
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
    """Closes the descriptor; a lock that is a link need then not be proven forsaken by the next who wants it."""
    link = _links.pop(fd, None)
    if link is not None and _is_same(link, os.fstat(fd)):
        os.unlink(link)
    os.close(fd)


def is_locked(path: Path) -> bool:
    """Whether somebody holds it now. Raises OSError."""
    if uses_links(path.parent):
        found = _stat(_link_of(path))
        return found is not None and not _is_forsaken(_link_of(path), found)
    fd = _open_file(path)
    try:
        # Shared, so that those who only look don't take each other for a holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def move_aside(path: Path) -> bool:
    """Renames what is in the place of a file and isn't one; False where there is nothing of that kind.

    Two at the same moment do not move what one of them has just made: they take turns. Raises OSError.
    """
    try:
        with _folder_locked(path.parent):
            if stat.S_ISREG(os.lstat(path).st_mode):
                return False
            os.rename(path, path.with_name(f"{path.name}.broken-{time.time_ns()}"))
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
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
    """A regular file, whatever was there before. Raises OSError."""
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
    link = _link_of(path)
    deadline, pause_s = time.monotonic() + _WAIT_S, _PAUSES_S[0]
    while (fd := _try_link(link)) is None:
        if time.monotonic() >= deadline:
            raise OSError(errno.ETIMEDOUT, f"{link} is held by {_holder_of(link)}; remove it if that is gone for good")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _PAUSES_S[1])
    return fd


def _link_of(path: Path) -> str:
    return f"{path}.held"


def _try_link(link: str) -> int | None:
    fd = _make(link) if _break(link) else None
    if fd is not None:
        _links[fd] = link
    return fd


def _make(link: str) -> int | None:
    """A descriptor of the link, which it makes whole in one step; None where there is one already. Raises OSError."""
    folder, name = os.path.split(link)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}-{time.time_ns()}-{next(_numbers)}")
    text = json.dumps({"host": os.uname().nodename, **ProcessIdentity.mine()._asdict()}).encode()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o600)
    try:
        os.write(fd, text)
        os.fsync(fd)
        os.link(temporary, link)
    except OSError as error:
        # An answer that was lost on the way is asked for again, and then says that the link is there already.
        if _is_same(link, os.fstat(fd)):
            return fd
        os.close(fd)
        if error.errno in _NO_LINKS:
            return _make_without_links(link, text, flags)
        if not isinstance(error, FileExistsError):
            raise
        return None
    finally:
        os.unlink(temporary)
    return fd


def _make_without_links(link: str, text: bytes, flags: int) -> int | None:
    """For a moment it names nobody, and then nobody can prove it forsaken."""
    try:
        fd = os.open(link, flags, 0o600)
    except FileExistsError:
        return None
    os.write(fd, text)
    os.fsync(fd)
    return fd


def _break(link: str) -> bool:
    """Removes a forsaken link; True also where there is none, False while it is held.

    Of those who find it forsaken one removes it, the one who makes the token of this very link; and once it has the
    token, it looks again. A token whose maker died is followed by the next.
    """
    found = _stat(link)
    if found is None:
        return True
    if not _is_forsaken(link, found):
        return False
    for number in range(_BREAKERS_MAX):
        fd = _make(_token(link, found, number))
        if fd is not None:
            try:
                if _is_same(link, found):
                    os.unlink(link)
            finally:
                for made in range(number + 1):
                    _remove(_token(link, found, made))
                os.close(fd)
            return True
        token = _stat(_token(link, found, number))
        if token is None or not _is_forsaken(_token(link, found, number), token):
            return False
    return False


def _token(link: str, found: os.stat_result, number: int) -> str:
    folder, name = os.path.split(link)
    return os.path.join(folder, f".{name}.{found.st_ino}-{found.st_mtime_ns}-{number}")


def _is_forsaken(link: str, found: os.stat_result) -> bool:
    """Whether its holder is proven gone. One whose holder can't be read, or is of another machine, never is."""
    holder = _read(link)
    if holder is None:
        return False
    host, process = holder
    if not process.is_of_this_boot:
        return host == os.uname().nodename
    if process.is_alive and _has_open(process.pid, found) is not False:
        return False
    return not any(_has_open(int(name), found) for name in _processes())


def _processes() -> list[str]:
    try:
        return [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _has_open(pid: int, found: os.stat_result) -> bool | None:
    """None where this can't be seen."""
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


def _holder_of(link: str) -> str:
    holder = _read(link)
    if holder is None:
        return "nobody who can be told"
    host, process = holder
    when = "" if process.boot == boot_id() else ", before its last start or ours"
    return f"process {process.pid} of {host}{when}"


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _is_same(path: str, found: os.stat_result) -> bool:
    """Whether there is this very file now."""
    try:
        now = os.stat(path)
    except OSError:
        return False
    return (now.st_dev, now.st_ino, now.st_mtime_ns) == (found.st_dev, found.st_ino, found.st_mtime_ns)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # another has tidied up after the dead

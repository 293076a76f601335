"""Isolates a machine: new user, mount, pid, ipc and UTS namespaces, and a new root.

The root is the machine's disk. The host's programs and libraries are mounted read-only, with the harmless devices;
nothing else of the host has a name inside. The mounts are made in one user namespace and locked by a second one,
so the machine's root can mount over them but neither unmount them nor make them writable.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import Any, NamedTuple

from flow_core.emulator.nodes.pid1 import syscalls

NOBODY = 65534
_PROGRAMS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_HELD = syscalls.NO_SUID | syscalls.NO_DEVICES


def isolate(plan: dict[str, Any]) -> None:
    """Isolates the machine. Returns in its first process; the caller waits for that and ends. Raises OSError."""
    syscalls.check_system()
    _enter_user_namespace(syscalls.NEW_MOUNTS | syscalls.NEW_PROCESSES)
    _fork_first_process()
    syscalls.mount(None, "/", syscalls.RECURSIVE | syscalls.PRIVATE)
    syscalls.mount(plan["disk"], plan["disk"], syscalls.BIND)
    os.chdir(plan["disk"])
    host = HostDescriptors.open(plan["binds"])
    _become_root()
    _make_own_mounts()
    host.show()
    syscalls.make_root()
    _enter_user_namespace(syscalls.NEW_MOUNTS | syscalls.NEW_HOSTNAME | syscalls.NEW_IPC)
    socket.sethostname(plan["hostname"])
    syscalls.end_with_parent(signal.SIGKILL)  # last, since a change of the user resets it


class HostDescriptors(NamedTuple):
    """Open descriptors of the host's files for a machine.

    They are opened before the user id changes, which removes the right to reach them.
    """

    programs: dict[str, int]
    links: dict[str, str]
    devices: dict[str, int]
    settings: int
    own_programs: int
    binds: list[tuple[int, str, bool]]

    @classmethod
    def open(cls, binds: list[tuple[str, str, bool]]) -> HostDescriptors:
        programs = {name: _open_path(f"/{name}") for name in _PROGRAMS if os.path.isdir(f"/{name}")}
        return cls(
            programs,
            {name: os.readlink(f"/{name}") for name in programs if os.path.islink(f"/{name}")},
            {name: _open_path(f"/dev/{name}") for name in _DEVICES if os.path.exists(f"/dev/{name}")},
            _open_path("/etc"),
            _open_path("usr/local"),
            [(_open_path(source), target, read_only) for source, target, read_only in binds],
        )

    def show(self) -> None:
        for name, handle in self.devices.items():
            _bind(handle, f"dev/{name}", is_file=True)
        for name, handle in self.programs.items():
            if name in self.links:
                _make_link(self.links[name], name)
                os.close(handle)
            elif name != "usr":
                _bind(handle, name, read_only=True)
        _bind(os.dup(self.programs["usr"]), "run/host/usr", read_only=True)
        _bind(self.programs["usr"], "usr", read_only=True)
        _bind(self.own_programs, "usr/local")
        _bind(self.settings, "run/host/etc", read_only=True)
        for handle, target, read_only in self.binds:
            _bind(handle, target, read_only=read_only)


def keep_mounts() -> None:
    """Moves this process to its own mount namespace, if it may; its mounts end with it.

    For machines without isolation.
    """
    try:
        syscalls.unshare(syscalls.NEW_MOUNTS)
        syscalls.mount(None, "/", syscalls.RECURSIVE | syscalls.PRIVATE)
    except OSError:
        return  # without this right, the process can't mount anyway


def _enter_user_namespace(namespaces: int) -> None:
    """Maps root in the new namespace to the current user.

    If that is root, maps it to an unprivileged id, so that the machine can't read root's files.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and not _is_inside():
        os.setgroups([])
        _map_from_outside(namespaces)
        return
    syscalls.unshare(namespaces | syscalls.NEW_USER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {uid} 1")
    _write("/proc/self/gid_map", f"0 {gid} 1")


def _is_inside() -> bool:
    return os.getpid() == 1


def _map_from_outside(namespaces: int) -> None:
    """Maps the ids with a helper process outside the namespace; a process can map only its own id."""
    own_pid = os.getpid()
    read, write = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(write)
        try:
            if os.read(read, 1):
                _write(f"/proc/{own_pid}/setgroups", "deny")
                _write(f"/proc/{own_pid}/uid_map", f"0 {NOBODY} 1")
                _write(f"/proc/{own_pid}/gid_map", f"0 {NOBODY} 1")
                os._exit(0)
        finally:
            os._exit(1)
    try:
        syscalls.unshare(namespaces | syscalls.NEW_USER)
        os.write(write, b"!")
    finally:
        os.close(read)
        os.close(write)
        _, status = os.waitpid(helper, 0)
    if status:
        raise PermissionError(1, "this root may not become another user")


def _fork_first_process() -> None:
    """Forks process 1 of the new namespace, and returns only there; the parent waits and exits with its status."""
    first = os.fork()
    if first:
        _, status = os.waitpid(first, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _become_root() -> None:
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    syscalls.keep_own_files()
    os.umask(0o022)


def _make_own_mounts() -> None:
    syscalls.mount("proc", _make_folder("proc"), _HELD | syscalls.NO_EXEC, "proc")
    syscalls.mount("tmpfs", _make_folder("run"), _HELD, "tmpfs", "mode=0755,size=64m")
    os.makedirs("run/systemd/system")  # programs test this folder to detect systemd
    syscalls.mount("tmpfs", _make_folder("dev"), syscalls.NO_SUID, "tmpfs", "mode=0755,size=1m")
    syscalls.mount(
        "devpts", _make_folder("dev/pts"), syscalls.NO_SUID | syscalls.NO_EXEC, "devpts", "newinstance,ptmxmode=0666"
    )
    syscalls.mount("tmpfs", _make_folder("dev/shm"), _HELD, "tmpfs", "mode=1777,size=1g")
    for name, target in _LINKS.items():
        os.symlink(target, f"dev/{name}")


def _bind(handle: int, target: str, *, read_only: bool = False, is_file: bool = False) -> None:
    """Mounts the file or folder of a descriptor at `target`, and closes the descriptor."""
    if is_file:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    else:
        _make_folder(target)
    syscalls.mount(f"/proc/self/fd/{handle}", target, syscalls.BIND | syscalls.RECURSIVE)
    os.close(handle)
    if read_only:
        syscalls.make_read_only(target)


def _make_folder(path: str) -> str:
    if os.path.islink(path):
        os.unlink(path)
    os.makedirs(path, exist_ok=True)
    return path


def _make_link(target: str, path: str) -> None:
    if not os.path.lexists(path):
        os.symlink(target, path)


def _open_path(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, text.encode())  # a text file would load its codec, which can't be reached by now
    finally:
        os.close(handle)

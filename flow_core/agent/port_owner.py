"""Finds the process that listens on a port of this machine."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Collection
from pathlib import Path

_LISTENING = "0A"
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_ADDRESSES = ((socket.AF_INET, ""), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::"))


def find_listener(port: int) -> str:
    """Describes the process that listens on the port, if the system shows it; returns "" if none listens."""
    sockets = _listening_sockets(port)
    if sockets is None:
        return "another process" if _is_refused(port) else ""
    return _describe_owner(sockets) if sockets else ""


def _listening_sockets(port: int) -> set[str] | None:
    """Returns the inode numbers of the listening sockets; None if the system has no list of sockets."""
    found, is_listed = set(), False
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        is_listed = True
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found if is_listed else None


def _describe_owner(sockets: Collection[str]) -> str:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            opened = [os.readlink(one.path) for one in os.scandir(f"/proc/{pid}/fd")]
            name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
        except OSError:
            continue  # the process has ended or belongs to another user
        if any((found := _SOCKET.fullmatch(link)) and found[1] in sockets for link in opened):
            return f"process {pid} ({name!r})"
    return "a process of another user"


def _is_refused(port: int) -> bool:
    """Returns whether a server couldn't bind the port. Connections that remain from an ended server do no harm."""
    for family, host in _ADDRESSES:
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
    return False

"""Reads the command lines and environments of processes, any of which may end at the same time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def read_command_line(pid: int) -> bytes:
    """Returns the words, each ended by a NUL; empty for a process that has ended. Only on Linux."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def read_environment(pid: int) -> list[bytes]:
    """Returns the variables with which the process started; empty for one that has ended. Only on Linux."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


def list_command_lines() -> Iterator[tuple[int, bytes]]:
    """Yields the id and the command line of each process. Only on Linux."""
    for folder in Path("/proc").glob("[0-9]*"):
        yield int(folder.name), read_command_line(int(folder.name))


def is_running(text: str) -> bool:
    """Returns whether the command line of a process contains this text, with one space between two words."""
    if sys.platform == "linux":
        return any(text.encode() in line.replace(b"\0", b" ") for _, line in list_command_lines())
    return text in subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True).stdout

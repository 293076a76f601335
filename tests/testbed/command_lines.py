"""How processes were called, and their environments. Any of them may end while somebody looks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def command_line(pid: int) -> bytes:
    """Its words, each ended by a NUL; nothing of one that has ended. Only on Linux."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def environment(pid: int) -> list[bytes]:
    """As it was when the process started; nothing of one that has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


def command_lines() -> Iterator[tuple[int, bytes]]:
    """Of all processes, by their numbers. Only on Linux."""
    for folder in Path("/proc").glob("[0-9]*"):
        yield int(folder.name), command_line(int(folder.name))


def is_running(text: str) -> bool:
    """Whether a process was called with this text; one space stands between two words."""
    if sys.platform == "linux":
        return any(text.encode() in line.replace(b"\0", b" ") for _, line in command_lines())
    return text in subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True).stdout

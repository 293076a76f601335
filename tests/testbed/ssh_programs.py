"""The system's own ssh, scp and sftp, with the command of a local task as it is printed."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from pathlib import Path

from testbed.waiting import DEADLINE_S

from flow_core.providers.local.sshd.server_files import SshFolder


async def run_ssh(command: str, rest: str = "", *, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Runs what is typed at a shell: the printed command, and more."""
    return await run_program("sh", "-c", f"{command} {rest}", stdin=stdin)


async def run_program(*argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    run = subprocess.run
    return await asyncio.to_thread(run, argv, input=stdin, capture_output=True, timeout=DEADLINE_S, check=False)


def for_program(command: str, program: str) -> tuple[list[str], str]:
    """The printed command for scp or sftp, which say -P: the command up to the address, and the address."""
    _, *options, address = shlex.split(command)
    return [program, *("-P" if word == "-p" else word for word in options)], address


def ssh_folder(home: Path) -> SshFolder:
    """The folder of the SSH server of the one machine whose state directory is in `home`."""
    (found,) = home.glob("state/local/*/ssh")
    return SshFolder(found)

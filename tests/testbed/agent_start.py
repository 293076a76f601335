"""A machine without a network that starts the agent as over SSH: with a given shell, in its own home, with the Pythons
that a test adds."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from testbed.agent_folders import keep_agent_copy
from testbed.waiting import DEADLINE_S

from flow_core.agent.protocol import FrameDecoder
from flow_core.providers.hosts.bootstrap_main import ARCHIVE_REQUEST, READY
from flow_core.providers.hosts.bootstrap_payload import build_command_line, build_loader_input

_TOOLS = ("uname", "sleep")


class Start(NamedTuple):
    """The end of one start. `greeting` is empty if there was none."""

    code: int
    greeting: dict[str, Any]
    requests_archive: bool
    stderr: str


class BareMachine:
    """Has no Python until `add` creates one. Its `/usr`, `/opt` and `/Library` are below `system`."""

    def __init__(self, folder: Path, shell: Sequence[str] = ("sh",)) -> None:
        self.home, self.system, self.bin = folder / "home", folder / "system", folder / "bin"
        for made in (self.home, self.system, self.bin):
            made.mkdir(parents=True)
        for tool in _TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)
        program = shutil.which(shell[0])
        assert program is not None
        self._shell = (program, *shell[1:])
        self._tried = folder / "tried"
        self.env = {"HOME": str(self.home), "PATH": str(self.bin), "LANG": "C.UTF-8"}

    @property
    def state(self) -> Path:
        return self.home / ".local/state/flow/local"

    @property
    def programs(self) -> Path:
        (root,) = self.state.iterdir()
        return root / "bin"

    def keep_copy(self) -> BareMachine:
        """Creates the copy of the agent that an earlier start would have left."""
        keep_agent_copy(self.state.parent)
        return self

    def add(self, path: Path, script: str = "", python: str = sys.executable) -> Path:
        """Creates an interpreter that records each run; with `script`, a program that does something else instead."""
        path.parent.mkdir(parents=True, exist_ok=True)
        does = script or f'exec {shlex.quote(python)} "$@"'
        path.write_text(f'#!/bin/sh\necho "$0" >>{shlex.quote(str(self._tried))}\n{does}\n')
        path.chmod(0o755)
        return path

    def be(self, system: str) -> None:
        """Sets the output of uname."""
        (self.bin / "uname").unlink()
        (self.bin / "uname").write_text(f"#!/bin/sh\necho {system}\n")
        (self.bin / "uname").chmod(0o755)

    def tried(self) -> list[str]:
        """Returns the interpreters in the order of their first runs."""
        lines = self._tried.read_text().splitlines() if self._tried.exists() else []
        return list(dict.fromkeys(lines))

    def start(self, python: str | None = None, known: str | None = None, sent: bytes = b"") -> Start:
        """Starts the agent once; its standard input ends after `sent`, such as the archive."""
        with self.open(python, known) as process:
            out, err = process.communicate(build_loader_input() + sent, timeout=DEADLINE_S)
        return _read(process.returncode, out, err)

    def open(self, python: str | None = None, known: str | None = None) -> subprocess.Popen[bytes]:
        """Starts the agent with pipes as its streams."""
        line = build_command_line(python, known).replace("sleep 5 ", "sleep 0.5 ")
        for place in ("usr", "opt", "Library"):
            line = line.replace(f" /{place}/", f" {self.system}/{place}/")
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([*self._shell, "-c", line], env=self.env, cwd=self.home, **pipes)  # type: ignore[call-overload, no-any-return]


def _read(code: int, out: bytes, err: bytes) -> Start:
    requests_archive = out.startswith(ARCHIVE_REQUEST)
    rest = out[len(ARCHIVE_REQUEST) :] if requests_archive else out
    greeting: dict[str, Any] = {}
    if rest.startswith(READY):
        greeting = next(iter(FrameDecoder().take(rest[len(READY) :])), [None, {}])[1]
    return Start(code, greeting, requests_archive, err.decode(errors="replace").strip())


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

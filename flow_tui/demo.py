"""`--demo`: an emulated cloud with a sample project, as a process of its own, and the one context that leads there."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from flow_core.config import Config, Context
from flow_core.errors import ConfigError, FlowError

NAME = "demo"
_PACKAGES = Path(__file__).resolve().parent.parent
_START_S = 60.0
_END_S = 15.0
_SHOWN = 500
_THEIRS = ("MITHRIL_", "FLOW_CONFIG", "FLOW_CONTEXT", "SSH_AUTH_SOCK", "SSH_AGENT_PID")


@contextmanager
def demo() -> Iterator[Config]:
    """Its config, as long as the block lasts: until then nothing of the user's is read or written.

    All files lie in a temporary directory that the emulator deletes when it ends, and it ends with this process,
    however that ends. Raises FlowError where it doesn't start.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="flow-demo-")).resolve()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(_own_environment(folder))
        complaints = stack.enter_context(tempfile.TemporaryFile())
        process = _start(folder, complaints)
        stack.callback(_end, process)
        said = _first_line(process)
        complained = _read(complaints)
        if said is None:
            raise FlowError(f"the demo can't start: {complained or 'its emulator says nothing'}")
        yield _config(folder, said, complained)


@contextmanager
def _own_environment(folder: Path) -> Iterator[None]:
    """Without the variables that would lead to accounts, keys and files of the user; they are put back.

    Temporary files of libraries lie in the folder too: asyncssh has a compiler make some while it is loaded.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith(_THEIRS):
            del os.environ[name]
    os.environ.update(FLOW_STATE_DIR=str(folder / "state"), TMPDIR=str(folder))
    tempfile.tempdir = None  # it is looked up again
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir = None


def _start(folder: Path, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "flow_core.emulator", "--sample", "--ends-with-stdin"]
    path = os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [*command, "--folder", str(folder), "--delete-all"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,  # what the terminal sends is for the dashboard; the emulator ends when its stdin does
    )


def _first_line(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """What it says once it can be used; None when it ended before, or time is up."""
    assert process.stdout is not None
    data = b""
    deadline = time.monotonic() + _START_S
    while not data.endswith(b"\n"):
        left_s = max(0.0, deadline - time.monotonic())
        if not select.select([process.stdout], [], [], left_s)[0]:
            return None
        piece = os.read(process.stdout.fileno(), 1 << 16)
        if not piece:
            return None
        data += piece
    said: dict[str, Any] = json.loads(data)
    return said


def _read(complaints: IO[bytes]) -> str:
    """The last line of what it complained of."""
    complaints.seek(0)
    lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("emulator: ").removeprefix("the emulator can't start: ")[:_SHOWN] if lines else ""


def _config(folder: Path, said: dict[str, Any], complained: str) -> Config:
    names = ("api_key", "project", "region", "ssh_key")
    settings = {name: said[name] for name in names} | {"api_url": said["url"]}
    problems = (ConfigError(f"in this demo, {complained}"),) if complained else ()
    return Config(folder / "config.yaml", (Context(NAME, "mithril", settings),), default=NAME, problems=problems)


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()

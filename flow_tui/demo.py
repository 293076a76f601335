"""`--demo`: starts the emulator with its sample project as a child process, and makes a config for it."""

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
_USER_VARIABLES = ("MITHRIL_", "FLOW_CONFIG", "FLOW_CONTEXT", "SSH_AUTH_SOCK", "SSH_AGENT_PID")


@contextmanager
def demo() -> Iterator[Config]:
    """The config of the demo, as long as the block lasts. Nothing of the user is read or written.

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
        details = _first_line(process)
        complaint = _read(complaints)
        if details is None:
            raise FlowError(f"the demo can't start: {complaint or 'its emulator prints nothing'}")
        yield _config(folder, details, complaint)


@contextmanager
def _own_environment(folder: Path) -> Iterator[None]:
    """Removes the variables that lead to accounts, keys and files of the user, and restores them at the end.

    Temporary files of libraries are in the folder too: asyncssh creates some while it is imported.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith(_USER_VARIABLES):
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
        start_new_session=True,  # signals of the terminal are for the dashboard; the emulator ends with its stdin
    )


def _first_line(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """The line that the emulator prints once it can be used; None if it ended before, or time is up."""
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
    details: dict[str, Any] = json.loads(data)
    return details


def _read(complaints: IO[bytes]) -> str:
    """The last line that the emulator wrote to stderr."""
    complaints.seek(0)
    lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("emulator: ").removeprefix("the emulator can't start: ")[:_SHOWN] if lines else ""


def _config(folder: Path, details: dict[str, Any], complaint: str) -> Config:
    names = ("api_key", "project", "region", "ssh_key")
    settings = {name: details[name] for name in names} | {"api_url": details["url"]}
    problems = (ConfigError(f"in this demo, {complaint}"),) if complaint else ()
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

"""Implements `--demo`: starts the emulator with its sample project as a child process, and makes a config for it."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from flow_core.client.context_client import ContextClient
from flow_core.config import Config, Context
from flow_core.errors import ConfigError, FlowError

NAME = "demo"
_PACKAGES = Path(__file__).resolve().parent.parent
_START_S = 60.0
_END_S = 15.0
_SHOWN = 500
_FASTER = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}  # searching them loads importlib.metadata
_USER_VARIABLES = ("MITHRIL_", "FLOW_CONFIG", "FLOW_CONTEXT", "SSH_AUTH_SOCK", "SSH_AGENT_PID")


@contextmanager
def demo() -> Iterator[Callable[[], Config]]:
    """Runs the demo for the duration of the block. Reads and writes no files of the user.

    Yields a function that waits until the emulator is ready and returns the config. All files are in a temporary
    directory that the emulator deletes when it ends. The emulator ends with this process, even if this process is
    killed. The function raises FlowError if the emulator doesn't start.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="flow-demo-")).resolve()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(_isolate_environment(folder))
        stderr = stack.enter_context(tempfile.TemporaryFile())
        process = _start_emulator(folder, stderr)
        stack.callback(_end_emulator, process)
        yield partial(_wait_for_config, folder, process, stderr)


def _wait_for_config(folder: Path, process: subprocess.Popen[bytes], stderr: IO[bytes]) -> Config:
    details = _read_details(process)
    message = _read_last_line(stderr)
    if details is None:
        raise FlowError(f"the demo can't start: {message or 'its emulator prints nothing'}")
    return _make_config(folder, details, message)


def preload() -> None:
    """Loads what the first list of tasks needs. Do it while the emulator starts."""
    import httpx  # noqa: F401

    settings = dict.fromkeys(("api_key", "project", "region"), NAME) | {"api_url": "http://localhost"}
    assert ContextClient(Context(NAME, "mithril", settings)).provider is not None


@contextmanager
def _isolate_environment(folder: Path) -> Iterator[None]:
    """Removes the variables that lead to accounts, keys and files of the user, and restores them at the end.

    Temporary files of libraries are in the folder too: asyncssh creates some while it is imported.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith(_USER_VARIABLES):
            del os.environ[name]
    os.environ.update(FLOW_STATE_DIR=str(folder / "state"), TMPDIR=str(folder))
    tempfile.tempdir = None  # Python finds it again on its next use
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir = None


def _start_emulator(folder: Path, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "flow_core.emulator", "--sample", "--ends-with-stdin"]
    path = os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [*command, "--folder", str(folder), "--delete-all"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "PYTHONPATH": path, **_FASTER},
        start_new_session=True,  # the terminal's signals are for the dashboard; the emulator ends with its stdin
    )


def _read_details(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """Returns the details that the emulator prints once it is ready; None if it ended before, or after a timeout."""
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


def _read_last_line(stderr: IO[bytes]) -> str:
    """Returns the last line that the emulator wrote to stderr."""
    stderr.seek(0)
    lines = stderr.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("emulator: ").removeprefix("the emulator can't start: ")[:_SHOWN] if lines else ""


def _make_config(folder: Path, details: dict[str, Any], message: str) -> Config:
    names = ("api_key", "project", "region", "ssh_key")
    settings = {name: details[name] for name in names} | {"api_url": details["url"]}
    problems = (ConfigError(f"in this demo, {message}"),) if message else ()
    return Config(folder / "config.yaml", (Context(NAME, "mithril", settings),), default=NAME, problems=problems)


def _end_emulator(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()

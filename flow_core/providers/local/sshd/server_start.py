"""Finds the SSH server, or starts it. Standard library only: asyncssh is loaded by the server alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from flow_core.agent.folder_ownership import check_folders
from flow_core.agent.machine import new_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.supervisor_start import PACKAGE_ROOT, build_task_environment, find_python, read_answer
from flow_core.errors import ProviderError, Unreachable
from flow_core.providers.local.sshd.server_files import ServerRecord, SshFolder, running_server

_DEADLINE_S = 15.0
_POLL_S = 0.05
_PATIENCE_S = 1.0
_MODULE = "flow_core.providers.local.sshd.serve"
_CODE = f"import sys; sys.path[:] = sys.argv.pop(1).split(':'); from {_MODULE} import main; main()"


def ensure_server(folder: SshFolder) -> ServerRecord:
    """The one server of this machine folder, started if need be: at once when it runs, else in about a second.

    Twice is safe, and so are two at the same moment. Raises ProviderError, Unreachable.
    """
    try:
        check_folders(folder.root)
    except OSError as error:
        raise ProviderError(f"the SSH server can't be used: {error.strerror}") from error
    make_private_folder(folder.path)
    deadline = time.monotonic() + _DEADLINE_S
    while (found := running_server(folder)) is None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise Unreachable(f"the SSH server did not start within {_DEADLINE_S:g} s; see {folder.log}")
        verdict, _, said = _start(folder, left_s).partition(" ")
        if verdict == "taken":  # another is just starting, or just ending
            _wait_for_another(folder)
        elif verdict != "ok":
            raise ProviderError(f"the SSH server did not start: {said or f'it ended at once; see {folder.log}'}")
    os.utime(folder.record)  # it stays a while for who has just asked
    return found


def _wait_for_another(folder: SshFolder) -> None:
    until = time.monotonic() + _PATIENCE_S
    while running_server(folder) is None and time.monotonic() < until:
        time.sleep(_POLL_S)


def _start(folder: SshFolder, timeout_s: float) -> str:
    """What the new process answers: "ok", "taken", or "failed" and why; "" when it ended without a word."""
    path = [PACKAGE_ROOT, *(os.path.abspath(place) for place in sys.path if place)]
    # A mark of its own: asked for from inside a task, it must not count as one of that task's processes.
    env = {**build_task_environment(), "FLOW_TASK_MARK": new_id("ssh")}
    with open(folder.log, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as complaints:
        process = subprocess.Popen(
            [find_python(), "-I", "-S", "-c", _CODE, ":".join(path), str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=env,
            cwd=folder.path,
            start_new_session=True,
        )
    with process:  # the first process ends as soon as the server is on its own
        try:
            answer = read_answer(process, time.monotonic() + timeout_s)
        except TimeoutError:
            answer = ""
        if not answer:
            process.kill()
    return answer

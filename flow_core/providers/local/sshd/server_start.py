"""Finds or starts the SSH server. Standard library only: asyncssh is loaded by the server alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from flow_core.agent.folder_ownership import check_folders
from flow_core.agent.machine_id import make_new_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.supervisor_start import PACKAGE_ROOT, build_task_environment, find_python, read_answer
from flow_core.errors import ProviderError, Unreachable
from flow_core.providers.local.sshd.server_files import ServerRecord, SshFolder, find_running_server

_DEADLINE_S = 15.0
_POLL_S = 0.05
_OTHER_SERVER_S = 1.0
_MODULE = "flow_core.providers.local.sshd.serve"
_CODE = f"import sys; sys.path[:] = sys.argv.pop(1).split(':'); from {_MODULE} import main; main()"


def ensure_server(folder: SshFolder) -> ServerRecord:
    """Returns the server of this machine folder; starts it if needed, which takes about a second.

    Calling it again is safe, also at the same time. Raises ProviderError, Unreachable.
    """
    try:
        check_folders(folder.root)
    except OSError as error:
        raise ProviderError(f"the SSH server can't be used: {error.strerror}") from error
    make_private_folder(folder.path)
    deadline = time.monotonic() + _DEADLINE_S
    while (server := find_running_server(folder)) is None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise Unreachable(f"the SSH server did not start within {_DEADLINE_S:g} s; see {folder.log}")
        verdict, _, reason = _start(folder, left_s).partition(" ")
        if verdict == "taken":  # another server is starting or ending
            _wait_for_other_server(folder)
        elif verdict != "ok":
            raise ProviderError(f"the SSH server did not start: {reason or f'it ended at once; see {folder.log}'}")
    os.utime(folder.record)  # keeps the server running for this client
    return server


def _wait_for_other_server(folder: SshFolder) -> None:
    deadline = time.monotonic() + _OTHER_SERVER_S
    while find_running_server(folder) is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _start(folder: SshFolder, timeout_s: float) -> str:
    """Starts a process, and returns its first line: "ok", "taken", or "failed" and why; "" if it printed nothing."""
    path = [PACKAGE_ROOT, *(os.path.abspath(entry) for entry in sys.path if entry)]
    # Use a separate mark: a server that a task starts must not count as a process of that task.
    env = {**build_task_environment(), "FLOW_TASK_MARK": make_new_id("ssh")}
    with open(folder.log, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as log:
        process = subprocess.Popen(
            [find_python(), "-I", "-S", "-c", _CODE, ":".join(path), str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=env,
            cwd=folder.path,
            start_new_session=True,
        )
    with process:  # the first process ends as soon as the server has forked
        try:
            answer = read_answer(process, time.monotonic() + timeout_s)
        except TimeoutError:
            answer = ""
        if not answer:
            process.kill()
    return answer

"""Starts and watches the program that downloads a task's data, before the task waits for GPUs."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from flow_core.agent.capacity import queue
from flow_core.agent.layout import TaskFolder
from flow_core.agent.processes.termination import end_tree
from flow_core.agent.processes.tree import ProcessIdentity, ProcessTree
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import read_json
from flow_core.agent.s3.staging import forget_credentials, read_s3_mounts
from flow_core.agent.supervisor.launch_error import LaunchError
from flow_core.agent.supervisor.process_launch import LaunchedProcess, OutputChannel, ProcessLaunch, describe_exit
from flow_core.agent.supervisor.state_writer import TaskOutcome, TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal

_PROGRAM = "import sys; sys.path[0] = sys.argv.pop(1); from flow_core.agent.s3.download_main import main; main()"
_PACKAGE_ROOT = str(Path(__file__).parents[3])
_SILENCE_S = 120.0  # the program reports twice a second
# Take all of them from one source: a key fits only its own token and profile.
_CREDENTIALS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"})


class DownloadLauncher:
    """The launcher of one task's download. The download runs once for all attempts of the task."""

    def __init__(self, writer: TaskStateWriter, stop: StopSignal, notice: str) -> None:
        """Creates the launcher. `notice` follows each progress message."""
        self._writer = writer
        self._stop = stop
        self._notice = f"; {notice}" if notice else ""
        self._addresses = " and ".join(mount["s3"] for mount in read_s3_mounts(writer.task))
        self._supervisor_end = -1
        self._unread = b""
        self._result: str | None = None

    def run(self) -> TaskOutcome | None:
        """Runs the download.

        Returns None once the data is complete and the task is queued; otherwise the outcome of the task.
        """
        if not self._addresses:
            return None
        self._set_message(f"fetching {self._addresses}")
        problem = self._download()
        forget_credentials(self._writer.task)
        if self._stop.must_stop:
            return self._stop.build_outcome()
        if problem:
            return TaskOutcome("failed", message=problem)
        self._writer.set_message("")
        with queue.queue_lock(self._writer.task.root):  # at the position of its submission
            queue.enqueue(self._writer.task, self._writer.spec)
        return None

    def _download(self) -> str:
        """Downloads the data; returns "" or the problem as a sentence. Leaves no process behind."""
        task, spec = self._writer.task, self._writer.spec
        python = os.path.expanduser(spec.s3_python or sys.executable)
        launch = ProcessLaunch(
            argv=[python, "-X", "utf8", "-c", _PROGRAM, _PACKAGE_ROOT, str(task.path)],
            env=_environment({**_sent_credentials(task), **spec.env}),
            working_dir=str(task.path),
            open_channel=self._open_streams,
        )
        try:
            child = launch.start()
            responds = self._read_progress(child)
            status = self._end(child)
        except LaunchError as error:
            return f"{self._addresses} can't be fetched: {error}"
        finally:
            if self._supervisor_end != -1:
                os.close(self._supervisor_end)
        if self._result is not None:
            return self._result
        code, how = describe_exit(status)
        why = (how or f"exit code {code}") if responds else "it stopped answering"
        return f"{self._addresses} can't be fetched: the program that fetches it ended early ({why})"

    def _open_streams(self) -> OutputChannel:
        """Opens the program's streams.

        Its input ends when this process ends; its errors go to this process's standard error.
        """
        stdin, self._supervisor_end = os.pipe()
        stdout, stdout_write = os.pipe()
        os.set_blocking(stdout, False)
        return OutputChannel((stdin, stdout_write, os.dup(2)), (stdout,))

    def _read_progress(self, child: LaunchedProcess) -> bool:
        """Reads until the end of the program's output; returns False if it is silent for too long."""
        read_at = time.monotonic()
        while not self._stop.must_stop:
            if self._stop.wait({child.stdout}, _SILENCE_S):
                read_at = time.monotonic()
                data = os.read(child.stdout, 1 << 16)
                if not data:
                    break
                self._parse(data)
            elif time.monotonic() - read_at >= _SILENCE_S:
                return False
        return True

    def _parse(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            verb, _, text = line.decode(errors="replace").partition(" ")
            if verb == "progress":
                self._set_message(text)
            else:
                self._result = text

    def _set_message(self, text: str) -> None:
        self._writer.set_message(text + self._notice)

    def _end(self, child: LaunchedProcess) -> int:
        """Ends the program and its children, unless it has reported its result; returns its wait status."""
        if self._result is None:
            leader = ProcessIdentity.of(child.pid)
            end_tree(
                ProcessTree(self._writer.spec.mark, [leader] if leader else [], os.getpid()).list_members, grace_s=0.0
            )
        os.close(child.stdout)
        return os.waitpid(child.pid, 0)[1]


def _environment(task_env: dict[str, str]) -> dict[str, str]:
    """Returns this process's environment with the AWS variables of the task."""
    own = {name: value for name, value in task_env.items() if name.startswith("AWS_")}
    left_out = _CREDENTIALS if _CREDENTIALS & own.keys() else frozenset()
    return {**{name: value for name, value in os.environ.items() if name not in left_out}, **own}


def _sent_credentials(task: TaskFolder) -> dict[str, str]:
    """Returns the credentials that a client sent for this task."""
    try:
        env = Fields(read_json(task.credentials) or {}).table("env")
    except ValueError:
        return {}
    return {str(name): value for name, value in env.items() if isinstance(value, str)}

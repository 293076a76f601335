"""Pulls the image of a task that waits for it."""

from __future__ import annotations

import os
import time

from flow_core.agent.containers.engine import ContainerEngine, find_last_line
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.processes.table import find_process
from flow_core.agent.processes.termination import end_tree
from flow_core.agent.spool import STDERR, SpoolWriter
from flow_core.agent.supervisor.launch_error import LaunchError
from flow_core.agent.supervisor.process_launch import LaunchedProcess, ProcessLaunch, describe_exit
from flow_core.agent.supervisor.state_writer import TaskOutcome, TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal

_CHUNK = 1 << 16
_GRACE_S = 2.0
_ERROR_PREFIX = "Error: "


class ImagePull:
    """One `pull`, whose output starts the task's log, on stderr."""

    def __init__(self, writer: TaskStateWriter, stop: StopSignal, engine: ContainerEngine) -> None:
        self._writer = writer
        self._stop = stop
        self._engine = engine
        self._output_tail = b""

    def run(self, image: str) -> TaskOutcome | None:
        """Pulls the image; returns None on success, otherwise the outcome of the task.

        Takes as long as the network needs.
        """
        self._writer.set_message(f"pulling {image}")
        argv = [self._engine.path, "pull", image]
        try:
            child = ProcessLaunch(argv, self._engine.environment, str(self._writer.task.path)).start()
        except LaunchError as error:
            return TaskOutcome("failed", error.exit_code, str(error))
        status = self._follow(child)
        if self._stop.must_stop:
            return self._stop.build_outcome()
        code, killed = describe_exit(status)
        if code == 0:
            return None
        why = killed or find_last_line(self._output_tail) or f"exit code {code}"
        why = why[len(_ERROR_PREFIX) :] if why.startswith(_ERROR_PREFIX) else why
        return TaskOutcome("failed", 125, f"{self._engine.name} can't pull {image!r}: {why}")

    def _follow(self, child: LaunchedProcess) -> int:
        files = self._writer.task.get_spool()
        make_private_folder(files.log.parent)
        spool = SpoolWriter(files, self._writer.clock.now_us, self._stop.wait_for_room)
        fds = {child.stdout, child.stderr}
        while fds and not self._stop.must_stop:
            for fd in self._stop.wait(fds, None):
                if data := os.read(fd, _CHUNK):
                    spool.append(STDERR, data)
                    self._output_tail = (self._output_tail + data)[-4096:]
                else:
                    os.close(fd)
                    fds.discard(fd)
        for fd in fds:
            os.close(fd)
        spool.close()
        return self._end(child)

    def _end(self, child: LaunchedProcess) -> int:
        """Returns the wait status of the client; ends it first if the task must stop."""
        if self._stop.must_stop:
            end_tree(
                lambda: [one] if (one := find_process(child.pid)) and not one.is_zombie else [], _GRACE_S, time.sleep
            )
        return os.waitpid(child.pid, 0)[1]

"""Having a task's data fetched before its turn comes, by a program that may use libraries; here is none."""

from __future__ import annotations

import os
import time
from pathlib import Path

from flow_core.agent.capacity import queue
from flow_core.agent.layout import TaskFolder
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import read_json
from flow_core.agent.s3.copies import copies_among, forget_credentials
from flow_core.agent.s3.python import fetching_python
from flow_core.agent.supervisor.launch import LaunchedProcess, LaunchError, ProcessLaunch, describe_exit
from flow_core.agent.supervisor.processes import ProcessIdentity, ProcessTree
from flow_core.agent.supervisor.stop_signal import StopSignal
from flow_core.agent.supervisor.task_state import TaskOutcome, TaskStateWriter
from flow_core.agent.supervisor.tree_end import end_tree

_CODE = "import sys; sys.path[0] = sys.argv.pop(1); from flow_core.agent.s3.fetch import main; main()"
_PACKAGE_ROOT = str(Path(__file__).parents[3])
_CHUNK = 1 << 16
_SILENCE_S = 120.0  # it speaks twice a second
# They belong together: a key from one place with a token from another opens no door.
_CREDENTIALS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"})


class Fetching:
    """The data of one task, fetched once however often the task is tried."""

    def __init__(self, ledger: TaskStateWriter, stop: StopSignal, notice: str) -> None:
        """`notice` goes along with all that is said of the progress."""
        self._ledger = ledger
        self._stop = stop
        self._notice = f"; {notice}" if notice else ""
        self._line = b""
        self._verdict: tuple[str, str] | None = None
        mounts = (read_json(ledger.task.mounts) or {}).get("mounts", [])
        self._names = " and ".join(mount["s3"] for mount in copies_among(mounts))

    def run(self) -> TaskOutcome | None:
        """None once the data is there and the task has its place in the line; else how the task ends."""
        if not self._names:
            return None
        self._say(f"fetching {self._names}")
        problem = self._fetch()
        forget_credentials(self._ledger.task)
        if self._stop.must_stop:
            return self._stop.outcome()
        if problem:
            return TaskOutcome("failed", message=problem)
        self._take_place()
        return None

    def _fetch(self) -> str:
        """What went wrong, as a sentence; "" when all is there. Leaves no process behind."""
        task = self._ledger.task
        # The program ends when the other end of this pipe does: with this process, whatever ends it.
        tie, held = os.pipe()
        launch = ProcessLaunch(
            argv=[
                fetching_python(self._ledger.spec.s3_python),
                "-X",
                "utf8",
                "-c",
                _CODE,
                _PACKAGE_ROOT,
                str(task.path),
                str(tie),
            ],
            env=_environment({**_sent_along(task), **self._ledger.spec.env}),
            working_dir=str(task.path),
            inherited_fds=[tie],
        )
        try:
            child = launch.start()
            answered = self._listen(child)
            status = self._end(child)
        except LaunchError as error:
            return self._failure(str(error))
        finally:
            os.close(tie)
            os.close(held)
        if self._verdict is not None:
            return self._verdict[1]
        code, how = describe_exit(status)
        why = (how or f"exit code {code}") if answered else "it stopped answering"
        return self._failure(f"the program that fetches it ended early ({why})")

    def _failure(self, why: str) -> str:
        return f"{self._names} can't be fetched: {why}"

    def _listen(self, child: LaunchedProcess) -> bool:
        """Passes on what the program says until it falls silent; False when it does so without ending."""
        streams = {child.stdout, child.stderr}
        heard_at = time.monotonic()
        while child.stdout in streams and not self._stop.must_stop:
            for fd in self._stop.wait(streams, _SILENCE_S):
                heard_at = time.monotonic()
                if not self._pass_on(fd, is_report=fd == child.stdout):
                    streams.remove(fd)
            if time.monotonic() - heard_at >= _SILENCE_S:
                return False
        return True

    def _pass_on(self, fd: int, is_report: bool) -> bool:
        """One piece; False at the end of the stream."""
        data = os.read(fd, _CHUNK)
        try:
            if is_report:
                self._take(data)
            else:
                os.write(2, data)
        except OSError:
            pass  # a full disk, most likely; the program will run into it too and say so
        return bool(data)

    def _take(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            verb, _, text = line.decode(errors="replace").partition(" ")
            if verb == "say":
                self._say(text)
            else:
                self._verdict = (verb, text)

    def _say(self, text: str) -> None:
        self._ledger.set_message(text + self._notice)

    def _end(self, child: LaunchedProcess) -> int:
        """Its wait status, once it and whatever it started are gone."""
        if self._verdict is None:
            leader = ProcessIdentity.of(child.pid)
            tree = ProcessTree(self._ledger.spec.mark, [leader] if leader else [], os.getpid())
            end_tree(tree.members, grace_s=0.0)
        for fd in (child.stdout, child.stderr):
            os.close(fd)
        return os.waitpid(child.pid, 0)[1]

    def _take_place(self) -> None:
        """From now on it waits for GPUs, at the place it got when it was submitted."""
        self._ledger.set_message("")
        with queue.queue_lock(self._ledger.task.root):
            queue.enqueue(self._ledger.task, self._ledger.spec)


def _environment(of_task: dict[str, str]) -> dict[str, str]:
    """Ours, with what the task's own says of AWS."""
    own = {name: value for name, value in of_task.items() if name.startswith("AWS_")}
    left_out = _CREDENTIALS if _CREDENTIALS & own.keys() else frozenset()
    return {**{name: value for name, value in os.environ.items() if name not in left_out}, **own}


def _sent_along(task: TaskFolder) -> dict[str, str]:
    """The keys that a client sent for this task."""
    try:
        env = Fields(read_json(task.credentials) or {}).table("env")
    except ValueError:
        return {}
    return {str(name): value for name, value in env.items() if isinstance(value, str)}

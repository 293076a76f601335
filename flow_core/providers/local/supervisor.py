"""The small process that keeps one task: waits for its GPUs, runs it, writes its log and its end.

Standard library only, and everything is imported before the task starts: an upgrade of the package must
not break a supervisor that runs. It is started as `main()` with "run FOLDER" or "settle FOLDER".
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from flow_core.logs.spool import STDERR, STDOUT, SpoolWriter
from flow_core.providers.local import leases, queue
from flow_core.providers.local.launch import Clock, Launch, LaunchError, end_of
from flow_core.providers.local.layout import TaskFolder, make_folder
from flow_core.providers.local.namespace import Mount, can_mount
from flow_core.providers.local.processes import Identity, Tree, end_tree, grace_s
from flow_core.providers.local.records import MalformedRecord, State, locked, read_json, try_lock
from flow_core.providers.local.settle import settle, settle_beside

_PR_SET_CHILD_SUBREAPER = 36
_CHUNK = 1 << 18
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def main() -> None:
    """Leaves the process that called, then does what the arguments say."""
    job, folder = sys.argv[1:3]
    if os.fork():
        os._exit(0)
    os.setsid()
    task = TaskFolder(Path(folder))
    if job == "settle":
        settle(task)
        return
    Supervisor(task).run()


class Supervisor:
    """One task from its queue to its end."""

    def __init__(self, task: TaskFolder) -> None:
        self._task = task
        self._spec: dict[str, Any] = read_json(task.spec) or {}
        self._state = State(supervisor=Identity.mine(), working_dir=str(self._spec["working_dir"]))
        self._clock = Clock(not_before=float(self._spec["created_at"]))
        self._locks = leases.GpuLocks()
        self._streams: dict[int, int] = {}
        self._ended: int | None = None
        self._asked = False
        self._notice = ""
        self._deadline: float | None = None
        self._wake, self._wake_write = os.pipe()

    def run(self) -> None:
        lock = try_lock(self._task.alive_lock)
        if lock is None:
            _answer("refused another supervisor has this task")
            return
        self._listen()
        self._note_mounts()
        if self._notice and any(not one.get("volume_id") for one in self._wanted_mounts()):
            _answer(f"unsupported {self._notice}")
            return
        self._state.message = self._notice
        self._state.write(self._task.state)
        _answer("ok")
        if not self._wait_for_turn():
            self._finish("cancelled" if self._task.cancel.exists() else "failed", None, self._why_stopped())
            return
        try:
            self._start()
        except LaunchError as error:
            self._finish("failed", error.exit_code, str(error))
            return
        self._keep()

    def _listen(self) -> None:
        for fd in (self._wake, self._wake_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def _on_stop(self, number: int, frame: object) -> None:
        self._asked = True

    @property
    def _must_stop(self) -> bool:
        return self._asked or (self._deadline is not None and time.monotonic() >= self._deadline)

    def _why_stopped(self) -> str:
        if self._task.cancel.exists():
            return ""
        if self._asked:
            return "stopped: its supervisor was told to end, as when the machine shuts down"
        return f"stopped after {self._spec['max_run_time_hours']:g} h (max_run_time_hours)"

    def _is_urgent(self) -> bool:
        try:
            return bool((read_json(self._task.cancel) or {}).get("force"))
        except MalformedRecord:
            return False

    # Waiting

    def _wait_for_turn(self) -> bool:
        """True when the task may start; False when it was stopped while it waited."""
        self._asked = self._asked or self._task.cancel.exists()
        ticket = queue.ticket_of(self._task, int(self._spec["seq"]))
        if ticket is None:
            return not self._asked
        bell = queue.open_bell(ticket)
        try:
            while not self._asked:
                answer = queue.try_start(ticket)
                if isinstance(answer, leases.GpuLocks):
                    self._locks = answer
                    self._state.gpus = leases.leased_by(self._task, ticket.candidates)
                    queue.ring(self._task.root)
                    return True
                self._say(answer.replace("GPU", str(self._spec["gpus"]["type"]), 1))
                holders = leases.held_by(self._task.root, ticket.candidates).values()
                settle_beside({holder for holder in holders if holder is not None})
                self._sleep(bell)
        finally:
            if bell is not None:
                os.close(bell)
        ticket.drop()
        return False

    def _say(self, message: str) -> None:
        if message != self._state.message:
            self._state.message = message
            self._state.write(self._task.state)

    def _sleep(self, bell: int | None) -> None:
        fds = [self._wake] if bell is None else [self._wake, bell]
        for fd in select.select(fds, [], [], 2.0)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(fd, 4096)

    # Starting

    def _note_mounts(self) -> None:
        mounts = self._mounts()
        if not mounts:
            return
        make_folder(self._task.path / "root")
        problem = can_mount(mounts, self._task.path / "root")
        self._state.namespaced = not problem
        if problem:
            self._notice = (
                f"volumes are found under {self._task.links} and in FLOW_VOLUME_*, not at their mount paths: {problem}"
            )

    def _mounts(self) -> list[Mount]:
        return [Mount(one["source"], one["target"], bool(one.get("read_only"))) for one in self._wanted_mounts()]

    def _wanted_mounts(self) -> list[dict[str, Any]]:
        return list((read_json(self._task.mounts) or {}).get("mounts", []))

    def _take_mounts(self) -> list[dict[str, Any]]:
        """The mounts, settled from now on: a volume attached later comes as a link."""
        with locked(self._task.volumes_lock):
            self._note_mounts()
            self._state.mounts_taken = True
            self._state.write(self._task.state)
            return self._wanted_mounts()

    def _start(self) -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        mounts = self._take_mounts()
        env = self._environment(mounts)
        files = self._task.spool()
        make_folder(files.log.parent)
        self._spool = SpoolWriter(files, self._clock.now_us)
        launch = Launch(
            argv=self._spec["argv"],
            env=env,
            working_dir=self._state.working_dir,
            mounts=self._mounts() if self._state.namespaced else (),
            staging=self._task.path / "root",
            inherited_fds=self._locks.fds,
        )
        self._state.started_at = self._clock.now()
        child = launch.start()
        self._streams = {child.stdout: STDOUT, child.stderr: STDERR}
        self._state.child = Identity.of(child.pid) or Identity(child.pid, "", "")
        self._state.status = "running"
        self._state.message = self._notice
        if hours := self._spec.get("max_run_time_hours"):
            self._deadline = time.monotonic() + hours * 3600
        self._state.write(self._task.state)

    def _environment(self, mounts: list[dict[str, Any]]) -> dict[str, str]:
        env = {**os.environ, **self._spec["env"]}
        env.update(FLOW_TASK_ID=self._task.task_id, FLOW_TASK_NAME=self._spec["name"])
        env.update(FLOW_TASK_DIR=str(self._task.path), FLOW_TASK_MARK=self._spec["mark"])
        visible = self._spec["gpus"]["visible"]
        if self._state.gpus:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(visible[gpu_id] for gpu_id in self._state.gpus)
        elif self._spec["gpus"]["hide"]:
            env["CUDA_VISIBLE_DEVICES"] = ""
        for mount in mounts:
            if mount.get("volume_id"):
                link = self._task.links / mount["name"]
                make_folder(link.parent)
                if not link.is_symlink():
                    link.symlink_to(mount["source"])
                variable = "FLOW_VOLUME_" + mount["name"].upper().replace("-", "_")
                env[variable] = mount["target"] if self._state.namespaced else str(link)
        return env

    # Running

    def _keep(self) -> None:
        while self._ended is None and not self._must_stop:
            left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
            self._pump(left)
        stopped = self._ended is None
        tree = Tree(self._spec["mark"], self._state.child, os.getpid())
        end_tree(tree.members, grace_s(), self._pump_for, self._is_urgent)
        while self._pump(0):
            pass
        self._spool.close()
        code, message = end_of(self._ended) if self._ended is not None else (None, "")
        if not stopped:
            self._finish("failed" if code else "completed", code, message)
        elif self._task.cancel.exists():
            self._finish("cancelled", code, message)
        else:
            self._finish("failed", code, self._why_stopped())

    def _pump_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._pump(left)

    def _pump(self, timeout_s: float | None) -> bool:
        """Waits for output or a signal, takes one round of it; True when output came."""
        ready, _, _ = select.select([self._wake, *self._streams], [], [], timeout_s)
        came = False
        for fd in ready:
            if fd == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(fd, 4096)
                continue
            data = os.read(fd, _CHUNK)
            if data:
                self._spool.append(self._streams[fd], data)
                came = True
            else:
                os.close(fd)
                del self._streams[fd]
        self._reap()
        return came

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._state.child is not None and pid == self._state.child.pid:
                self._ended = status

    def _finish(self, status: str, exit_code: int | None, message: str) -> None:
        self._state.status, self._state.exit_code = status, exit_code
        self._state.message = message or self._state.message
        self._state.completed_at = self._clock.now()
        self._state.write(self._task.state)
        self._locks.release()
        queue.ring(self._task.root)


def _answer(said: str) -> None:
    """Tells the submitter, who waits for it on our standard output, and lets go of it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, said.encode(errors="replace") + b"\n")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)

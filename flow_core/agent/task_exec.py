"""Runs a command inside a running task: builds its argv and its environment.

Over SSH, clients run `main()` with the arguments "enter FOLDER NODE HOW [COMMAND]": the task's folder, the number of
the node, "terminal" or "pipes" ("found" to check standard input), and a shell command line; without it an interactive
shell starts. The process replaces itself by the command and exits with its exit code. A refusal is the last line of
standard error (`Refused.line`), with the exit code 126.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.containers.container_exec import make_container_entry
from flow_core.agent.folder_ownership import check_folders
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.nsenter import exec_command, exit_with_refusal, restore_default_signals
from flow_core.agent.refusals import Refused
from flow_core.agent.spec import StoredSpec
from flow_core.agent.supervisor.rank_environment import (
    DEFAULT_ENVIRONMENT,
    TERMINAL_ENVIRONMENT,
    rank_environment,
    select_rank_gpus,
)
from flow_core.agent.supervisor_start import PACKAGE_ROOT, build_task_environment, find_python
from flow_core.agent.task_reader import StoredTask
from flow_core.agent.task_state import TaskState
from flow_core.agent.tasks import TaskStore

NO_NODE = "no_such_node"
BROKEN_NOT_ENTERED = "broken_task_not_entered"
NOT_RUNNING = "task_not_running"
NODE_ENDED = "node_ended"
FOLDER_UNUSABLE = "state_folder_unusable"

_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from flow_core.agent.nsenter import main; main()"
_REFUSED_EXIT_CODE = 126


class ExecSpec(NamedTuple):
    """A command that runs inside a task. `shell` is the name of its shell.

    `cleanup`, if set, ends the processes that outlive a killed client of the command; it may take seconds.
    """

    argv: list[str]
    env: dict[str, str]
    shell: str
    cleanup: Callable[[], None] | None = None


class _NamespaceExec(NamedTuple):
    """A command, with its working directory and the process whose namespaces to enter (`pid`, 0 for none)."""

    pid: int
    folder: str
    argv: list[str]
    env: dict[str, str]
    shell: str
    cleanup: Callable[[], None] | None = None


def make_exec_spec(stored: StoredTask, command: str | None, node: int, *, on_terminal: bool) -> ExecSpec:
    """Builds a command that enters a task and runs a shell command line there, or an interactive shell.

    May wait some seconds for a container that is starting. Refuses with the codes of `find_enterable`,
    CONTAINER_CLOSED, ENGINE_GONE and NO_PYTHON.
    """
    target = _make_namespace_exec(stored, command, node, on_terminal=on_terminal)
    stdin_kind = "terminal" if on_terminal else "pipes"
    enter_argv = [find_python(), "-I", "-S", "-c", _CODE, PACKAGE_ROOT, stdin_kind, str(target.pid), target.folder]
    return ExecSpec([*enter_argv, *target.argv], target.env, target.shell, target.cleanup)


def find_enterable(stored: StoredTask, node: int) -> TaskState:
    """Returns the state of a task that can be entered.

    Refuses with NO_NODE, BROKEN_NOT_ENTERED, NOT_RUNNING, NODE_ENDED.
    """
    report, state = stored.report, stored.state
    if not 0 <= node < report.ranks:
        raise Refused(NO_NODE, task_id=report.task_id, ranks=report.ranks, node=node)
    if stored.is_broken:
        raise Refused(BROKEN_NOT_ENTERED, task_id=report.task_id, problem=stored.problem)
    if not report.is_running or state is None or node >= len(state.children):
        raise Refused(NOT_RUNNING, task_id=report.task_id, status=report.status)
    if not state.children[node].is_alive:
        raise Refused(NODE_ENDED, task_id=report.task_id, node=node)
    return state


def main() -> None:
    """Enters a task, by the arguments that the module describes."""
    _, folder, node, stdin_kind, *command = sys.argv[1:]
    task, on_terminal = TaskFolder(Path(folder)), os.isatty(0) if stdin_kind == "found" else stdin_kind == "terminal"
    try:
        _check(task)
        stored = TaskStore(Layout(task.root, task.context)).get(task.task_id)
        target = _make_namespace_exec(stored, command[0] if command else None, int(node), on_terminal=on_terminal)
    except Refused as refused:
        sys.stderr.write(f"{refused.format_line()}\n")
        sys.exit(_REFUSED_EXIT_CODE)
    target = target._replace(env={**target.env, **_user_environment(stored, on_terminal=on_terminal)})
    if target.cleanup is not None:
        sys.exit(_run_client(target, target.cleanup))
    exec_command(target.pid, target.folder, target.argv, target.env)


def _user_environment(stored: StoredTask, *, on_terminal: bool) -> dict[str, str]:
    """Returns the variables of the SSH session: the terminal, and the language unless the task's own env sets it."""
    own = {} if stored.spec is None else stored.spec.env
    names = [name for name in os.environ if (name == "LANG" or name.startswith("LC_")) and name not in own]
    names += ["TERM"] if on_terminal and "TERM" in os.environ else []
    return {name: os.environ[name] for name in names}


def _check(task: TaskFolder) -> None:
    try:
        check_folders(task.root, task.context, [task.path])
    except OSError as error:
        raise Refused(FOLDER_UNUSABLE, why=error.strerror or type(error).__name__) from error


def _make_namespace_exec(stored: StoredTask, command: str | None, node: int, *, on_terminal: bool) -> _NamespaceExec:
    state, spec = find_enterable(stored, node), stored.spec
    assert spec is not None  # only a broken task has none
    pid = state.children[node].pid if state.namespaced else 0
    terminal = TERMINAL_ENVIRONMENT if on_terminal else {}
    if spec.container is not None:
        client = make_container_entry(stored, command, node, on_terminal=on_terminal)
        return _NamespaceExec(pid, state.working_dir, client.argv, {**client.env, **terminal}, "shell", client.cleanup)
    env = _environment(stored, spec, state, node)
    shell = shutil.which(env.get("SHELL") or "bash") or "/bin/sh"
    argv = [shell, "-c", command] if command else [shell, "-i"]
    return _NamespaceExec(pid, state.working_dir, argv, {**env, **terminal}, Path(shell).name)


def _environment(stored: StoredTask, spec: StoredSpec, state: TaskState, node: int) -> dict[str, str]:
    """Returns the environment of the task itself; rebuilds it from the record if the system doesn't show it."""
    try:
        entries = Path(f"/proc/{state.children[node].pid}/environ").read_bytes().split(b"\0")
    except OSError:
        entries = []
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if b"=" in entry)
    env = {name: value for name, _, value in pairs}
    if env.get("FLOW_TASK_MARK") != spec.mark:
        gpus = select_rank_gpus(state.gpus, node, stored.report.ranks)
        rank_variables = rank_environment(spec, node, len(gpus), state.master_port)
        env = {**build_task_environment(), **DEFAULT_ENVIRONMENT, **rank_variables, **spec.env}
        env.update(FLOW_TASK_ID=stored.task_id, FLOW_TASK_NAME=stored.report.name)
        env.update(FLOW_TASK_MARK=spec.mark)
    return env


def _run_client(target: _NamespaceExec, cleanup: Callable[[], None]) -> int:
    """Runs the engine's client and returns its exit code.

    A killed client leaves its command running in the container. A separate process watches this one, because SSH may
    end this process without a signal that it could catch.
    """
    restore_default_signals()
    read_fd, write_fd = os.pipe()
    if os.fork() == 0:
        os.close(write_fd)
        _watch_client(read_fd, cleanup)
    os.close(read_fd)
    try:
        code = subprocess.call(target.argv, env=target.env, cwd=target.folder)
    except OSError as error:
        exit_with_refusal(error)
    os.write(write_fd, b"1")
    return code if code >= 0 else 128 - code


def _watch_client(read_fd: int, cleanup: Callable[[], None]) -> None:
    """Runs `cleanup` if the other end of the pipe was closed before anything was written."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # an open stream would keep the connection open
            os.dup2(null, stream)
        if not os.read(read_fd, 1):
            cleanup()
    finally:
        os._exit(0)

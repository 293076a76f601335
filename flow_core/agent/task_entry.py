"""How a process gets into a running task: what is executed, and with which environment. Standard library only.

Whoever reaches this machine over SSH runs `main()` with "enter FOLDER NODE HOW [COMMAND]": the task's folder, the
number of the node, "terminal" or "pipes" ("found" for what standard input is), and a shell line, without which it is
an interactive shell. It becomes the command, and ends with its exit code. A refusal is the last line of standard error
(`Refused.line`), and ends with 126.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.containers.entry import make_container_entry
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.namespace_entry import exec_command, exit_with_refusal, restore_default_signals
from flow_core.agent.refusals import Refused
from flow_core.agent.safe_folders import check_folders
from flow_core.agent.spec import StoredSpec
from flow_core.agent.state import TaskState
from flow_core.agent.supervisor.ranks import (
    DEFAULT_ENVIRONMENT,
    TERMINAL_ENVIRONMENT,
    rank_environment,
    select_rank_gpus,
)
from flow_core.agent.supervisor_start import PACKAGE_ROOT, build_task_environment, find_python
from flow_core.agent.tasks import StoredTask, TaskStore

NO_NODE = "no_such_node"
BROKEN_NOT_ENTERED = "broken_task_not_entered"
NOT_RUNNING = "task_not_running"
NODE_ENDED = "node_ended"
FOLDER_UNUSABLE = "state_folder_unusable"

_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from flow_core.agent.namespace_entry import main; main()"
_REFUSED = 126


class ExecSpec(NamedTuple):
    """A command that runs inside a task. `shell` is the name of its shell.

    `leave`, where there is one, ends what outlives the command when it is ended from outside; it may take seconds.
    """

    argv: list[str]
    env: dict[str, str]
    shell: str
    leave: Callable[[], None] | None = None


class _NamespaceExec(NamedTuple):
    """What is executed once the process has stepped in: into the namespaces of `pid`, 0 for none, and the folder."""

    pid: int
    folder: str
    argv: list[str]
    env: dict[str, str]
    shell: str
    leave: Callable[[], None] | None = None


def make_exec_spec(standing: StoredTask, command: str | None, node: int, *, on_terminal: bool) -> ExecSpec:
    """A shell line, or an interactive shell, in a task's folder, in a process that steps in by itself.

    May wait for seconds for a container that is just starting. Refuses as `enterable` does, with CONTAINER_CLOSED,
    ENGINE_GONE, NO_PYTHON.
    """
    inside = _inside(standing, command, node, on_terminal=on_terminal)
    how = "terminal" if on_terminal else "pipes"
    step_in = [find_python(), "-I", "-S", "-c", _CODE, PACKAGE_ROOT, how, str(inside.pid), inside.folder]
    return ExecSpec([*step_in, *inside.argv], inside.env, inside.shell, inside.leave)


def find_enterable(standing: StoredTask, node: int) -> TaskState:
    """What runs there now. Refuses with NO_NODE, BROKEN_NOT_ENTERED, NOT_RUNNING, NODE_ENDED."""
    report, state = standing.report, standing.state
    if not 0 <= node < report.ranks:
        raise Refused(NO_NODE, task_id=report.task_id, ranks=report.ranks, node=node)
    if standing.is_broken:
        raise Refused(BROKEN_NOT_ENTERED, task_id=report.task_id, problem=standing.problem)
    if not report.is_running or state is None or node >= len(state.children):
        raise Refused(NOT_RUNNING, task_id=report.task_id, status=report.status)
    if not state.children[node].is_alive:
        raise Refused(NODE_ENDED, task_id=report.task_id, node=node)
    return state


def main() -> None:
    _, folder, node, how, *command = sys.argv[1:]
    task, on_terminal = TaskFolder(Path(folder)), os.isatty(0) if how == "found" else how == "terminal"
    try:
        _check(task)
        standing = TaskStore(Layout(task.root, task.context)).get(task.task_id)
        inside = _inside(standing, command[0] if command else None, int(node), on_terminal=on_terminal)
    except Refused as refused:
        sys.stderr.write(f"{refused.line()}\n")
        sys.exit(_REFUSED)
    inside = inside._replace(env={**inside.env, **_of_the_user(standing, on_terminal=on_terminal)})
    if inside.leave is not None:
        sys.exit(_attend(inside, inside.leave))
    exec_command(inside.pid, inside.folder, inside.argv, inside.env)


def _of_the_user(standing: StoredTask, *, on_terminal: bool) -> dict[str, str]:
    """What SSH brought of whoever enters: the terminal, and the language where the task's own env says none."""
    own = {} if standing.spec is None else standing.spec.env
    names = [name for name in os.environ if (name == "LANG" or name.startswith("LC_")) and name not in own]
    names += ["TERM"] if on_terminal and "TERM" in os.environ else []
    return {name: os.environ[name] for name in names}


def _check(task: TaskFolder) -> None:
    try:
        check_folders(task.root, task.context, [task.path])
    except OSError as error:
        raise Refused(FOLDER_UNUSABLE, why=error.strerror or type(error).__name__) from error


def _inside(standing: StoredTask, command: str | None, node: int, *, on_terminal: bool) -> _NamespaceExec:
    state, spec = find_enterable(standing, node), standing.spec
    assert spec is not None  # only of a broken task there is none
    pid = state.children[node].pid if state.namespaced else 0
    terminal = TERMINAL_ENVIRONMENT if on_terminal else {}
    if spec.container is not None:
        client = make_container_entry(standing, command, node, on_terminal=on_terminal)
        return _NamespaceExec(pid, state.working_dir, client.argv, {**client.env, **terminal}, "shell", client.leave)
    env = _environment(standing, spec, state, node)
    shell = shutil.which(env.get("SHELL") or "bash") or "/bin/sh"
    argv = [shell, "-c", command] if command else [shell, "-i"]
    return _NamespaceExec(pid, state.working_dir, argv, {**env, **terminal}, Path(shell).name)


def _environment(standing: StoredTask, spec: StoredSpec, state: TaskState, node: int) -> dict[str, str]:
    """What the task itself runs with; rebuilt from its record where the system doesn't show it."""
    try:
        entries = Path(f"/proc/{state.children[node].pid}/environ").read_bytes().split(b"\0")
    except OSError:
        entries = []
    pairs = (os.fsdecode(make_exec_spec).partition("=") for make_exec_spec in entries if b"=" in make_exec_spec)
    env = {name: value for name, _, value in pairs}
    if env.get("FLOW_TASK_MARK") != spec.mark:
        gpus = select_rank_gpus(state.gpus, node, standing.report.ranks)
        told = rank_environment(spec, node, len(gpus), state.master_port)
        env = {**build_task_environment(), **DEFAULT_ENVIRONMENT, **told, **spec.env}
        env.update(FLOW_TASK_ID=standing.task_id, FLOW_TASK_NAME=standing.report.name)
        env.update(FLOW_TASK_MARK=spec.mark)
    return env


def _attend(inside: _NamespaceExec, leave: Callable[[], None]) -> int:
    """Runs the engine's client, whose end from outside leaves what runs in the container; returns its exit code.

    A process of its own watches this one, which SSH may end without any signal that could be caught.
    """
    restore_default_signals()
    watching, attended = os.pipe()
    if os.fork() == 0:
        os.close(attended)
        _watch(watching, leave)
    os.close(watching)
    try:
        code = subprocess.call(inside.argv, env=inside.env, cwd=inside.folder)
    except OSError as error:
        exit_with_refusal(error)
    os.write(attended, b"1")
    return code if code >= 0 else 128 - code


def _watch(watching: int, leave: Callable[[], None]) -> None:
    """Leaves where nothing was written before the other end was gone."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # an open one would keep the connection
            os.dup2(null, stream)
        if not os.read(watching, 1):
            leave()
    finally:
        os._exit(0)

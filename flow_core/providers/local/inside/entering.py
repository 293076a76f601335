"""How a process gets into a running task: what is executed, and with which environment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.state import State
from flow_core.agent.supervisor.ranks import OF_EVERY_TASK, environment, share
from flow_core.errors import ConfigError, Conflict
from flow_core.providers.local.containers.entry import container_entry
from flow_core.providers.local.spawn import PACKAGE_ROOT, python, task_environment
from flow_core.providers.local.tasks import Standing

_CODE = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from flow_core.providers.local.inside.enter import main; main()"
)


class Entry(NamedTuple):
    """A command that runs inside a task. `shell` is the name of its shell.

    `leave`, where there is one, ends what outlives the command when it is ended from outside; it may take seconds.
    """

    argv: list[str]
    env: dict[str, str]
    shell: str
    leave: Callable[[], None] | None = None


def entry(standing: Standing, command: str | None, node: int, *, on_terminal: bool) -> Entry:
    """A shell line, or an interactive shell, in a task's folder. Raises Conflict, ConfigError, Unreachable.

    May wait for seconds for a container that is just starting.
    """
    state = enterable(standing, node)
    how, inside = "terminal" if on_terminal else "pipes", str(state.children[node].pid if state.namespaced else 0)
    enter = [python(), "-I", "-S", "-c", _CODE, PACKAGE_ROOT, how, inside, state.working_dir]
    terminal = {"TERM": "xterm-256color"} if on_terminal else {}
    if standing.spec.get("container"):
        client = container_entry(standing, command, node, on_terminal=on_terminal)
        return Entry([*enter, *client.argv], client.env | terminal, "shell", client.leave)
    env = _environment(standing, state, node)
    shell = shutil.which(env.get("SHELL") or "bash") or "/bin/sh"
    argv = [shell, "-c", command] if command else [shell, "-i"]
    return Entry([*enter, *argv], env | terminal, Path(shell).name)


def enterable(standing: Standing, node: int) -> State:
    """What runs there now. Raises Conflict, ConfigError where nobody could enter."""
    record, state = standing.record, standing.state
    if not 0 <= node < record.num_instances:
        which = f"the nodes 0 to {record.num_instances - 1}" if record.num_instances > 1 else "one node, 0"
        raise ConfigError(f"node: task {record.task_id} has {which}, and no {node}", field="node")
    if standing.is_broken:
        raise Conflict(f"task {record.task_id} can't be entered: {standing.problem}")
    if not record.is_running or state is None or node >= len(state.children):
        raise Conflict(f"task {record.task_id} is {record.status}; only a running one can be entered")
    if not state.children[node].is_alive:
        raise Conflict(f"node {node} of task {record.task_id} has ended; only a running one can be entered")
    return state


def _environment(standing: Standing, state: State, node: int) -> dict[str, str]:
    """What the task itself runs with; rebuilt from its record where the system doesn't show it."""
    try:
        entries = Path(f"/proc/{state.children[node].pid}/environ").read_bytes().split(b"\0")
    except OSError:
        entries = []
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if b"=" in entry)
    env = {name: value for name, _, value in pairs}
    if env.get("FLOW_TASK_MARK") != standing.spec["mark"]:
        gpus = share(state.gpus, node, standing.record.num_instances)
        told = environment(standing.spec, node, len(gpus), state.master_port)
        env = {**task_environment(), **OF_EVERY_TASK, **told, **standing.spec["env"]}
        env |= {"FLOW_TASK_ID": standing.record.task_id, "FLOW_TASK_NAME": standing.record.name}
        env |= {"FLOW_TASK_MARK": standing.spec["mark"]}
    return env

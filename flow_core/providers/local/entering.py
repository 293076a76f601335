"""How a process gets into a running task: what is executed, and with which environment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from flow_core.errors import ConfigError, Conflict
from flow_core.providers.local.spawn import PACKAGE_ROOT, python, task_environment
from flow_core.providers.local.tasks import Standing

_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from flow_core.providers.local.enter import main; main()"


class Entry(NamedTuple):
    """A command that runs inside a task. `shell` is the name of its shell."""

    argv: list[str]
    env: dict[str, str]
    shell: str


def entry(standing: Standing, command: str | None, node: int, *, on_terminal: bool) -> Entry:
    """A shell line, or an interactive shell, in a task's folder. Raises Conflict, ConfigError."""
    state = standing.state
    if not standing.record.is_running or state is None or state.child is None:
        raise Conflict(f"task {standing.record.task_id} is {standing.record.status}; only a running one can be entered")
    if node != 0:
        raise ConfigError(f"node: task {standing.record.task_id} has one node, 0, and no {node}", field="node")
    env = _environment(standing, state.child.pid)
    shell = shutil.which(env.get("SHELL") or "bash") or "/bin/sh"
    inside = str(state.child.pid if state.namespaced else 0)
    argv = [shell, "-c", command] if command else [shell, "-i"]
    how = "terminal" if on_terminal else "pipes"
    enter = [python(), "-I", "-S", "-c", _CODE, PACKAGE_ROOT, how, inside, state.working_dir]
    return Entry([*enter, *argv], {**env, "TERM": "xterm-256color"} if on_terminal else env, Path(shell).name)


def _environment(standing: Standing, pid: int) -> dict[str, str]:
    """What the task itself runs with; rebuilt from its record where the system doesn't show it."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        entries = []
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if b"=" in entry)
    env = {name: value for name, _, value in pairs}
    if env.get("FLOW_TASK_MARK") != standing.spec["mark"]:
        env = {**task_environment(), **standing.spec["env"]}
        env |= {"FLOW_TASK_ID": standing.record.task_id, "FLOW_TASK_NAME": standing.record.name}
        env |= {"FLOW_TASK_MARK": standing.spec["mark"]}
    return env

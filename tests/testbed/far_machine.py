"""The far side of the provider `hosts` without a network: its program, by a shell of choice, in a home of its own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from testbed.waiting import DEADLINE_S, wait_until

from flow_core.providers.hosts.answers import Answer, read_answer
from flow_core.providers.hosts.program import question, resident, version
from flow_core.providers.hosts.told import Told, tasks_told

# What the program may use, and nothing that some systems lack: no setsid, no env, no perl, no timeout.
POSIX_TOOLS = (
    *("sh", "cat", "date", "df", "find", "getconf", "grep", "ln", "ls", "mkdir", "mv", "ps", "rm", "sed"),
    *("sleep", "tail", "tr", "uname"),
)


class FarMachine:
    """A machine that keeps tasks. `shell` are the words that start its sh."""

    def __init__(self, home: Path, shell: Sequence[str] = ("/bin/sh",), path: str | None = None) -> None:
        self.home = home
        self._shell = tuple(shell)
        self._env = {"HOME": str(home), "PATH": path or os.environ["PATH"], "FLOW_HOSTS_GRACE_S": "1"}
        home.mkdir(parents=True, exist_ok=True)

    def ask(self, call: str, *words: str, env: Mapping[str, str] | None = None) -> Answer:
        """One question; the program is put there when it is asked for."""
        answer = self._ask(question(call, *words), env)
        if answer.refusal == ("agent",):
            text = self._by_my_shell(resident().encode()).decode()
            self._ask(question("install_agent", version(), text), env)
            answer = self._ask(question(call, *words), env)
        return answer

    def start(
        self,
        command: str,
        task_id: str,
        *,
        gpus: Sequence[str] = (),
        count: int | None = None,
        env: Mapping[str, str] | None = None,
        **plan: str,
    ) -> Answer:
        said = {
            "count": str(len(gpus) if count is None else count),
            "candidates": " ".join(gpus),
            "model": "a100",
            **dict.fromkeys(("real", "hide", "rank"), "0"),
            "ranks": "1",
            **dict.fromkeys(("limit_s", "max_hours", "delays", "notice", "volumes", "paths", "dir"), ""),
            **plan,
        }
        lines = "\n".join(f"{name}={shlex.quote(value)}" for name, value in said.items())
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in (env or {}).items())
        script = f"{exports}set -- /bin/sh -c {shlex.quote(command)}"
        record = json.dumps({"version": 1, "name": "far", "created_at": time.time()})
        return self.ask("start", task_id, version(), record, "", lines, script)

    def told(self, task_id: str) -> Told:
        return tasks_told(self.ask("tell_one", task_id))[task_id]

    def until(self, task_id: str, holds: Callable[[Told], bool]) -> Told:
        def reached() -> Told | None:
            return now if holds(now := self.told(task_id)) else None

        return wait_until(reached, explain=lambda: self.told(task_id))

    def running(self, task_id: str) -> Told:
        return self.until(task_id, lambda told: told.word == "running")

    def ended(self, task_id: str) -> Told:
        return self.until(task_id, lambda told: told.is_final)

    @property
    def root(self) -> Path:
        (found,) = (self.home / ".local/state/flow/hosts").iterdir()
        return found

    def task(self, task_id: str) -> Path:
        return self.root / "tasks" / task_id

    def log(self, task_id: str, attempt: int = 0) -> bytes:
        return (self.task(task_id) / f"attempt-{attempt}" / "rank-0.log").read_bytes()

    def keeper(self, task_id: str) -> int:
        return int((self.task(task_id) / "keeper").read_text().split()[0])

    def kill_keeper(self, task_id: str) -> None:
        os.kill(self.keeper(task_id), signal.SIGKILL)

    def end_everything(self) -> None:
        for task_id in tasks_told(self.ask("tell", "-", "1")):
            self.ask("cancel", task_id, "force")
        for task_id in tasks_told(self.ask("tell", "-", "1")):
            self.ended(task_id)

    def _ask(self, text: bytes, env: Mapping[str, str] | None) -> Answer:
        ended = subprocess.run(
            self._shell,
            input=self._by_my_shell(text),
            capture_output=True,
            env={**self._env, **(env or {})},
            timeout=DEADLINE_S,
            check=False,
        )
        return read_answer(ended.stdout, "far", ended.stderr)

    def _by_my_shell(self, text: bytes) -> bytes:
        """Keepers run by the same shell as questions do."""
        return text.replace(b"sh=/bin/sh\n", b"sh='" + " ".join(self._shell).encode() + b"'\n", 1)


def posix_path(folder: Path) -> str:
    """A PATH with what POSIX promises, and nothing else of this system."""
    folder.mkdir(parents=True, exist_ok=True)
    for tool in POSIX_TOOLS:
        found = next((Path(place, tool) for place in ("/usr/bin", "/bin") if Path(place, tool).exists()), None)
        assert found is not None, tool
        if not (folder / tool).exists():
            (folder / tool).symlink_to(found)
    return str(folder)

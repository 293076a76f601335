"""podman or docker, and the few commands of theirs that we use. Standard library only.

Loaded only for tasks with an image: `subprocess` costs as much as all the rest of a supervisor.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import Any, NamedTuple

ENGINES = ("podman", "docker")
MARK_LABEL = "flow.mark"
# What decides which engine and whose containers a client sees. Kept in the task's record, since whoever ends the task
# must see the same ones.
STEERING = (
    *("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINER_HOST"),
    *("DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST"),
    *("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
)
_DEADLINE_S = 10.0
_LOOK_DEADLINE_S = 5.0
_LONGEST = 500
# To every process but the first, which an init passes it on to. kill is a part of every sh.
_TERM_ALL = "kill -s TERM -1"


class EngineError(Exception):
    """The engine did not do what it was asked; the text is its last word."""


class ContainerEngine(NamedTuple):
    """`options` are for every container here, `env` is what of STEERING was set."""

    name: str
    path: str
    options: tuple[str, ...]
    env: dict[str, str]

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> ContainerEngine:
        """Raises KeyError, TypeError or ValueError on anything that isn't one."""
        return cls(str(data["name"]), str(data["path"]), tuple(data["options"]), dict(data["env"]))

    @property
    def environment(self) -> dict[str, str]:
        """What the client runs with."""
        return {**{name: value for name, value in os.environ.items() if name not in STEERING}, **self.env}

    @property
    def has_init(self) -> bool:
        return "--init" in self.options

    def ask(self, *words: str, deadline_s: float = _DEADLINE_S) -> str:
        """What it prints. Raises EngineError; FileNotFoundError when the client itself is gone."""
        try:
            done = subprocess.run(
                [self.path, *words],
                env=self.environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=deadline_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EngineError(f"no answer within {deadline_s:g} s") from None
        except FileNotFoundError:
            raise
        except OSError as error:
            raise EngineError(f"{self.path} can't be run: {error.strerror}") from error
        if done.returncode != 0:
            raise EngineError(find_last_line(done.stderr) or f"exit code {done.returncode}")
        return done.stdout.decode(errors="replace").strip()

    def has_image(self, image: str) -> bool:
        return self._does("image", "inspect", "--format", "{{.Id}}", image)

    def containers(self, mark: str) -> list[str]:
        """The ids of a task's containers, in whatever state. Raises EngineError, FileNotFoundError."""
        return self.ask("ps", "--all", "--quiet", "--filter", f"label={MARK_LABEL}={mark}").split()

    def state_of(self, name: str) -> tuple[str, int]:
        """Its state in the engine's word ("running") and exit code, which is -1 when nobody was there to see it.

        Raises EngineError, also when there is no such container; FileNotFoundError.
        """
        form = "{{.State.Status}} {{.State.ExitCode}}"
        word, _, code = self.ask("container", "inspect", "--format", form, name, deadline_s=_LOOK_DEADLINE_S).partition(
            " "
        )
        return word, int(code or 0)

    def terminate(self, name: str) -> bool:
        """SIGTERM to every process of a container; False when it couldn't be told."""
        # Without an init the first process is the command itself, which the line leaves out.
        told_first = not self.has_init and self._does("kill", "--signal", "TERM", name)
        told_all = self._does("exec", name, "sh", "-c", _TERM_ALL)
        return told_first or told_all or self._does("kill", "--signal", "TERM", name)

    def kill(self, name: str) -> bool:
        """SIGKILL; False when it couldn't be told."""
        return self._does("kill", name)

    def remove(self, name: str) -> None:
        """For a container that has ended, or never began, and that nobody else removes. Twice is safe."""
        self._does("rm", "--force", name)

    def _does(self, *words: str) -> bool:
        try:
            self.ask(*words)
        except (EngineError, FileNotFoundError):
            return False
        return True


def find_last_line(said: bytes) -> str:
    """The last line that says something, fit to be shown; docker's advice to read its help does not."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
    telling = [line for line in lines if line and not line.startswith(("Run 'docker", "See 'docker"))]
    shown = telling[-1][:_LONGEST] if telling else ""
    return "".join(sign if sign.isprintable() else "?" for sign in shown)

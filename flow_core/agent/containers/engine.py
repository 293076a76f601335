"""podman or docker, and the few commands of them that the agent uses.

Loaded only for tasks with an image: importing `subprocess` takes as long as the rest of a supervisor's start.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import Any, NamedTuple

ENGINES = ("podman", "docker")
MARK_LABEL = "flow.mark"
# Variables that select the engine and its containers. They are stored in the task's record, since the process that ends
# the task must see the same containers.
STEERING = (
    *("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINER_HOST"),
    *("DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST"),
    *("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
)
_DEADLINE_S = 10.0
_STATE_DEADLINE_S = 5.0
_LENGTH_MAX = 500
# Signals every process except the first; an init forwards the signal to its child. kill is built into every sh.
_TERM_ALL = "kill -s TERM -1"


class EngineError(Exception):
    """The engine failed; the text is its last line of output."""


class ContainerEngine(NamedTuple):
    """One container engine.

    `options` apply to every container here; `env` holds the STEERING variables that were set.
    """

    name: str
    path: str
    options: tuple[str, ...]
    env: dict[str, str]

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> ContainerEngine:
        """Parses an engine. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(str(data["name"]), str(data["path"]), tuple(data["options"]), dict(data["env"]))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the client."""
        return {**{name: value for name, value in os.environ.items() if name not in STEERING}, **self.env}

    @property
    def has_init(self) -> bool:
        return "--init" in self.options

    def ask(self, *arguments: str, deadline_s: float = _DEADLINE_S) -> str:
        """Runs a command and returns its output. Raises EngineError; FileNotFoundError if the client is missing."""
        try:
            done = subprocess.run(
                [self.path, *arguments],
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
        return self._succeeds("image", "inspect", "--format", "{{.Id}}", image)

    def list_containers(self, mark: str) -> list[str]:
        """Returns the ids of a task's containers in any state. Raises EngineError, FileNotFoundError."""
        return self.ask("ps", "--all", "--quiet", "--filter", f"label={MARK_LABEL}={mark}").split()

    def get_state(self, name: str) -> tuple[str, int]:
        """Returns the engine's name of the state ("running") and the exit code, which is -1 if no monitor saw the exit.

        Raises EngineError, also if there is no such container; FileNotFoundError.
        """
        form = "{{.State.Status}} {{.State.ExitCode}}"
        word, _, code = self.ask(
            "container", "inspect", "--format", form, name, deadline_s=_STATE_DEADLINE_S
        ).partition(" ")
        return word, int(code or 0)

    def terminate(self, name: str) -> bool:
        """Sends SIGTERM to every process of a container; returns False if that failed."""
        # Without an init the first process is the command itself, which _TERM_ALL doesn't reach.
        is_first_sent = not self.has_init and self._succeeds("kill", "--signal", "TERM", name)
        is_rest_sent = self._succeeds("exec", name, "sh", "-c", _TERM_ALL)
        return is_first_sent or is_rest_sent or self._succeeds("kill", "--signal", "TERM", name)

    def kill(self, name: str) -> bool:
        """Sends SIGKILL; returns False if that failed."""
        return self._succeeds("kill", name)

    def remove(self, name: str) -> None:
        """Removes a container that has ended or never started. Calling it again is safe."""
        self._succeeds("rm", "--force", name)

    def _succeeds(self, *arguments: str) -> bool:
        try:
            self.ask(*arguments)
        except (EngineError, FileNotFoundError):
            return False
        return True


def find_last_line(output: bytes) -> str:
    """Returns the last line with content, made printable. Skips docker's hint to read its help."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines()]
    useful = [line for line in lines if line and not line.startswith(("Run 'docker", "See 'docker"))]
    text = useful[-1][:_LENGTH_MAX] if useful else ""
    return "".join(character if character.isprintable() else "?" for character in text)

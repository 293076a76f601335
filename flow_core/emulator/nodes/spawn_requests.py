"""Builds the spawn requests of a machine: program, user, working directory and environment."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from typing import Any, NamedTuple

from flow_core.emulator.nodes.pid1_client import NotStarted, SpawnRequest

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
)
_WITHOUT_ROOT = (
    "not run: this machine shares the file system of the one that emulates it, and the command names a path there "
    "without $FLOW_NODE_ROOT before it"
)


class SpawnRequestBuilder(NamedTuple):
    """A builder of requests for one machine. `prefix` is "", or the root folder of a machine without isolation."""

    prefix: str
    address: str

    def resolve(self, path: str) -> str:
        """Returns the path as processes of the machine see it."""
        return self.prefix + path

    def build_shell(
        self, user: str, command: str | None, env: Mapping[str, str], more: Mapping[str, Any]
    ) -> SpawnRequest:
        """Builds the request for a shell or a command, like sshd.

        Raises NotStarted for a command that would use the host's paths.
        """
        if self.prefix and command is not None and _contains_path(command):
            raise NotStarted(_WITHOUT_ROOT)
        argv = ["-bash"] if command is None else ["bash", "-c", command]
        return SpawnRequest(self._bash, argv, {**self._environment(user), **env}, self._home(user), more)

    def build_script(self, path: str, log: str) -> SpawnRequest:
        """Builds the request that runs a script as root, with its output in the log."""
        argv = ["bash", self.resolve(path)]
        return SpawnRequest(
            self._bash, argv, self._environment("root"), self.resolve("/"), {"output": self.resolve(log)}
        )

    def build_command(self, script: str, path: str, *more: str) -> SpawnRequest:
        """Builds the request that runs a line of sh as root; its $1 is a path of the machine."""
        argv = ["sh", "-c", script, "sh", self.resolve(path), *more]
        return SpawnRequest("/bin/sh", argv, self._environment("root"), self.resolve("/"), {"output": os.devnull})

    def build_file_server(self, user: str) -> SpawnRequest:
        """Builds the request for the system's sftp-server.

        Uses flow's own SFTP server if there is none or the client must stay below the prefix.
        """
        found = next((path for path in _SFTP_SERVERS if os.access(path, os.X_OK)), None)
        if self.prefix or found is None:
            return SpawnRequest("", [], {}, self._home(user), {"files_below": self.prefix})
        return SpawnRequest(found, [found], self._environment(user), self._home(user))

    @property
    def _bash(self) -> str:
        return (shutil.which("bash") if self.prefix else None) or "/bin/bash"

    def _environment(self, user: str) -> dict[str, str]:
        name = "root" if user == "root" else "ubuntu"
        env = {"HOME": self._home(user), "USER": name, "LOGNAME": name, "SHELL": self._bash, "LANG": "C.UTF-8"}
        if not self.prefix:
            return {**env, "PATH": _PATH}
        path = f"{self.resolve('/usr/local/bin')}:{os.environ.get('PATH', _PATH)}"
        return {**env, "PATH": path, "FLOW_NODE_ROOT": self.prefix, "FLOW_NODE_ADDRESS": self.address}

    def _home(self, user: str) -> str:
        return self.resolve("/root" if user == "root" else "/home/ubuntu")


def _contains_path(command: str) -> bool:
    return "FLOW_NODE_ROOT" not in command and "/" in re.sub(r"/dev/(null|stdin|stdout|stderr)\b", "", command)

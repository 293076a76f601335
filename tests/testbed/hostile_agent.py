"""The remote side of an SSH connection, whose output a test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from flow_core.agent.protocol import GREETING, VERSION, FrameDecoder, encode_frame
from flow_core.models.completed_command import CompletedCommand
from flow_core.providers.hosts.bootstrap_main import READY
from flow_core.providers.hosts.bootstrap_payload import build_loader_input
from flow_core.ssh.settings import HostSettings

FACTS: dict[str, Any] = {
    **{"protocol": VERSION, "agent": "agent-0123456789abcdef", "python": "/usr/bin/python3", "machine": "abc"},
    **{"root": "/root/x", "tasks": "/root/x/tasks", "user": "ada", "now": 1.8e9},
}


class HostileHost:
    """A host whose agent sends what a test chooses.

    `answers` holds, by the name of a call, what follows the number in its answer, or bytes that are sent instead.
    `first` is the output before the first call. With `exit_code` set, the process ends after that output.
    """

    def __init__(self, answers: dict[str, list[Any] | bytes], first: bytes | None = None) -> None:
        self.answers = answers
        self.first = greeting(FACTS) if first is None else first
        self.exit_code: int | None = None
        self.stderr = b""
        self.calls: list[str] = []
        self.commands: list[str] = []
        self.settings = HostSettings("one", "10.0.0.7", "ada")

    async def find(self, name: str, **_: Any) -> HostileHost:
        return self

    async def close(self) -> None:
        """Does nothing: nothing is open."""

    @asynccontextmanager
    async def start(self, command: str) -> AsyncIterator[HostileProcess]:
        self.commands.append(command)
        yield HostileProcess(self)


class HostileProcess:
    """One process of the host, with the methods of a running command."""

    def __init__(self, host: HostileHost) -> None:
        self._host = host
        self._out: asyncio.Queue[bytes] = asyncio.Queue()
        self._err: asyncio.Queue[bytes] = asyncio.Queue()
        self._still = len(build_loader_input())
        self._frames = FrameDecoder()
        self.result = None if host.exit_code is None else CompletedCommand(host.exit_code)
        for queue, output in ((self._out, host.first), (self._err, host.stderr)):
            if output:
                queue.put_nowait(output)
            if host.exit_code is not None:
                queue.put_nowait(b"")

    async def read(self, stream: int = 1) -> bytes:
        return await (self._out if stream == 1 else self._err).get()

    async def write(self, data: bytes) -> None:
        skipped = min(self._still, len(data))
        self._still -= skipped
        for number, call, *_ in self._frames.take(data[skipped:]) if len(data) > skipped else ():
            self._host.calls.append(call)
            answer = self._host.answers.get(call, ["ok", None])
            self._out.put_nowait(answer if isinstance(answer, bytes) else encode_frame([number, *answer]))

    def write_eof(self) -> None:
        self._out.put_nowait(b"")
        self._err.put_nowait(b"")

    async def wait_closed(self) -> None:
        """Returns immediately."""


def greeting(facts: Any) -> bytes:
    return READY + encode_frame([GREETING, facts])

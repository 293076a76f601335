"""Programs that use flow, forked from one process that has loaded it: to start Python for each takes half a second."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any

from testbed.places import ROOT

# Every connection to its socket is one program: it sends its number and what it prints, and its end closes the socket.
_SERVER = """
import json, os, select, signal, socket, sys
import asyncssh
from flow_core import AsyncFlow, Flow
from flow_core.providers.hosts import agent_connection, bootstrap_payload, gang_start, provider, submit
from flow_core.providers.local import provider as local
from flow_core.providers.over_ssh import code_folder
from flow_core.ssh import host

def run(connection):
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(connection.fileno(), 1)
    print(os.getpid(), flush=True)
    code, sys.argv[1:], folder, env = json.loads(connection.makefile().readline())
    connection.close()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    exec(compile(code, "<client program>", "exec"), {"__name__": "__main__"})

bootstrap_payload.build_archive()
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(64)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while server in select.select([0, server], [], [])[0]:
    connection, _ = server.accept()
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        server.close()
        run(connection)
        sys.exit()
    connection.close()
"""


class ClientProgram:
    """One running program."""

    def __init__(self, pid: int, output: asyncio.StreamReader) -> None:
        self.pid = pid
        self._output = output

    @property
    def is_over(self) -> bool:
        return self._output.at_eof()

    async def line(self) -> str:
        """Returns the next line that it prints; "" if it has ended."""
        return (await self._output.readline()).decode().strip()

    def send(self, signal: Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal)

    async def kill(self) -> None:
        """Kills the program and waits for its end; unread output is lost."""
        self.send(SIGKILL)
        await self._output.read()


@asynccontextmanager
async def client_program(code: str, *arguments: Any) -> AsyncIterator[ClientProgram]:
    """Runs the code in our folder and environment, with the arguments as JSON in sys.argv[1]. Kills it at the end."""
    reader, writer = await asyncio.open_unix_connection(_socket())
    try:
        program = ClientProgram(int(await reader.readline()), reader)
        order = [code, [json.dumps(arguments)], os.getcwd(), dict(os.environ)]
        writer.write(json.dumps(order).encode() + b"\n")
        try:
            yield program
        finally:
            await program.kill()
    finally:
        writer.close()


@cache
def _socket() -> str:
    """Returns the socket of the process that forks the programs; that process ends with this one."""
    folder = tempfile.TemporaryDirectory(prefix="flow-")
    path = str(Path(folder.name, "socket"))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", _SERVER, path]
    server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    server.stdout.close()

    def end() -> None:
        server.stdin.close()
        server.wait()
        folder.cleanup()

    atexit.register(end)
    return path

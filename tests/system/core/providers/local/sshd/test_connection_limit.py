"""The SSH server of tasks stays open to its owner, whoever else connects to its port."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import socket
import subprocess

import pytest
from testbed.waiting import until

pytestmark = pytest.mark.needs("ssh")

IDLE = 300


async def test_idle_connections_do_not_lock_the_owner_out_and_the_oldest_of_them_end(machine):
    task = await machine.running(await machine.submit("sleep 300"))
    endpoint = await machine.provider.endpoints.resolve(task.task_id)
    command = await machine.provider.endpoints.command(task.task_id)
    with contextlib.ExitStack() as stack:
        before = stack.enter_context(session(command, "echo entered; cat"))
        assert await asyncio.to_thread(before.stdout.readline) == b"entered\n"
        idle = [stack.enter_context(socket.create_connection((endpoint.host, endpoint.port))) for _ in range(IDLE)]
        await until(lambda: is_closed(idle[0]))
        after = stack.enter_context(session(command, "echo entered"))
        assert await asyncio.to_thread(after.communicate) == (b"entered\n", None)
        assert not is_closed(idle[-1])
        assert await asyncio.to_thread(before.communicate, b"still there") == (b"still there", None)


def session(command: str, remote: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*shlex.split(command), remote], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True

"""Shells of local tasks: on terminals of this machine; those in containers over its SSH server."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from testbed.local_ssh_servers import find_live_servers
from testbed.waiting import DEADLINE_S

from flow_core.errors import HostKeyChanged, NotFound, Unreachable

SLEEP = b"sleep %d" % (4_713_000_000 + os.getpid())


@pytest.fixture
async def task(machine):
    return await machine.running(await machine.submit("sleep 300"))


async def _said(shell, wanted: bytes) -> bytes:
    received = b""
    async with asyncio.timeout(DEADLINE_S):
        async for piece in shell.read():
            received += piece
            if wanted in received:
                break
    return received


async def _rest(output) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        return b"".join([piece async for piece in output])


async def test_a_shell_needs_no_server(machine, task):
    shell = await machine.provider.shells.open(task.task_id, columns=80, rows=24, command="echo in $FLOW_TASK_ID")
    assert task.task_id.encode() in await _said(shell, task.task_id.encode())
    assert await shell.wait() == 0
    await shell.close()
    assert list(find_live_servers(machine.home / "state")) == []


async def test_a_shell_has_its_size_the_type_of_its_terminal_and_the_users_language(machine, task, monkeypatch):
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    command = "stty size; echo $TERM $LC_TIME; read line; stty size"
    shell = await machine.provider.shells.open(task.task_id, columns=77, rows=33, command=command)
    output = shell.read()
    received = b""
    while b"C.UTF-8" not in received:
        received += await anext(output)
    assert received.split() == [b"33", b"77", b"xterm-256color", b"C.UTF-8"]
    await shell.resize(90, 20)
    await shell.write(b"\r")
    assert b"20 90" in await _rest(output)
    await shell.close()


async def test_the_keys_of_a_terminal_reach_what_runs_in_it(machine, task):
    shell = await machine.provider.shells.open(task.task_id, columns=80, rows=24)
    await shell.write(SLEEP + b"\r")
    await machine.until(lambda: _runs(SLEEP), "the sleep")
    await shell.write(b"\x03")
    await machine.until(lambda: not _runs(SLEEP), "it has ended")
    await shell.write(b"echo code $?\r")
    assert b"code 130" in await _said(shell, b"code 130")
    await shell.close()


async def test_a_closed_shell_ends_what_runs_in_it(machine, task):
    shell = await machine.provider.shells.open(task.task_id, columns=80, rows=24, command=f"{SLEEP.decode()}; true")
    await machine.until(lambda: _runs(SLEEP), "the sleep")
    await shell.close()
    await machine.until(lambda: not _runs(SLEEP), "it has ended")


async def test_a_flood_is_read_in_large_pieces(machine, task):
    """A terminal gives at most 4 kB at once; the reader joins what is there."""
    command = "echo up; read line; head -c 2000000 /dev/zero | tr '\\0' x"
    shell = await machine.provider.shells.open(task.task_id, columns=80, rows=24, command=command)
    output = shell.read()
    assert b"up" in await anext(output)
    await shell.write(b"\r")
    pieces = [piece async for piece in output]
    assert b"".join(pieces).count(b"x") == 2_000_000
    assert max(map(len, pieces)) > 4096
    await shell.close()


async def test_a_shell_in_a_container_is_opened_over_the_server_and_a_lost_one_says_so(shared_machine, container):
    shells = shared_machine.provider.shells
    shell = await shells.open(container.task_id, columns=80, rows=24, command="echo here; cat")
    output = shell.read()
    assert b"here" in await anext(output)
    (server,) = find_live_servers(shared_machine.home / "state")
    server.process.send(signal.SIGKILL)
    with pytest.raises(Unreachable, match=container.name):
        await _rest(output)
    await shell.close()
    await shared_machine.until(lambda: not server.process.is_alive, "the server is gone")
    again = await shells.open(container.task_id, columns=80, rows=24, command="echo again")
    assert b"again" in await _said(again, b"again")
    await again.close()


async def test_a_server_with_another_key_is_not_taken_for_ours(shared_machine, container):
    endpoint = await shared_machine.provider.endpoints.resolve(container.task_id)
    honest = endpoint.known_hosts.read_text()
    assert honest.startswith(f"{endpoint.host_key_alias} ")
    kind, _, rest = honest.partition(" ")[2].partition(" ")
    other = rest.replace(rest[30:40], rest[30:40][::-1])
    endpoint.known_hosts.write_text(f"{endpoint.host_key_alias} {kind} {other}")
    try:
        with pytest.raises(HostKeyChanged):
            await shared_machine.provider.shells.open(container.task_id, columns=80, rows=24)
    finally:
        endpoint.known_hosts.write_text(honest)


async def test_an_unknown_task_starts_no_server(machine):
    with pytest.raises(NotFound):
        await machine.provider.shells.open("task_aaaaaaaaaa", columns=80, rows=24)
    assert list(find_live_servers(machine.home / "state")) == []


async def test_a_shell_ends_with_its_task(machine, task):
    shell = await machine.provider.shells.open(task.task_id, columns=80, rows=24, command="trap '' HUP; echo up; cat")
    output = shell.read()
    assert b"up" in await anext(output)
    await machine.provider.cancel_task(task.task_id, force=True)
    await _rest(output)
    assert await shell.wait() > 128
    await shell.close()


async def test_what_the_server_itself_has_to_say_stands_on_the_terminal(shared_machine, container):
    shells = shared_machine.provider.shells
    shell = await shells.open(container.task_id, columns=80, rows=24, command="echo up; cat")
    output, received = shell.read(), b""
    assert b"up" in await anext(output)
    (server,) = find_live_servers(shared_machine.home / "state")
    server.process.send(signal.SIGTERM)
    with suppress(Unreachable):
        async with asyncio.timeout(DEADLINE_S):
            async for piece in output:
                received += piece
    assert b"flow: the SSH server ends" in received
    await shell.close()
    await shared_machine.until(lambda: not server.process.is_alive, "the server is gone")


def _runs(command: bytes) -> bool:
    """Whether a process of this machine has this command line."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if file.read_bytes().strip(b"\0").replace(b"\0", b" ") == command:
                return True
    return False

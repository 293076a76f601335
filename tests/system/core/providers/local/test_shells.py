"""Shells of local tasks: over the SSH server of this machine, whoever opens them."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import pytest
from testbed.local_ssh_servers import find_live_servers
from testbed.waiting import DEADLINE_S

from flow_core.errors import HostKeyChanged, NotFound, Unreachable


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


async def test_the_first_shell_starts_the_server_and_a_lost_one_says_so(machine, task):
    assert list(find_live_servers(machine.home / "state")) == []
    shell = await machine.provider.shells.open(task.task_id, columns=80, rows=24, command="echo here; cat")
    (server,) = find_live_servers(machine.home / "state")
    output = shell.read()
    assert b"here" in await anext(output)
    server.process.send(signal.SIGKILL)
    with pytest.raises(Unreachable, match=task.name):
        await _rest(output)
    await shell.close()
    await machine.until(lambda: not server.process.is_alive, "the server is gone")
    again = await machine.provider.shells.open(task.task_id, columns=80, rows=24, command="echo again")
    assert b"again" in await _said(again, b"again")
    await again.close()


async def test_a_server_with_another_key_is_not_taken_for_ours(machine, task):
    endpoint = await machine.provider.endpoints.resolve(task.task_id)
    assert endpoint.known_hosts.read_text().startswith(f"{endpoint.host_key_alias} ")
    kind, _, rest = endpoint.known_hosts.read_text().partition(" ")[2].partition(" ")
    other = rest.replace(rest[30:40], rest[30:40][::-1])
    endpoint.known_hosts.write_text(f"{endpoint.host_key_alias} {kind} {other}")
    with pytest.raises(HostKeyChanged):
        await machine.provider.shells.open(task.task_id, columns=80, rows=24)


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


async def test_what_the_server_itself_has_to_say_stands_on_the_terminal(machine, task):
    shell = await machine.provider.shells.open(task.task_id, columns=80, rows=24, command="echo up; cat")
    output, received = shell.read(), b""
    assert b"up" in await anext(output)
    (server,) = find_live_servers(machine.home / "state")
    server.process.send(signal.SIGTERM)
    with suppress(Unreachable):
        async with asyncio.timeout(DEADLINE_S):
            async for piece in output:
                received += piece
    assert b"flow: the SSH server ends" in received
    await shell.close()

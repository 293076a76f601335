"""Tunnels to ports of local tasks."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest
from testbed.waiting import DEADLINE_S

from flow_core import Flow
from flow_core.errors import ConfigError, Conflict, NotFound

_SERVER = """
import asyncio, sys
async def echo(reader, writer):
    writer.write((await reader.read()).upper())
    writer.close()
async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", int(sys.argv[1]))
    print("up", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def served(machine):
    """A task that listens, and where."""
    port = _free_port()
    task = await machine.running(await machine.submit([sys.executable, "-c", _SERVER, str(port)], ports=[port]))
    deadline = asyncio.get_running_loop().time() + 30
    while not await machine.output(task):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
    return task, port


async def _ask(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


async def test_a_tunnel_carries_both_ways_until_it_is_closed(machine, served):
    task, port = served
    tunnels = machine.provider.tunnels
    tunnel = await tunnels.open(task.task_id, port)
    assert await _ask(tunnel.local_port, b"hello" * 100_000) == b"HELLO" * 100_000
    assert await tunnels.list() == await tunnels.list(task.task_id) == (tunnel,)
    assert await tunnels.list("task_aaaaaaaaaa") == ()
    await tunnels.close(tunnel.tunnel_id)
    await tunnels.close(tunnel.tunnel_id)
    assert await tunnels.list() == ()
    with pytest.raises(ConnectionRefusedError):
        await _ask(tunnel.local_port, b"")


async def test_a_port_that_is_taken_or_isnt_one_is_refused(machine, served):
    task, port = served
    tunnels = machine.provider.tunnels
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Conflict, match="listens on port"):
        await tunnels.open(task.task_id, port, taken.getsockname()[1])
    with pytest.raises(Conflict, match="is the port of the task itself"):
        await tunnels.open(task.task_id, port, port)
    for remote, local in ((0, 0), (70_000, 0), (port, -1)):
        with pytest.raises(ConfigError, match="_port: must be a port number"):
            await tunnels.open(task.task_id, remote, local)
    with pytest.raises(ConfigError, match="node"):
        await tunnels.open(task.task_id, port, node=1)
    with pytest.raises(NotFound):
        await tunnels.open("task_aaaaaaaaaa", port)


async def test_whoever_comes_while_nobody_listens_is_hung_up_on_and_the_tunnel_stays(machine):
    task = await machine.running(await machine.submit("sleep 300"))
    tunnel = await machine.provider.tunnels.open(task.task_id, _free_port())
    assert await _ask(tunnel.local_port, b"hello") == b""
    assert await machine.provider.tunnels.list() == (tunnel,)
    await machine.provider.close()


async def test_a_tunnel_ends_with_its_task_and_its_connections_with_it(machine, served):
    task, port = served
    tunnel = await machine.provider.tunnels.open(task.task_id, port)
    reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.local_port)
    await machine.provider.cancel_task(task.task_id, force=True)
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()
    deadline = asyncio.get_running_loop().time() + 30
    while await machine.provider.tunnels.list():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
    with pytest.raises(Conflict):
        await machine.provider.tunnels.open(task.task_id, port)


async def test_ordinary_code_opens_tunnels_and_closing_the_client_closes_them(served):
    task, port = served

    def use() -> int:
        with Flow("local") as flow:
            tunnels = flow.get_ssh_tunnel_manager()
            tunnel = tunnels.open(task.task_id, port)
            with socket.create_connection(("127.0.0.1", tunnel.local_port), timeout=DEADLINE_S) as connection:
                connection.sendall(b"word")
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(100) == b"WORD"
            assert tunnels.list() == (tunnel,)
            return tunnel.local_port

    port = await asyncio.to_thread(use)
    with pytest.raises(ConnectionRefusedError):
        await _ask(port, b"")

"""Ports of tasks on a real OpenSSH server, used by real TCP clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from testbed.far_tasks import Far
from testbed.waiting import DEADLINE_S, until

from flow_core.errors import ConfigError, Conflict, NotFound
from flow_core.providers.over_ssh.tunnels import SshTunnels

pytestmark = pytest.mark.needs("sshd")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def tunnels(far: Far) -> AsyncIterator[SshTunnels]:
    tunnels = SshTunnels(far)
    yield tunnels
    await tunnels.close_all()


async def say(port: int, text: bytes) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(text)
            writer.write_eof()
            return await reader.read()
        finally:
            writer.close()


async def test_tunnels_are_listed_by_task_and_end_with_it(far: Far, tunnels: SshTunnels, port: int) -> None:
    far.start("one")
    far.start("two")
    one = await tunnels.open("one", port)
    two = await tunnels.open("two", port)
    assert await say(one.local_port, b"x") == b"X"
    assert await tunnels.list() == (one, two)
    assert await tunnels.list("two") == (two,)
    far.ended.add("one")
    await until(lambda: len(far.host.forwards) == 1)
    assert await tunnels.list() == (two,)
    assert await say(two.local_port, b"x") == b"X"
    await tunnels.close(two.tunnel_id)
    await tunnels.close(two.tunnel_id)
    assert await tunnels.list() == far.host.forwards == ()


async def test_a_tunnel_opened_after_the_last_one_closed_is_watched_too(
    far: Far, tunnels: SshTunnels, port: int
) -> None:
    far.start("one")
    await tunnels.close((await tunnels.open("one", port)).tunnel_id)
    await tunnels.open("one", port)
    far.ended.add("one")
    await until(lambda: not far.host.forwards)


async def test_closing_the_provider_closes_all_tunnels(far: Far, tunnels: SshTunnels, port: int) -> None:
    far.start("one")
    await tunnels.open("one", port)
    await tunnels.close_all()
    assert far.host.forwards == ()


async def test_an_impossible_port_is_refused(far: Far, tunnels: SshTunnels, port: int) -> None:
    far.start("one")
    for remote, local, field in ((0, 0, "remote_port"), (70_000, 0, "remote_port"), (port, -1, "local_port")):
        with pytest.raises(ConfigError) as wrong:
            await tunnels.open("one", remote, local)
        assert wrong.value.field == field
    with pytest.raises(Conflict):
        await tunnels.open("one", port, port)
    with pytest.raises(NotFound):
        await tunnels.open("other", port)
    far.ended.add("one")
    with pytest.raises(Conflict):
        await tunnels.open("one", port)

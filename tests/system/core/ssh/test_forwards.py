"""Ports that lead through a host, used by real TCP clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from testbed.sshd import Sshd
from testbed.waiting import DEADLINE_S

from flow_core.errors import Conflict
from flow_core.ssh.host import SshHost

pytestmark = pytest.mark.needs("sshd")


@pytest.fixture
async def host(sshd: Sshd) -> AsyncIterator[SshHost]:
    async with await SshHost.find("far", config=sshd.config()) as host:
        yield host


@asynccontextmanager
async def shouting() -> AsyncIterator[int]:
    """A server that gives everything back in capitals once the client has said all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def say(port: int, text: bytes) -> bytes:
    """The answer; b"" where somebody hangs up instead. Raises OSError where nobody listens."""
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = b""
        with suppress(ConnectionError):
            writer.write(text)
            writer.write_eof()
            answer = await reader.read()
        writer.close()
        return answer


async def test_a_port_leads_to_one_of_the_host_and_survives_a_lost_connection(sshd: Sshd, host: SshHost) -> None:
    async with shouting() as port:
        forward = await host.forward(port)
        assert host.forwards == (forward,)
        assert await say(forward.local_port, b"hello" * 100_000) == b"HELLO" * 100_000
        assert await asyncio.gather(*(say(forward.local_port, b"a") for _ in range(20))) == [b"A"] * 20
        sshd.drop_sessions()
        sshd.stop()
        sshd.start()
        async with asyncio.timeout(DEADLINE_S):
            while await say(forward.local_port, b"again") != b"AGAIN":
                await asyncio.sleep(0.05)
        await forward.close()
        assert host.forwards == ()
        with pytest.raises(OSError, match=r"\d"):
            await asyncio.open_connection("127.0.0.1", forward.local_port)


async def test_a_forward_to_a_port_without_a_listener_closes_the_connection(sshd: Sshd, host: SshHost) -> None:
    async with shouting() as port:
        pass
    forward = await host.forward(port)
    assert await say(forward.local_port, b"x") == b""


def narrow(connection: socket.socket) -> socket.socket:
    """The kernel holds little for who reads from it, so that the most of what is under way would lie with us."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    return connection


class Flood:
    """One end writes as fast as it may, and the other takes a few hundred pieces, with a moment between them."""

    def __init__(self) -> None:
        self.sent = self.read = 0

    async def write(self, _: object, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()
                self.sent += 1 << 16

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(300):
            self.read += len(await reader.read(1 << 16))
            await asyncio.sleep(0.005)
        writer.close()

    @property
    def under_way(self) -> int:
        return self.sent - self.read


async def test_a_flood_from_the_host_waits_for_a_slow_reader(host: SshHost) -> None:
    flood = Flood()
    async with asyncio.timeout(DEADLINE_S), await asyncio.start_server(flood.write, "127.0.0.1", 0) as server:
        forward = await host.forward(server.sockets[0].getsockname()[1])
        reader = narrow(socket.socket())
        reader.setblocking(False)
        await asyncio.get_running_loop().sock_connect(reader, ("127.0.0.1", forward.local_port))
        await flood.take(*await asyncio.open_connection(sock=reader))
        assert flood.under_way < 30_000_000
        await forward.close()


async def test_a_flood_that_comes_back_from_the_host_waits_for_a_slow_reader(host: SshHost) -> None:
    flood = Flood()
    listener = narrow(socket.create_server(("127.0.0.1", 0)))
    async with asyncio.timeout(DEADLINE_S), await asyncio.start_server(flood.take, sock=listener) as server:
        forward = await host.forward_remote(server.sockets[0].getsockname()[1])
        await flood.write(*await asyncio.open_connection("127.0.0.1", forward.remote_port))
        assert flood.under_way < 30_000_000
        await forward.close()


async def test_a_port_that_is_taken_is_a_conflict(host: SshHost) -> None:
    async with shouting() as port:
        with pytest.raises(Conflict, match=f"port {port}"):
            await host.forward(80, port)


async def test_a_remote_forward_is_opened_again_after_a_lost_connection(sshd: Sshd, host: SshHost) -> None:
    async with shouting() as port:
        forward = await host.forward_remote(port)
        assert await say(forward.remote_port, b"hello") == b"HELLO"
        sshd.drop_sessions()
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    assert await say(forward.remote_port, b"again") in (b"AGAIN", b"")
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        await forward.close()
    assert host.forwards == ()

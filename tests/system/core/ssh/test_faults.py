"""Servers that die, freeze and come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from testbed.sshd import Sshd
from testbed.waiting import DEADLINE_S, until

from flow_core.errors import FlowError, Unreachable
from flow_core.ssh.host import SshHost
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.ssh_config import find_settings

pytestmark = pytest.mark.needs("sshd")


@pytest.fixture
async def settings(sshd: Sshd) -> HostSettings:
    found = await find_settings("far", config=sshd.config())
    assert found.keepalive_s * (found.keepalive_count + 1) <= 20
    return found


@pytest.fixture
async def host(settings: HostSettings) -> AsyncIterator[SshHost]:
    async with SshHost(settings) as host:
        yield host


async def test_a_server_that_is_killed_ends_what_runs_and_is_found_again(sshd: Sshd, host: SshHost) -> None:
    is_up = asyncio.Event()

    async def take(stream: int, piece: bytes) -> None:
        is_up.set()

    running = asyncio.create_task(host.run("echo up; sleep 60", on_output=take))
    async with asyncio.timeout(DEADLINE_S):
        await is_up.wait()
    shell = await host.open_shell(columns=80, rows=24, command="echo up; sleep 60")
    pieces = shell.read()
    assert await anext(pieces) == b"up\r\n"
    sshd.stop()
    with pytest.raises(Unreachable, match="'far' was lost"):
        await running
    with pytest.raises(Unreachable, match="'far' was lost"):
        await anext(pieces)
    with pytest.raises(Unreachable):
        await shell.write(b"x")
    with pytest.raises(Unreachable):
        await shell.wait()
    await shell.close()
    with pytest.raises(Unreachable, match="refused"):
        await host.run("true")
    sshd.start()
    assert (await host.run("echo back")).stdout == b"back\n"


async def test_a_server_that_freezes_is_noticed(sshd: Sshd, settings: HostSettings) -> None:
    watchful, hasty = replace(settings, keepalive_s=1.0, keepalive_count=2), replace(settings, connect_timeout_s=0.5)
    async with asyncio.timeout(DEADLINE_S), SshHost(watchful) as host, SshHost(hasty) as another:
        await host.run("true")
        running = asyncio.create_task(host.run("sleep 60"))
        shell = await host.open_shell(columns=80, rows=24)
        await asyncio.wait((running,), timeout=0.2)
        sshd.pause()
        with pytest.raises(Unreachable, match=r"did not answer within 0\.5 s"):
            await another.run("true")
        with pytest.raises(Unreachable, match="'far' was lost"):
            await running
        with pytest.raises(Unreachable):
            async for _ in shell.read():
                pass
        await shell.close()


async def test_everybody_who_waits_for_a_connection_hears_why_there_is_none(sshd: Sshd, host: SshHost) -> None:
    sshd.stop()
    async with asyncio.timeout(DEADLINE_S):  # one after the other would take minutes
        answers = await asyncio.gather(*(host.run("true") for _ in range(50)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unreachable}
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(Unreachable):
            await host.run("true")
    assert time.monotonic() - began > 0.25 + 0.5 + 1.0 - 0.1  # at the least: half of each pause


async def test_who_stops_waiting_leaves_nothing_behind(sshd: Sshd, host: SshHost) -> None:
    sshd.pause()
    waiting = [asyncio.create_task(host.run("true")) for _ in range(3)]
    await asyncio.wait(waiting, timeout=0.2)
    for one in waiting:
        one.cancel()
    await asyncio.wait(waiting)
    assert all(one.cancelled() for one in waiting)
    await until(lambda: not [task for task in asyncio.all_tasks() if "_dial" in str(task.get_coro())])


async def test_a_host_that_was_closed_is_closed(sshd: Sshd, host: SshHost) -> None:
    await host.run("true")
    await host.close()
    await host.close()
    with pytest.raises(FlowError, match="closed"):
        await host.run("true")


async def test_a_connection_nobody_uses_is_closed(sshd: Sshd, host: SshHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_core.ssh.connection_pool._IDLE_S", 0.2)
    await host.run("sleep 0.5")
    assert host.connection_count == 1
    async with asyncio.timeout(DEADLINE_S):
        while host.connection_count:
            await asyncio.sleep(0.02)
    assert (await host.run("echo back")).stdout == b"back\n"

"""How long a login may take, and what a person sees of it meanwhile."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testbed.command_lines import list_command_lines, read_command_line, read_environment
from testbed.sshd import Sshd
from testbed.strict_sshd import CODE, SECRET, strict_sshd
from testbed.waiting import until, until_over

from flow_core.errors import AuthError, ProviderError, Unreachable
from flow_core.ssh.host import SshHost
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.ssh_config import find_settings
from flow_core.upload.folder_upload import upload

pytestmark = pytest.mark.needs("sshd")
LIMIT_S = 1.0
LINK = "Approve at https://id.example/ABCD-EFGH"


@pytest.fixture
def approved() -> asyncio.Event:
    return asyncio.Event()


async def test_no_deadline_ends_a_login_while_a_person_approves_it_elsewhere(
    sshd: Sshd, approved: asyncio.Event, someone: Any
) -> None:
    prompter = someone(SECRET)
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "push", approved=approved) as settings,
        SshHost(replace(settings, connect_timeout_s=LIMIT_S, login_timeout_s=0.1), prompter=prompter) as host,
    ):
        answer = asyncio.create_task(host.run("echo hello", timeout_s=LIMIT_S))
        await until(lambda: prompter.questions)
        await until_over(LIMIT_S)
        await until(lambda: prompter.waits_seen)
        assert (prompter.waits_seen[-1].host, prompter.waits_seen[-1].what) == ("strict", "to let you in")
        approved.set()
        assert (await answer).stdout == b"hello\n"


async def test_a_banner_is_shown_at_once_and_again_with_the_question(
    sshd: Sshd, approved: asyncio.Event, someone: Any
) -> None:
    prompter = someone(SECRET)
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "push", approved=approved, banner=LINK) as settings,
        SshHost(settings, prompter=prompter) as host,
    ):
        answer = asyncio.create_task(host.run("echo hello"))
        await until(lambda: prompter.waits_seen)
        assert [wait.banner for wait in prompter.waits_seen] == [LINK]
        assert [question.banner for question in prompter.questions] == [LINK]
        approved.set()
        assert (await answer).stdout == b"hello\n"


async def test_a_banner_that_comes_during_the_wait_is_shown_at_once(
    sshd: Sshd, approved: asyncio.Event, someone: Any
) -> None:
    prompter, due = someone(), asyncio.Event()
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "time", approved=approved, banner=LINK, banner_due=due) as settings,
        SshHost(settings, prompter=prompter) as host,
    ):
        answer = asyncio.create_task(host.run("echo hello"))
        await until(lambda: prompter.waits_seen)
        assert not prompter.waits_seen[-1].banner
        due.set()
        await until(lambda: prompter.waits_seen[-1].banner == LINK)
        approved.set()
        assert (await answer).stdout == b"hello\n"


async def test_a_person_can_stop_the_wait(sshd: Sshd, someone: Any) -> None:
    prompter = someone()
    prompter.stops.set()
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "time", banner=LINK) as settings,
        SshHost(settings, prompter=prompter) as host,
    ):
        with pytest.raises(AuthError, match="you stopped waiting for 'strict' to let you in"):
            await host.run("echo hello")


async def test_a_call_without_a_person_may_log_in_for_a_limited_time(sshd: Sshd) -> None:
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "time", banner=LINK) as settings,
        SshHost(replace(settings, login_timeout_s=0.3)) as host,
    ):
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unreachable, match=r"waited 0\.3 s for 'strict' to let you in.*ABCD-EFGH"):
            await host.run("echo hello")
        assert 0.3 <= asyncio.get_running_loop().time() - began < 15  # the number that is named is the real one


async def test_a_login_counts_neither_against_the_connection_nor_against_the_command(
    sshd: Sshd, approved: asyncio.Event
) -> None:
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "time", approved=approved) as settings,
        SshHost(replace(settings, connect_timeout_s=LIMIT_S)) as host,
    ):
        answer = asyncio.create_task(host.run("echo hello", timeout_s=LIMIT_S))
        await until_over(LIMIT_S)
        approved.set()
        assert (await answer).stdout == b"hello\n"


@pytest.mark.parametrize("line", [b"x" * 1000 + b"\r\n", b"x" * 8000 + b"\n"])
async def test_a_port_that_talks_without_end_is_no_ssh_server(tmp_path: Path, line: bytes) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(line)
            await writer.drain()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        settings = HostSettings("web", "127.0.0.1", "me", server.sockets[0].getsockname()[1])
        async with SshHost(settings) as host:
            with pytest.raises(ProviderError, match=r"'web' at .* did not answer as an SSH server; check the port"):
                await host.run("true")


async def test_a_reset_does_not_hide_that_nothing_is_in_common() -> None:
    """A server that has no algorithm in common closes at once, and what is sent to it from then on is answered with a
    reset."""
    names = [b"curve25519-sha256", b"ssh-none", *[b"aes128-ctr"] * 2, *[b"hmac-sha2-256"] * 2, *[b"none"] * 2, b"", b""]
    lists = b"".join(len(name).to_bytes(4, "big") + name for name in names)
    content = bytes([20]) + bytes(16) + lists + bytes(5)
    padding = 4 + -(len(content) + 9) % 8
    packet = (len(content) + padding + 1).to_bytes(4, "big") + bytes([padding]) + content + bytes(padding)

    async def offer_and_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(b"SSH-2.0-Test\r\n" + packet)
        writer.transport.abort()

    server = await asyncio.start_server(offer_and_reset, "127.0.0.1", 0)
    async with server:
        settings = HostSettings("web", "127.0.0.1", "me", server.sockets[0].getsockname()[1])
        async with SshHost(settings) as host:
            with pytest.raises(ProviderError, match="no matching host key type; the host offers 'ssh-none'"):
                await host.run("true")


@pytest.fixture
async def slow(sshd: Sshd) -> AsyncIterator[HostSettings]:
    """A host whose login shell waits in its start-up file for somebody to open `gate`. No shell waits afterwards."""
    gate = sshd.home / "gate"
    os.mkfifo(gate)
    (sshd.home / ".bashrc").write_text("echo starting; read -r line <~/gate\n")
    yield await find_settings("far", config=sshd.config())
    async with opened(gate):
        await until(lambda: not [pid for pid, _ in list_command_lines() if _waits(pid, sshd.home)])


def _waits(pid: int, home: Path) -> bool:
    return f"HOME={home}".encode() in read_environment(pid) and b"exec /bin/sh" in read_command_line(pid)


@asynccontextmanager
async def opened(gate: Path) -> AsyncIterator[None]:
    """Lets every shell that waits at the gate go on."""
    file = os.open(gate, os.O_RDWR)
    os.write(file, b"\n" * 100)
    try:
        yield
    finally:
        os.close(file)


@pytest.mark.needs("bash")
async def test_a_slow_start_up_file_counts_against_no_deadline(
    slow: HostSettings, sshd: Sshd, tmp_path: Path, someone: Any
) -> None:
    prompter = someone()
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("x")
    async with SshHost(slow, prompter=prompter) as host:
        answer = asyncio.create_task(host.run("cat", timeout_s=LIMIT_S, stdin=b"hello\n"))
        folder = host.folder(str(tmp_path / "there"))
        sent = asyncio.create_task(upload(tmp_path / "source", folder, timeout_s=LIMIT_S))
        await until_over(LIMIT_S)
        await until(lambda: any("a start-up file" in wait.what for wait in prompter.waits_seen))
        async with opened(sshd.home / "gate"):
            assert (await answer).stdout == b"hello\n"
            assert (await sent).files_sent == 1


@pytest.mark.needs("bash")
async def test_a_start_up_file_that_never_ends_is_named_where_nobody_can_stop_it(slow: HostSettings) -> None:
    async with SshHost(replace(slow, login_timeout_s=0.5)) as host:
        with pytest.raises(Unreachable, match=r"waited 0\.5 s for 'far'.*a start-up file"):
            await host.run("true")


async def test_shells_share_the_connection_for_which_a_person_gave_a_code(sshd: Sshd, someone: Any) -> None:
    prompter = someone(SECRET, CODE)
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "code") as settings,
        SshHost(settings, prompter=prompter) as host,
    ):
        first, second = await asyncio.gather(*(host.open_shell(columns=80, rows=24) for _ in range(2)))
        assert (await host.run("echo hello")).stdout == b"hello\n"
        assert (len(prompter.questions), host.connection_count) == (2, 1)
        await first.close()
        assert not second.is_over
        third = await host.open_shell(columns=80, rows=24)
        assert len(prompter.questions) == 2
        for shell in (second, third):
            await shell.close()


async def test_shells_share_the_connection_of_a_command_that_needed_a_code(sshd: Sshd, someone: Any) -> None:
    prompter = someone(SECRET, CODE)
    async with (
        strict_sshd(sshd.folder, sshd.host_key, "code") as settings,
        SshHost(settings, prompter=prompter) as host,
    ):
        answer = asyncio.create_task(host.run("echo hello"))
        await until(lambda: prompter.questions)
        shell = await host.open_shell(columns=80, rows=24)
        assert (await answer).stdout == b"hello\n"
        assert (len(prompter.questions), host.connection_count) == (2, 1)
        await shell.close()


async def test_a_shell_that_needs_only_a_key_has_a_connection_of_its_own(sshd: Sshd) -> None:
    async with await SshHost.find("far", config=sshd.config()) as host:
        await host.run("true")
        shell = await host.open_shell(columns=80, rows=24)
        assert (await host.run("echo $SSH_CLIENT")).stdout.split()[1] not in await _port_of(shell)
        await shell.close()


async def _port_of(shell: Any) -> bytes:
    await shell.write(b"echo $SSH_CLIENT; exit\n")
    return b"".join([piece async for piece in shell.read()])

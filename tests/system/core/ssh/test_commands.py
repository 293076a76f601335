"""Commands and terminals on real servers."""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from testbed.command_lines import is_running
from testbed.sshd import Sshd
from testbed.waiting import until, wait_until

from flow_core.errors import ProviderError, Unreachable
from flow_core.ssh.host import SshHost
from flow_core.ssh.quoting import quote_word

pytestmark = pytest.mark.needs("sshd")
BIG = 100_000_000


@pytest.fixture
async def host(sshd: Sshd) -> AsyncIterator[SshHost]:
    async with await SshHost.find("far", config=sshd.config()) as host:
        yield host


def endless() -> str:
    """A command that nothing else on this machine runs."""
    return f"sleep 1000.{secrets.randbelow(10**9)}"


def flood(steps: int, told: Path) -> str:
    """Writes as fast as it may, a million bytes a step, and adds a line to the file after each."""
    return f"for i in $(seq {steps}); do head -c 1000000 /dev/zero; echo $i >>{told}; done"


def sent(told: Path) -> int:
    return told.read_bytes().count(b"\n") * 1_000_000


async def until_running(text: str) -> None:
    await until(lambda: is_running(text))


async def test_a_command_has_its_output_and_exit_code(host: SshHost) -> None:
    outcome = await host.run("cat; echo wrong >&2; exit 3", stdin=b"to be read\0")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, b"to be read\0", b"wrong\n")
    assert (outcome.signal, outcome.is_cut) == (None, False)


async def test_a_killed_command_has_the_name_of_the_signal(host: SshHost) -> None:
    outcome = await host.run("kill -TERM $$")
    assert (outcome.exit_code, outcome.signal) == (143, "TERM")


async def test_a_command_that_does_not_read_its_input_ends(host: SshHost) -> None:
    assert (await host.run("exit 5", stdin=b"x" * 5_000_000)).exit_code == 5


@pytest.mark.parametrize(
    "line", ["printf %s 'a b'", "printf '%s' \"it's\"", "printf '%s' 'back\\slash'", "printf a\nprintf b"]
)
async def test_a_command_line_arrives_unchanged(host: SshHost, line: str) -> None:
    here = subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout
    assert (await host.run(line)).stdout == here


def test_a_word_is_one_word_for_sh() -> None:
    for word in ("", "a b", "it's", "\\'", "$(x)`y`", "new\nline", "-n"):
        assert (
            subprocess.run(["sh", "-c", f"printf %s {quote_word(word)}"], capture_output=True).stdout == word.encode()
        )


async def test_background_processes_are_not_waited_for(host: SshHost, tmp_path: Path) -> None:
    background = f"until [ -e {tmp_path}/go ]; do sleep 0.01; done; touch {tmp_path}/late"
    outcome = await host.run(f"({background}) & echo done")
    assert outcome.stdout == b"done\n"
    (tmp_path / "go").touch()
    wait_until((tmp_path / "late").exists)


async def test_a_command_that_takes_too_long_is_killed(host: SshHost) -> None:
    command = endless()
    with pytest.raises(Unreachable, match=r"did not end within 0\.3 s"):
        await host.run(f"{command}; echo never", timeout_s=0.3)
    await until(lambda: not is_running(command))


async def test_cancelling_kills_the_command_and_the_connection_stays(host: SshHost) -> None:
    for _ in range(4):  # the server may start it before the client hears of that
        command = endless()
        running = asyncio.create_task(host.run(f"echo up; {command}"))
        await until_running(command)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: not is_running(command))  # noqa: B023
    assert (await host.run("echo again")).stdout == b"again\n"
    assert host.connection_count == 1


async def test_a_command_whose_output_was_not_read_is_killed_too(host: SshHost) -> None:
    command = endless()
    async with host.start(command):
        await until_running(command)
    await until(lambda: not is_running(command))


async def test_a_huge_output_is_cut(host: SshHost) -> None:
    outcome = await host.run("head -c 20000000 /dev/zero")
    assert (len(outcome.stdout), outcome.is_cut) == (16 << 20, True)


async def test_a_big_output_streams_through_little_memory(host: SshHost) -> None:
    arrived = 0

    async def take(_: int, piece: bytes) -> None:
        nonlocal arrived
        arrived += len(piece)

    await host.run("true")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (await host.run(f"head -c {BIG} /dev/zero", on_output=take)).exit_code == 0
    assert arrived == BIG
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB


async def test_the_far_side_waits_for_a_slow_reader(host: SshHost) -> None:
    async with host.start("head -c 20000000 /dev/zero; echo past >&2") as running:
        assert await running.read()
        late = asyncio.create_task(running.read(2))
        await asyncio.wait((late,), timeout=0.5)
        assert not late.done()
        while await running.read():
            pass
        assert await late == b"past\n"


async def test_a_slow_reader_is_sent_little_more_than_it_reads(host: SshHost, tmp_path: Path) -> None:
    async with host.start(flood(200, tmp_path / "steps")) as running:
        read = 0
        for _ in range(50):
            read += len(await running.read())
            await asyncio.sleep(0.02)
        under_way = sent(tmp_path / "steps") - read
    assert under_way < 30_000_000  # what the buffers on the way hold; a window more for each piece would be 200


async def test_many_commands_at_once_on_a_server_that_allows_few(make_sshd: Callable[..., Sshd]) -> None:
    sshd = make_sshd("MaxSessions 2")
    async with await SshHost.find("far", config=sshd.config()) as host:
        outcomes = await asyncio.gather(*(host.run(f"echo {number}") for number in range(50)))
        assert [outcome.stdout for outcome in outcomes] == [b"%d\n" % number for number in range(50)]
        assert 1 < host.connection_count <= 4


async def test_one_connection_does_while_the_server_allows_it(make_sshd: Callable[..., Sshd]) -> None:
    sshd = make_sshd("MaxSessions 100")
    async with await SshHost.find("far", config=sshd.config()) as host:
        assert len(await asyncio.gather(*(host.run("true") for _ in range(50)))) == 50
        assert host.connection_count == 1
    assert sshd.log.read_text().count("Accepted publickey") == 1


async def test_a_server_that_allows_no_session_says_so(make_sshd: Callable[..., Sshd]) -> None:
    sshd = make_sshd("MaxSessions 0")
    async with await SshHost.find("far", config=sshd.config()) as host:
        with pytest.raises(ProviderError, match="allows no session"):
            await host.run("true")


async def test_the_output_of_start_up_files_is_not_part_of_the_output(make_sshd: Callable[..., Sshd]) -> None:
    sshd = make_sshd()
    (sshd.home / ".bashrc").write_text("echo garbage; printf '\\036flow-'; echo more >&2\n")
    banner = sshd.folder / "banner"
    banner.write_text("Nobody may enter.\n")
    force = sshd.folder / "force"
    force.write_text('#!/bin/sh\necho noise; echo noise >&2\neval "$SSH_ORIGINAL_COMMAND"\n')
    force.chmod(0o755)
    sshd.options += [f"Banner {banner}", f"ForceCommand {force}"]
    sshd.stop()
    sshd.start()
    async with await SshHost.find("far", config=sshd.config()) as host:
        outcome = await host.run("echo out; echo err >&2")
        assert (outcome.stdout, outcome.stderr) == (b"out\n", b"err\n")


async def test_the_error_of_a_forced_command_quotes_its_output(make_sshd: Callable[..., Sshd]) -> None:
    sshd = make_sshd('ForceCommand echo "This account is not available."; exit 1')
    async with await SshHost.find("far", config=sshd.config()) as host:
        with pytest.raises(ProviderError, match="This account is not available"):
            await host.run("true")


async def test_a_terminal_has_the_size_and_kind_that_were_asked_for(host: SshHost) -> None:
    shell = await host.open_shell(columns=101, rows=37, term="screen-256color", command="stty size; echo $TERM; cat")
    output = b""
    async for piece in shell.read():
        output += piece
        if b"256color\r\n" in output and b"42" not in output:
            await shell.resize(80, 24)
            await shell.write(b"42\n\x04")
    assert output.startswith(b"37 101\r\nscreen-256color\r\n42\r\n")
    assert await shell.wait() == 0
    await shell.close()
    await shell.close()


async def test_a_terminal_gets_its_new_size_and_a_hangup_at_the_end(host: SshHost) -> None:
    mark = endless()
    command = f"trap 'stty size' WINCH; echo up; while :; do sleep 0.01; done; : {mark}"
    shell = await host.open_shell(columns=80, rows=24, command=command)
    output = b""
    async for piece in shell.read():
        output += piece
        if output == b"up\r\n":
            await shell.resize(132, 43)
        if b"43 132" in output:
            break
    await shell.close()
    await until(lambda: not is_running(mark))
    assert host.connection_count == 0


async def test_a_flood_waits_until_it_is_read(host: SshHost, tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    shell = await host.open_shell(columns=80, rows=24, command=flood(12, steps))
    read = 0
    async for piece in shell.read():
        assert len(piece) <= 1 << 16
        read += len(piece)
        await asyncio.sleep(0.02)
        if read > 4_000_000:
            break
    assert sent(steps) - read < 4_000_000
    async for piece in shell.read():
        read += len(piece)
    assert read == sent(steps) == 12_000_000
    await shell.close()


async def test_no_tasks_and_descriptors_are_left(sshd: Sshd, tmp_path: Path) -> None:
    async def everything() -> None:
        async with await SshHost.find("far", config=sshd.config()) as host:
            forward = await host.forward(sshd.port)
            _, writer = await asyncio.open_connection("127.0.0.1", forward.local_port)
            await asyncio.gather(*(host.run("true") for _ in range(15)))
            shell = await host.open_shell(columns=80, rows=24)
            await shell.write(b"echo hi\n")
            await host.files.upload(sshd.key, str(tmp_path / "copy"))
            command = endless()
            running = asyncio.create_task(host.run(command))
            await until_running(command)
            writer.close()
        with pytest.raises(Unreachable):
            await running
        await until(lambda: not is_running(command))

    await everything()
    fds, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
    await everything()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == tasks
    assert len(os.listdir("/proc/self/fd")) <= fds

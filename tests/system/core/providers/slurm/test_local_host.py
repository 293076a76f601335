"""This machine as a login node behaves as a host over SSH does."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path
from socket import create_server

import pytest
from testbed.command_lines import is_running
from testbed.tables import each
from testbed.waiting import until, wait_until

from flow_core.errors import AuthError, ConfigError, Conflict, FlowError, NotFound, Unreachable
from flow_core.providers.slurm.local_host import LocalHost
from flow_core.providers.this_machine.piped_process import start_process
from flow_core.providers.this_machine.terminal_shell import TerminalShell
from flow_core.ssh.quoting import build_sh_command
from flow_core.ssh.remote_file_follow import FilePiece
from flow_core.upload.folder_upload import upload

pytestmark = pytest.mark.needs("linux")


@pytest.fixture
async def host() -> AsyncIterator[LocalHost]:
    host = LocalHost()
    yield host
    await host.close()


def endless() -> str:
    """A command that nothing else on this machine runs."""
    return f"sleep 1000.{secrets.randbelow(10**9)}"


async def test_a_command_has_its_output_and_exit_code(host: LocalHost, home: Path) -> None:
    outcome = await host.run("cat; pwd; echo wrong >&2; exit 3", stdin=b"to be read\0")
    assert (outcome.exit_code, outcome.stderr) == (3, b"wrong\n")
    assert outcome.stdout == b"to be read\0" + os.fsencode(home) + b"\n"
    assert (outcome.signal, outcome.is_cut) == (None, False)


async def test_a_killed_command_has_the_name_of_the_signal(host: LocalHost) -> None:
    outcome = await host.run("kill -TERM $$")
    assert (outcome.exit_code, outcome.signal) == (143, "TERM")
    outcome = await host.run("kill -s RTMAX $$ || kill -64 $$")
    assert (outcome.exit_code, outcome.signal) == (192, "RTMAX")


async def test_a_command_that_does_not_read_its_input_ends(host: LocalHost) -> None:
    assert (await host.run("exit 5", stdin=b"x" * 5_000_000)).exit_code == 5


async def test_a_huge_output_is_cut(host: LocalHost) -> None:
    outcome = await host.run("head -c 20000000 /dev/zero")
    assert (len(outcome.stdout), outcome.is_cut) == (16 << 20, True)


async def test_output_is_passed_on_by_stream(host: LocalHost) -> None:
    pieces: list[tuple[int, bytes]] = []

    async def take(stream: int, piece: bytes) -> None:
        pieces.append((stream, piece))

    outcome = await host.run("echo a; echo b >&2", on_output=take)
    assert sorted(pieces) == [(1, b"a\n"), (2, b"b\n")]
    assert (outcome.stdout, outcome.stderr) == (b"", b"")


async def test_background_processes_are_not_waited_for(host: LocalHost, tmp_path: Path) -> None:
    background = f"until [ -e {tmp_path}/go ]; do sleep 0.01; done; touch {tmp_path}/late"
    assert (await host.run(f"({background}) & echo done")).stdout == b"done\n"
    (tmp_path / "go").touch()
    wait_until((tmp_path / "late").exists)


async def test_a_command_that_takes_too_long_is_killed_with_what_it_started(host: LocalHost) -> None:
    command = endless()
    with pytest.raises(Unreachable, match=r"did not end within 0\.3 s"):
        await host.run(f"{command} & {command}; echo never", timeout_s=0.3)
    await until(lambda: not is_running(command))


async def test_cancelling_kills_the_command(host: LocalHost) -> None:
    for _ in range(10):  # the shell may have started the command before its own start is known here
        command = endless()
        running = asyncio.create_task(host.run(f"{command}; echo never"))
        await until(lambda: is_running(command))  # noqa: B023
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: not is_running(command))  # noqa: B023


async def test_a_command_that_is_cancelled_while_it_starts_leaves_nothing(host: LocalHost, tmp_path: Path) -> None:
    command = endless()
    running = asyncio.create_task(host.run(f"{command} & touch {tmp_path}/up; wait"))
    for _ in range(2):
        await asyncio.sleep(0)
    wait_until((tmp_path / "up").exists)  # the event loop has not heard of the process yet
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not is_running(command))


async def test_a_program_that_can_not_be_started_is_refused() -> None:
    with pytest.raises(Unreachable, match="could not be started: No such file"):
        async with start_process(["/no/such/program"]):
            pass


async def test_a_started_command_is_written_to_and_read(host: LocalHost) -> None:
    async with host.start("while read -r line; do echo got $line; done; echo end >&2; exit 4") as running:
        await running.write(b"one\n")
        assert await running.read() == b"got one\n"
        assert running.result is None
        running.write_eof()
        running.write_eof()
        assert await running.read() == b""
        assert await running.read(2) == b"end\n"
        result = await until(lambda: running.result)
    assert result is not None
    assert result.exit_code == 4


async def test_leaving_a_started_command_kills_it(host: LocalHost) -> None:
    command = endless()
    async with host.start(command):
        await until(lambda: is_running(command))
    await until(lambda: not is_running(command))


async def test_closing_ends_what_runs_and_refuses_more(host: LocalHost) -> None:
    command = endless()
    running = asyncio.create_task(host.run(command))
    shell = await host.open_shell(columns=80, rows=24)
    await until(lambda: is_running(command))
    await host.close()
    await host.close()
    with pytest.raises(Unreachable, match="closed"):
        await running
    with pytest.raises(Unreachable, match="ended"):
        await shell.write(b"x")
    for attempt in (host.run(":"), host.forward(1), host.open_shell(columns=80, rows=24)):
        with pytest.raises(Unreachable, match="closed"):
            await attempt
    await until(lambda: not is_running(command))


async def read_all(shell: TerminalShell) -> bytes:
    return b"".join([piece async for piece in shell.read()])


async def read_until(shell: TerminalShell, marker: bytes) -> bytes:
    """Returns the output up to the marker; the rest is dropped."""
    seen = b""
    async with aclosing(shell.read()) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            seen += piece
            if marker in seen:
                return seen
    raise AssertionError(seen)


async def test_a_shell_has_a_terminal_of_its_size_that_controls_it(host: LocalHost) -> None:
    shell = await host.open_shell(
        columns=93, rows=41, command=build_sh_command("stty size </dev/tty; echo $TERM; exit 7")
    )
    output = await read_all(shell)
    assert output == b"41 93\r\nxterm-256color\r\n"
    assert await shell.wait() == 7
    await shell.close()


async def test_a_login_shell_takes_keys_signals_and_a_new_size(host: LocalHost) -> None:
    command = endless()
    shell = await host.open_shell(columns=80, rows=24)
    await shell.write(f"{command}\n".encode())
    await until(lambda: is_running(command))
    await shell.write(b"\x03")
    await until(lambda: not is_running(command))
    await shell.resize(101, 33)
    await shell.write(b"stty size; case $- in *i*) echo inter''active;; esac; exit 5\n")
    output = await read_all(shell)
    assert b"33 101" in output
    assert b"interactive" in output
    assert await shell.wait() == 5
    await shell.resize(1, 1)
    await shell.close()


async def test_closing_a_shell_hangs_up_what_runs_in_it(host: LocalHost) -> None:
    command = endless()
    shell = await host.open_shell(columns=80, rows=24, command=f"{command}; exit 1")
    await until(lambda: is_running(command))
    reading = asyncio.create_task(read_all(shell))
    await asyncio.sleep(0)
    await shell.close()
    await shell.close()
    await until(lambda: not is_running(command))
    assert await reading == b""
    with pytest.raises(Unreachable, match="ended"):
        await shell.write(b"x")


async def test_a_shell_ends_although_a_background_process_keeps_its_terminal(host: LocalHost) -> None:
    shell = await host.open_shell(columns=80, rows=24, command=f"trap '' HUP; {endless()} & echo $!; exit 0")
    pid = int(await read_all(shell))
    assert await shell.wait() == 0
    await shell.close()
    os.kill(pid, signal.SIGKILL)


async def test_a_shell_passes_much_text_in_both_directions(host: LocalHost) -> None:
    shell = await host.open_shell(columns=80, rows=24, command="stty raw -echo; echo up; head -c 300000 | wc -c")
    await read_until(shell, b"up")
    writing = asyncio.create_task(shell.write(b"x" * 300_000))
    assert b"300000" in await read_until(shell, b"300000")
    await writing
    await shell.close()


async def test_files_are_copied_with_their_mode(host: LocalHost, home: Path, tmp_path: Path) -> None:
    source = tmp_path / "a b"
    source.write_bytes(b"x" * 5_000_000)
    source.chmod(0o750)
    assert await host.files.upload(source, "inside") == 5_000_000
    assert (home / "inside").stat().st_mode & 0o777 == 0o750
    assert await host.files.download(str(home / "inside"), tmp_path / "back") == 5_000_000
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    with pytest.raises(NotFound):
        await host.files.download("missing", tmp_path / "x")
    with pytest.raises(ConfigError):
        await host.files.download(str(tmp_path), tmp_path / "x")


async def test_a_folder_is_uploaded_below_the_home(host: LocalHost, home: Path, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("text")
    result = await upload(tmp_path, host.folder("there/code"))
    assert result.files_sent == 1
    assert (home / "there" / "code" / "sub" / "file").read_text() == "text"


async def test_a_file_is_followed_as_it_grows(host: LocalHost, tmp_path: Path) -> None:
    path = tmp_path / "it's a % log"
    over = asyncio.Event()
    pieces: list[FilePiece] = []

    async def follow() -> None:
        async with aclosing(host.follow(str(path), until=over)) as found:
            async for piece in found:
                pieces.append(piece)

    following = asyncio.create_task(follow())
    path.write_bytes(b"one\n")
    await until(lambda: b"".join(piece.data for piece in pieces) == b"one\n")
    with path.open("ab") as file:
        file.write(b"two\n")
    over.set()
    await following
    assert b"".join(piece.data for piece in pieces) == b"one\ntwo\n"


async def test_a_port_leads_to_another_port(host: LocalHost) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read(100)).upper())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        forward = await host.forward(server.sockets[0].getsockname()[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", forward.local_port)
        writer.write(b"hello")
        assert await reader.read() == b"HELLO"
        writer.close()
        await forward.close()
        assert forward.is_closed
    with closing(create_server(("127.0.0.1", 0))) as taken, pytest.raises(Conflict, match="local_port"):
        await host.forward(1, taken.getsockname()[1])


@each("home, folder", [("/no/such/home", b"/\n"), ("/tmp", b"/tmp\n")])
async def test_commands_run_in_the_home_or_in_the_root(
    monkeypatch: pytest.MonkeyPatch, home: str, folder: bytes
) -> None:
    monkeypatch.setenv("HOME", home)
    assert (await LocalHost().run("pwd")).stdout == folder


async def test_a_file_without_permission_is_refused_with_a_sentence(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FlowError) as refused:
        await host.files.upload(tmp_path / "file", "/proc/no/such")
    assert isinstance(refused.value, NotFound | AuthError)

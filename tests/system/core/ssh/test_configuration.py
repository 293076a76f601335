"""The user's configuration is read by `ssh -G` alone, once, and each of its options has an effect or is named."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from testbed.sshd import Sshd

from flow_core.ssh.host import SshHost

pytestmark = pytest.mark.needs("sshd")


def own_config(home: Path, sshd: Sshd, *lines: str, encoding: str = "utf-8") -> None:
    """A ~/.ssh/config with these lines before those that lead to the server."""
    (home / ".ssh").mkdir()
    text = "\n".join((*lines, sshd.config().read_text()))
    (home / ".ssh/config").write_bytes(text.encode(encoding))


async def output(host: SshHost, command: str) -> str:
    return (await host.run(command)).stdout.decode()


@pytest.mark.parametrize(
    "lines",
    [
        ("PubkeyAuthentication unbound",),
        ("ServerAliveInterval 1m",),
        ("IdentitiesOnly no # only sometimes",),
        ("# Rechner für Läufe",),
        ('Match exec "test a=a"', "  ServerAliveCountMax 2"),
    ],
    ids=["unbound", "1m", "comment", "latin-1", "equals"],
)
async def test_what_ssh_reads_and_asyncssh_does_not_stops_no_connection(
    home: Path, sshd: Sshd, lines: tuple[str, ...]
) -> None:
    own_config(home, sshd, *lines, encoding="latin-1")
    async with await SshHost.find("far") as host:
        assert await output(host, "echo hello") == "hello\n"


async def test_a_host_name_is_completed_once(home: Path, sshd: Sshd) -> None:
    own_config(home, sshd, "Host *.x", "  HostName %h.x", "Host 127.0.0.1", "  HostName nowhere.invalid")
    async with await SshHost.find("far") as host:
        assert await output(host, "echo hello") == "hello\n"


async def test_match_exec_runs_once_for_a_lookup_and_a_connection(home: Path, sshd: Sshd, tmp_path: Path) -> None:
    own_config(home, sshd, f'Match exec "echo ran >> {tmp_path}/runs"')
    async with await SshHost.find("far") as host:
        assert await output(host, "echo hello") == "hello\n"
    assert (tmp_path / "runs").read_text() == "ran\n"


async def test_the_environment_is_what_ssh_would_send_in_commands_and_in_shells(
    make_sshd: Callable[..., Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    sshd = make_sshd("AcceptEnv LANG LC_* FLOW_*")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    monkeypatch.setenv("FLOW_SENT", "by SendEnv")
    monkeypatch.setenv("FLOW_KEPT", "at home")
    monkeypatch.setenv("FLOW_BOTH", "by SendEnv")
    config = sshd.config('SetEnv FLOW_SET="two words" FLOW_BOTH=set', "SendEnv LANG LC_* FLOW_S* FLOW_BOTH")
    line = 'echo "$LANG,$LC_TIME,$FLOW_SENT,$FLOW_KEPT,$FLOW_BOTH,$FLOW_SET"'
    expected = "C.UTF-8,C.UTF-8,by SendEnv,,set,two words"
    async with await SshHost.find("far", config=config) as host:
        assert await output(host, line) == f"{expected}\n"
        shell = await host.open_shell(columns=80, rows=24, command=line)
        assert b"".join([piece async for piece in shell.read()]).decode().strip() == expected
        await shell.close()
    assert "FLOW_KEPT" in os.environ


@pytest.mark.needs("bash")
async def test_wide_characters_are_typed_and_erased_whole_in_bash(
    make_sshd: Callable[..., Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    config = make_sshd("AcceptEnv LANG LC_*").config("SendEnv LANG LC_*")
    async with await SshHost.find("far", config=config) as host:
        shell = await host.open_shell(columns=80, rows=24, command="bash --norc -i")
        await shell.write("printf '<%s>' 日本語x\x7f\x7f; exit\n".encode())
        assert "<日本>" in b"".join([piece async for piece in shell.read()]).decode()
        await shell.close()


async def test_a_shell_runs_the_remote_command_of_the_config_and_a_command_does_not(sshd: Sshd) -> None:
    config = sshd.config("RemoteCommand echo %n at $(date +%%Y) && false", "RequestTTY yes")
    async with await SshHost.find("far", config=config) as host:
        shell = await host.open_shell(columns=80, rows=24)
        shown = b"".join([piece async for piece in shell.read()]).decode()
        assert re.fullmatch(r"far at 20\d\d\r\n", shown)
        assert await shell.wait() == 1
        await shell.close()
        assert await output(host, "echo hello") == "hello\n"


@pytest.mark.skipif(shutil.which("xauth") is None, reason="no xauth")
async def test_x11_is_forwarded_in_shells_where_the_config_says_so(
    make_sshd: Callable[..., Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    sshd = make_sshd("X11Forwarding yes")
    monkeypatch.setenv("DISPLAY", ":97")
    for lines, shown in ((("ForwardX11 yes",), r"localhost:\d+\.0\r\n"), ((), "\r\n")):
        async with await SshHost.find("far", config=sshd.config(*lines)) as host:
            shell = await host.open_shell(columns=80, rows=24, command="echo $DISPLAY")
            written = b"".join([piece async for piece in shell.read()]).decode()
            assert re.fullmatch(shown, written.splitlines(keepends=True)[-1])  # xauth may say that it makes a file
            await shell.close()

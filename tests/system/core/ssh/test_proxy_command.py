"""A ProxyCommand: its stdin and stdout are the connection, its stderr is only the reason of a failure."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from testbed.sshd import Sshd
from testbed.waiting import until

from flow_core.errors import Unreachable
from flow_core.ssh.host import SshHost
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.ssh_config import find_settings

pytestmark = pytest.mark.needs("sshd")

PROXY = """
import os, signal, socket, sys, threading
host, port, before, go = sys.argv[1:5]
if before == "closed": os.close(2)
elif before: print(before.replace("|", "\\n"), file=sys.stderr, flush=True)
if host == "none": sys.exit(3)
far = socket.create_connection((host, int(port)))
if sys.argv[5:] == ["pass"]:
    socket.send_fds(socket.socket(fileno=1), [b"x"], [far.fileno()])
    sys.exit()
def watch():
    while not os.path.exists(go): threading.Event().wait(0.01)
    print("noise\\n" * 3, file=sys.stderr, flush=True)
    open(go + ".done", "w").close()
if go: threading.Thread(target=watch, daemon=True).start()
def pump(read, write):
    while piece := read(65536): write(piece)
    os._exit(0)
threading.Thread(target=pump, args=(lambda n: os.read(0, n), far.sendall), daemon=True).start()
pump(far.recv, lambda piece: os.write(1, piece))
"""


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., str]:
    """The line of a config. `before` is written to stderr at the start, noise once the file `go` exists."""
    script = tmp_path / "proxy.py"
    script.write_text(PROXY)

    def line(host: str = "%h", before: str = "", go: str = "", *more: str) -> str:
        words = shlex.join([sys.executable, str(script), host])
        return f"ProxyCommand {words} %p {shlex.join([before, go, *more])}"

    return line


async def through(sshd: Sshd, *lines: str) -> HostSettings:
    return await find_settings("far", config=sshd.config(*lines))


async def test_what_it_writes_to_stderr_ends_no_connection(
    sshd: Sshd, command: Callable[..., str], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    settings = await through(sshd, command(before="connecting", go=str(go)))
    async with SshHost(settings) as host, host.start("cat") as running:
        await running.write(b"one\n")
        assert await running.read() == b"one\n"
        go.touch()
        await until((tmp_path / "go.done").exists)
        await running.write(b"two\n")
        assert await running.read() == b"two\n"


async def test_one_that_closes_its_stderr_connects(sshd: Sshd, command: Callable[..., str]) -> None:
    async with SshHost(await through(sshd, command(before="closed"))) as host:
        assert (await host.run("echo hello")).stdout == b"hello\n"


async def test_the_last_line_that_it_wrote_is_the_reason_of_its_failure(
    sshd: Sshd, command: Callable[..., str]
) -> None:
    settings = await through(sshd, command("none", "warming up|no route to [gpu1]"))
    with pytest.raises(Unreachable, match=r"^the ProxyCommand of 'far' failed: 'no route to \[gpu1\]'$"):
        await SshHost(settings).run("true")
    settings = await through(sshd, command("none"))
    with pytest.raises(Unreachable, match=r"^the ProxyCommand of 'far' failed: 'it ended with exit code 3'$"):
        await SshHost(settings).run("true")


async def test_a_command_that_does_not_exist_is_named_by_the_shell(sshd: Sshd) -> None:
    settings = await through(sshd, "ProxyCommand nosuchprogram %h")
    with pytest.raises(Unreachable, match=r"nosuchprogram.*not found"):
        await SshHost(settings).run("true")


async def test_it_ends_with_the_connection(sshd: Sshd, tmp_path: Path, command: Callable[..., str]) -> None:
    line = command().removeprefix("ProxyCommand ")
    settings = await through(sshd, f"ProxyCommand sh -c 'echo $$ > {tmp_path}/pid; exec \"$@\"' - {line}")
    async with SshHost(settings) as host:
        await host.run("true")
        pid = int((tmp_path / "pid").read_text())
        assert Path(f"/proc/{pid}").exists() or sys.platform != "linux"
    if sys.platform == "linux":
        await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_one_that_passes_its_socket_on_connects(sshd: Sshd, command: Callable[..., str]) -> None:
    line = command("%h", "", "", "pass")
    async with SshHost(await through(sshd, line, "ProxyUseFdpass yes")) as host:
        assert (await host.run("echo hello")).stdout == b"hello\n"
    settings = await through(sshd, command("none", "no way", "", "pass"), "ProxyUseFdpass yes")
    with pytest.raises(Unreachable, match="ProxyCommand of 'far' failed: 'no way'"):
        await SshHost(settings).run("true")


async def test_one_that_says_nothing_is_given_up_in_time(sshd: Sshd) -> None:
    settings = replace(
        await through(sshd, "ProxyCommand sh -c 'echo waiting >&2; exec sleep 60'"), connect_timeout_s=0.5
    )
    with pytest.raises(Unreachable, match=r"did not answer within 0\.5 s"):
        await SshHost(settings).run("true")

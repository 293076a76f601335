"""SSH into the emulator's machines, with the system's own clients."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

import pytest
from testbed.forwarded import farewell
from testbed.node_lab import MachineLab, processes_with
from testbed.pty_screen import Screen
from testbed.slow_command import MOST_SENT, bytes_sent
from testbed.sshd import make_key
from testbed.waiting import DEADLINE_S, until

pytestmark = pytest.mark.needs("user-namespaces", "ssh", "ssh-keygen")


async def test_any_user_name_enters_with_any_key_of_the_machine_and_no_other(lab: MachineLab) -> None:
    kinds = [make_key(lab.folder / f"id_{kind}", kind=kind) for kind in ("rsa", "ecdsa", "ed25519")]
    stranger = make_key(lab.folder / "id_stranger")
    public = tuple(key.with_suffix(".pub").read_text() for key in kinds)
    port = await lab.machines.boot(lab.spec(public_keys=("not a key", *public)))
    for key, user in zip(kinds, ("ubuntu", "root", "somebody"), strict=True):
        done = await lab.run(*lab.client(key=key), "-p", str(port), f"{user}@127.0.0.1", "echo $HOME $USER")
        home = "/root root" if user == "root" else "/home/ubuntu ubuntu"
        assert done == (0, f"{home}\n", "")
    refused = await lab.run(*lab.client(key=stranger), "-p", str(port), "ubuntu@127.0.0.1", "true")
    assert refused.code == 255
    assert "Permission denied (publickey)" in refused.err


async def test_the_front_port_leads_to_the_newest_machine_that_takes_the_key(lab: MachineLab) -> None:
    other = make_key(lab.folder / "id_other")
    await lab.machines.boot(lab.spec(fid="inst_one", name="first-0"))
    await lab.machines.boot(lab.spec(fid="inst_two", name="second-0"))
    theirs = other.with_suffix(".pub").read_text()
    await lab.machines.boot(lab.spec(fid="inst_three", name="third-0", public_keys=(theirs,)))
    front = lab.machines.ssh_port
    assert (await lab.ssh(front, "hostname")).out == "second-0\n"
    done = await lab.run(*lab.client(key=other), "-p", str(front), "x@localhost", "hostname")
    assert done.out == "third-0\n"
    await lab.machines.halt("inst_two", keeps_disk=True)
    assert (await lab.ssh(front, "hostname")).out == "first-0\n"
    await lab.machines.halt("inst_one", keeps_disk=True)
    assert (await lab.ssh(front, "hostname")).code == 255


async def test_a_shell_has_a_terminal_that_follows_the_window_and_keys_signal(lab: MachineLab) -> None:
    port = await lab.machines.boot(lab.spec())
    argv = [*lab.client(), "-p", str(port), "ubuntu@127.0.0.1"]

    def visit() -> int:
        with Screen(argv, columns=90, rows=20) as shown:
            shown.wait_for("train-0", DEADLINE_S)
            shown.send("stty size; tty; pwd", "enter")
            shown.wait_for("20 90", DEADLINE_S)
            shown.wait_for("/dev/pts/0", DEADLINE_S)
            shown.wait_for("/home/ubuntu", DEADLINE_S)
            shown.resize(110, 25)
            shown.send("until [ \"$(stty size)\" = '25 110' ]; do sleep 0.05; done; echo re''sized", "enter")
            shown.wait_for("resized", DEADLINE_S)
            shown.send("sh -c 'echo re\"\"ady; exec sleep 1000'", "enter")
            shown.wait_for("ready", DEADLINE_S)
            shown.send("ctrl+c")
            shown.send("echo code $?", "enter")
            shown.wait_for("code 130", DEADLINE_S)
            shown.send("exit 5", "enter")
            return shown.wait_exit(DEADLINE_S)

    assert await asyncio.to_thread(visit) == 5


async def test_closing_a_shell_hangs_up_its_programs(lab: MachineLab) -> None:
    mark = f"mark-{token_hex(8)}"
    port = await lab.machines.boot(lab.spec())
    argv = [*lab.client(), "-p", str(port), "ubuntu@127.0.0.1"]

    def visit() -> None:
        with Screen(argv) as shown:
            shown.wait_for("train-0", DEADLINE_S)
            shown.send(f"export MARK={mark}; sleep 1000", "enter")
            shown.settle()

    await asyncio.to_thread(visit)
    await until(lambda: processes_with(f"MARK={mark}") == [])


async def test_a_command_says_which_signal_ended_it(lab: MachineLab) -> None:
    port = await lab.machines.boot(lab.spec())
    assert (await lab.ssh(port, "kill -TERM $$")).code == 255
    assert (await lab.ssh(port, "no-such-program")).code == 127


async def test_two_megabytes_pass_unchanged_in_both_directions(lab: MachineLab) -> None:
    port = await lab.machines.boot(lab.spec())
    text = "0123456789abcdef" * (1 << 17)
    done = await lab.ssh(port, "cat", typed=text)
    assert done.out == text


async def test_a_client_that_reads_nothing_blocks_the_command(lab: MachineLab) -> None:
    port = await lab.machines.boot(lab.spec())
    command = "for i in {1..3000}; do head -c 100000 /dev/zero; echo $i > /tmp/count; done"
    argv = [*lab.client(), "-p", str(port), "ubuntu@127.0.0.1", command]
    read, write = os.pipe()
    session = await asyncio.create_subprocess_exec(*argv, stdout=write)
    os.close(write)
    try:
        count = await _until_it_stays(lambda: lab.ssh(port, "cat /tmp/count"))
        assert 0 < int(count) < 300  # what the buffers on the way hold, of 300 MB
    finally:
        session.kill()
        await session.wait()
        os.close(read)


@pytest.mark.parametrize("option", ["-T", "-tt"])
async def test_a_command_that_reads_slowly_is_sent_little_more_than_it_reads(lab: MachineLab, option: str) -> None:
    port = await lab.machines.boot(lab.spec())
    client = [*lab.client(), "-p", str(port), option, "ubuntu@127.0.0.1"]
    assert await bytes_sent(client) < MOST_SENT


async def _until_it_stays(look: Callable[[], object]) -> str:
    """Its output once that has stayed the same for a while."""
    seen: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(seen) < 6 or len(set(seen[-6:])) > 1 or not seen[-1].strip():
            seen.append((await look()).out)  # type: ignore[misc,attr-defined]
            await asyncio.sleep(0.1)
    return seen[-1]


async def test_a_command_ends_when_its_client_closes_the_output(lab: MachineLab) -> None:
    port = await lab.machines.boot(lab.spec())
    argv = [*lab.client(), "-p", str(port), "ubuntu@127.0.0.1", "yes"]
    read, write = os.pipe()
    session = await asyncio.create_subprocess_exec(*argv, stdout=write)
    os.close(write)
    await asyncio.to_thread(os.read, read, 10)
    os.close(read)
    async with asyncio.timeout(DEADLINE_S):
        await session.wait()
    assert await lab.until(port, "pgrep -x yes || echo gone", lambda done: "gone" in done.out) == "gone\n"


async def test_files_go_both_ways_and_land_where_the_script_sees_them(lab: MachineLab) -> None:
    script = (
        "mkdir -p /workspace/in; until [ -s /workspace/in/new ]; do sleep 0.05; done; cp /workspace/in/new /tmp/seen"
    )
    port = await lab.machines.boot(lab.spec(script))
    await lab.until(port, "test -d /workspace/in")
    (lab.folder / "up").write_text("up and down")
    scp = [*lab.client("scp"), "-P", str(port)]
    assert (await lab.run(*scp, str(lab.folder / "up"), "ubuntu@127.0.0.1:/workspace/in/new")).code == 0
    await lab.until(port, "test -s /tmp/seen")
    assert (await lab.run(*scp, "ubuntu@127.0.0.1:/tmp/seen", str(lab.folder / "down"))).code == 0
    assert (lab.folder / "down").read_text() == "up and down"
    sftp = [*lab.client("sftp"), "-P", str(port), "-b", "-", "ubuntu@127.0.0.1"]
    assert "/home/ubuntu" in (await lab.run(*sftp, typed="pwd\nmkdir x\nls /workspace/in\n")).out


async def test_without_an_sftp_server_of_the_system_the_emulator_serves_files(
    lab: MachineLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_core.emulator.nodes.spawn_requests._SFTP_SERVERS", ())
    port = await lab.machines.boot(lab.spec())
    sftp = [*lab.client("sftp"), "-P", str(port), "-b", "-", "ubuntu@127.0.0.1"]
    (lab.folder / "up").write_text("x" * 300_000)
    steps = (
        f"put {lab.folder}/up /workspace/up\nput {lab.folder}/up relative\npwd\nget /workspace/up {lab.folder}/down\n"
    )
    done = await lab.run(*sftp, typed=steps)
    assert done.code == 0, done.err
    assert (lab.folder / "down").stat().st_size == 300_000
    assert (await lab.ssh(port, "wc -c < /home/ubuntu/relative")).out.strip() == "300000"


async def test_a_jump_through_the_first_machine_reaches_another_by_its_private_address(lab: MachineLab) -> None:
    ips = ("10.4.0.10", "10.4.0.11")
    first = await lab.machines.boot(lab.spec(private_ips=ips))
    await lab.machines.boot(lab.spec(fid="inst_two", name="train-1", index=1, private_ips=ips))
    jump = " ".join([*lab.client(), "-p", str(first), "-W", "%h:%p", "ubuntu@127.0.0.1"])
    for there in ("10.4.0.11", "train-1"):
        done = await lab.run(*lab.client(), "-o", f"ProxyCommand={jump}", f"ubuntu@{there}", "hostname")
        assert done == (0, "train-1\n", "")
    other = lab.spec(fid="inst_three", order_fid="bid_two", name="other-1", index=1, private_ips=ips)
    await lab.machines.boot(other)
    own = await lab.run(*lab.client(), "-o", f"ProxyCommand={jump}", "ubuntu@10.4.0.11", "hostname")
    assert own.out == "train-1\n"
    nowhere = await lab.run(*lab.client(), "-p", str(first), "-W", "192.0.2.1:22", "ubuntu@127.0.0.1")
    assert nowhere == (255, "", "stdio forwarding failed\r\n")


async def test_ports_of_a_machine_are_forwarded_whichever_side_finishes_first(lab: MachineLab) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    async def hear_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(str(len(await reader.read())).encode())
        writer.close()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
        there = server.sockets[0].getsockname()[1]
        port = await lab.machines.boot(lab.spec())
        for host in ("localhost", "10.4.0.10"):
            argv = [*lab.client(), "-p", str(port), "-W", f"{host}:{there}", "ubuntu@127.0.0.1"]
            assert (await lab.run(*argv, typed="hello\n")).out == "HELLO\n"
    async with await asyncio.start_server(hear_out, "127.0.0.1", 0) as server:
        there = server.sockets[0].getsockname()[1]
        argv = [*lab.client(), "-p", str(port), "-W", f"localhost:{there}", "ubuntu@127.0.0.1"]
        assert (await lab.run(*argv, typed="x" * 3_000_000)).out == "3000000"
    assert await farewell([*lab.client(), "-p", str(port), "ubuntu@127.0.0.1"]) == b"bye"


async def test_sessions_and_the_script_see_the_same_paths(lab: MachineLab) -> None:
    port = await lab.machines.boot(lab.spec("mkdir /made; mount -t tmpfs none /made; echo here > /made/file"))
    assert await lab.until(port, "cat /made/file") == "here\n"
    assert not Path("/made").exists()

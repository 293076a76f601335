"""Local tasks over SSH: entered by the system's own ssh, scp and sftp, with the command as it is printed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import asyncssh
import pytest
from testbed.command_lines import read_command_line
from testbed.forwarded import farewell
from testbed.local_machine import Machine
from testbed.pty_screen import Screen
from testbed.slow_command import MOST_SENT, bytes_sent
from testbed.ssh_programs import for_program, run_program, run_ssh, ssh_folder
from testbed.waiting import DEADLINE_S

from flow_core import AsyncFlow, Client
from flow_core.errors import ConfigError
from flow_core.models.task import TaskRecord
from flow_core.providers.local.sshd.server_files import find_running_server

pytestmark = pytest.mark.needs("ssh")


@pytest.fixture(scope="module")
def machine(module_machine) -> Machine:
    return module_machine


@pytest.fixture(autouse=True)
def _elsewhere(shared_machine, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def task(machine) -> TaskRecord:
    return asyncio.run(_start(machine))


async def _start(machine) -> TaskRecord:
    return await machine.running(await machine.submit("sleep 300", env={"WORD": "hush"}))


@pytest.fixture(scope="module")
def command(machine, task) -> str:
    return asyncio.run(machine.provider.endpoints.command(task.task_id))


async def test_a_command_runs_inside_the_task_and_its_exit_code_and_streams_come_back(machine, task, command):
    done = await run_ssh(command, "'echo $FLOW_TASK_ID $WORD; pwd; echo wrong >&2; exit 7'")
    assert (done.returncode, done.stderr) == (7, b"wrong\n")
    assert done.stdout.decode().split() == [task.task_id, "hush", str(machine.home)]


async def test_what_is_piped_in_arrives_whole_and_so_does_what_comes_out(command):
    data = os.urandom(3_000_000)
    assert (await run_ssh(command, "cat", stdin=data)).stdout == data
    assert (await run_ssh(command, "'head -c 5; exit 3'", stdin=data)).stdout == data[:5]


async def test_a_command_that_a_signal_ended_says_so(command):
    done = await run_ssh(command, "-v 'kill -TERM $$'")
    assert done.returncode == 255
    assert b"exit-signal" in done.stderr


async def test_nobody_waits_for_what_a_command_leaves_in_the_background(command):
    assert (await run_ssh(command, "'sleep 100 & echo left'")).stdout == b"left\n"


@pytest.mark.parametrize("option", ["-T", "-tt"])
async def test_a_command_ends_when_nobody_reads_what_it_says(machine, task, command, option):
    before = machine.members(task)
    for reader in ("head -n 1", "(sleep 0.5; head -n 1)"):
        done = await run_program("sh", "-c", f"{command} {option} 'yes' </dev/null | {reader}")
        assert done.stdout.split() == [b"y"]
    await machine.until(lambda: set(machine.members(task)) <= set(before), "the command ends")


@pytest.mark.needs("linux")
@pytest.mark.parametrize(
    "line",
    [
        "{} 'head -c 80000000 /dev/zero' | (sleep 1; wc -c)",
        "head -c 80000000 /dev/zero | {} 'sleep 1; wc -c'",
        "head -c 80000000 /dev/zero | {} cat | (sleep 1; wc -c)",
    ],
    ids=["client", "command", "both"],
)
async def test_whoever_reads_nothing_for_a_while_costs_little_memory(machine, command, line):
    def resident_mb() -> float:
        pid = find_running_server(ssh_folder(machine.home)).process.pid
        (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    await run_ssh(command, "true")
    most = before = resident_mb()
    running = asyncio.create_task(run_program("sh", "-c", line.format(command)))
    while not running.done():
        most = max(most, resident_mb())
        await asyncio.sleep(0.05)
    assert (await running).stdout.split() == [b"80000000"]
    assert most - before < 40  # of 80 that would pile up


@pytest.mark.parametrize("option", ["-T", "-tt"])
async def test_a_command_that_reads_slowly_is_sent_little_more_than_it_reads(command, option):
    assert await bytes_sent([*shlex.split(command), option]) < MOST_SENT


async def test_a_command_ends_when_its_client_does(machine, task, command):
    client = await asyncio.create_subprocess_shell(f"exec {command} 'sleep 123'", stdin=subprocess.DEVNULL)

    def sleepers() -> list[int]:
        return [pid for pid in machine.members(task) if b"sleep\x00123" in read_command_line(pid)]

    if sys.platform == "linux":
        await machine.until(sleepers, "the command runs")
        client.kill()
        await machine.until(lambda: not sleepers(), "the command ends")
    await client.wait()


async def test_a_terminal_has_size_type_and_keys_and_follows_the_window(task, command):
    with Screen(["sh", "-c", command], {"TERM": "screen-256color", "LC_ALL": "C.UTF-8"}, columns=90, rows=30) as shown:
        shown.send('echo "<$(stty size) $TERM $LC_ALL $FLOW_TASK_ID>"', "enter")
        shown.wait_for(f"<30 90 screen-256color C.UTF-8 {task.task_id}>")
        shown.resize(110, 20)
        shown.send("stty size", "enter")
        shown.wait_for(lambda text: re.search(r"^20 110$", text, re.MULTILINE))
        shown.send("sh -c 'echo $((6 * 7)); exec sleep 100'", "enter")
        shown.wait_for(lambda text: re.search(r"^42$", text, re.MULTILINE))
        shown.send("ctrl+c", "echo code $?", "enter")
        shown.wait_for("code 130")
        shown.send("exit 9", "enter")
        assert shown.wait_exit() == 9


async def test_a_terminals_own_settings_go_along(command):
    with Screen(["sh", "-c", f"stty erase '^H' -ixon; exec {command} -t 'stty -a'"]) as shown:
        shown.wait_exit()
        text = shown.text()
    assert "erase = ^H" in text
    assert "-ixon" in text


@pytest.mark.needs("namespaces")
async def test_files_go_to_where_the_task_sees_them_and_come_back(machine, tmp_path):
    volumes = [{"name": "data", "create_if_missing": True, "mount_path": "/flow-test/data"}]
    task = await machine.running(await machine.submit("sleep 300", volumes=volumes))
    assert not Path("/flow-test").exists()
    scp, address = for_program(await machine.provider.endpoints.command(task.task_id), "scp")
    sent = tmp_path / "sent"
    sent.write_bytes(os.urandom(2_000_000))
    done = await run_program(*scp, str(sent), f"{address}:/flow-test/data/weights")
    assert done.returncode == 0, done.stderr
    (arrived,) = machine.home.glob("state/local/*/contexts/*/volumes/*/data/weights")
    assert arrived.read_bytes() == sent.read_bytes()
    back = await run_program(*scp, f"{address}:/flow-test/data/weights", str(tmp_path / "back"))
    assert (back.returncode, (tmp_path / "back").read_bytes()) == (0, sent.read_bytes())


async def test_sftp_starts_in_the_tasks_directory_and_does_what_a_person_does_there(machine, command, tmp_path):
    (tmp_path / "one").write_bytes(b"1")
    sftp, address = for_program(command, "sftp")
    deeds = """
        pwd
        mkdir folder
        put one folder/two
        chmod 640 folder/two
        rename folder/two folder/three
        ln -s three folder/link
        ls -l folder
        get folder/link copy
        -get nowhere
        rm folder/link
        rm folder/three
        rmdir folder
    """
    done = await run_program(*sftp, "-b", "-", address, stdin=deeds.encode())
    assert done.returncode == 0, done.stderr
    assert f"Remote working directory: {machine.home}" in done.stdout.decode()
    assert re.search(r"-rw-r----- .*three", done.stdout.decode())
    assert (tmp_path / "copy").read_bytes() == b"1"
    assert b'"' + os.fsencode(machine.home / "nowhere") + b'" not found' in done.stderr
    assert not (machine.home / "folder").exists()


def _echo(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(connection.recv(100).upper())


async def test_ports_of_loopback_are_forwarded_and_no_others(machine, command, tmp_path):
    here = tmp_path / "here"
    with socket.create_server(("127.0.0.1", 0)) as there:
        threading.Thread(target=_echo, args=(there,), daemon=True).start()
        way = f"{here}:127.0.0.1:{there.getsockname()[1]}"
        forwarding = subprocess.Popen([*shlex.split(command), "-N", "-L", way], stderr=subprocess.DEVNULL)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(DEADLINE_S)
                await machine.until(lambda: connection.connect_ex(str(here)) == 0, "the port is forwarded")
                connection.sendall(b"hello")
                assert connection.recv(100) == b"HELLO"
        finally:
            forwarding.kill()
            forwarding.wait()
    refused = await run_ssh(command, "-W 192.0.2.1:80")
    assert refused.returncode != 0
    assert b"only ports of this machine's loopback" in refused.stderr


async def test_a_terminal_larger_than_any_is_cut_to_the_largest(machine, task, command):
    there = await machine.provider.endpoints.resolve(task.task_id)
    keys = [str(ssh_folder(machine.home).client_key)]
    async with (
        asyncio.timeout(DEADLINE_S),
        asyncssh.connect(
            there.host,
            there.port,
            config=None,
            username=there.user,
            client_keys=keys,
            agent_path=None,
            known_hosts=None,
        ) as connection,
    ):
        done = await connection.run("stty size", term_type="xterm", term_size=(70_000, 1 << 20))
    assert done.stdout.split() == ["65535", "65535"]


async def test_a_forward_ends_when_its_port_is_the_first_to_finish(command):
    assert await farewell(shlex.split(command)) == b"bye"


async def test_what_goes_to_a_forwarded_port_waits_for_who_reads_it_slowly(machine, command):
    read = sent = 0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        for _ in range(300):
            read += len(await reader.read(1 << 16))
            await asyncio.sleep(0.005)
        writer.close()

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)  # the kernel isn't to hold much of it for us
    async with await asyncio.start_server(take, sock=listener) as there:
        way = f"127.0.0.1:{there.sockets[0].getsockname()[1]}"
        client = await asyncio.create_subprocess_shell(
            f"exec {command} -W {way}", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                with contextlib.suppress(ConnectionError):
                    while True:
                        client.stdin.write(bytes(1 << 16))
                        await client.stdin.drain()
                        sent += 1 << 16
        finally:
            if client.returncode is None:
                client.kill()
            await client.wait()
    assert 0 < sent - read < 30_000_000


async def test_neither_agents_nor_ports_of_the_far_side_nor_foreign_variables_come_along(command):
    done = await run_ssh(f"EVIL=1 LC_X=2 {command}", "-A -o SendEnv='EVIL LC_X' 'echo \"<$SSH_AUTH_SOCK$EVIL$LC_X>\"'")
    assert done.stdout == b"<2>\n"
    done = await run_ssh(command, "-o ExitOnForwardFailure=yes -R 0:127.0.0.1:1 true")
    assert done.returncode == 255


async def test_an_unknown_task_is_refused_with_a_word(task, command):
    for wrong in ("task_aaaaaaaaaa", "root", f"{task.task_id}+1", "../etc"):
        done = await run_ssh(command.replace(task.task_id, wrong), "true")
        assert done.returncode == 255, wrong
        assert done.stderr.startswith(b"flow: "), wrong


async def test_a_node_is_entered_by_its_number(machine):
    task = await machine.running(await machine.submit("sleep 300", num_instances=2))
    endpoint = await machine.provider.endpoints.resolve(task.task_id, 1)
    assert endpoint.user == f"{task.task_id}+1"
    command = await machine.provider.endpoints.command(task.task_id)
    assert (await run_ssh(command, "'echo $NODE_RANK'")).stdout == b"0\n"
    assert (await run_ssh(command.replace(task.task_id, endpoint.user), "'echo $NODE_RANK'")).stdout == b"1\n"
    with pytest.raises(ConfigError, match="no 2"):
        await machine.provider.endpoints.resolve(task.task_id, 2)


@pytest.mark.needs("linux")
async def test_it_listens_on_loopback_only(machine, command):
    pid = find_running_server(ssh_folder(machine.home)).process.pid
    links = (os.readlink(one.path) for one in os.scandir(f"/proc/{pid}/fd"))
    sockets = {link[8:-1] for link in links if link.startswith("socket:[")}
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    listening = {line[1].partition(":")[0] for line in lines if line[3] == "0A" and line[9] in sockets}
    assert listening
    assert listening <= {"0100007F", "00000000000000000000000001000000"}


async def test_keys_are_for_the_owners_eyes_and_nothing_secret_is_logged(machine, task, command):
    await run_ssh(command, "'echo hunter2; true'")
    folder = ssh_folder(machine.home)
    for path in (folder.host_key, folder.client_key, folder.log, folder.record, folder.known_hosts):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    log = folder.log.read_text()
    assert task.task_id in log
    for secret in (*folder.host_key.read_text().splitlines(), *folder.client_key.read_text().splitlines(), "hunter2"):
        assert secret not in log


async def test_the_clients_calls_work_on_this_machine(machine, task):
    async with AsyncFlow("local") as flow:
        ready = await flow.wait_for_ssh(task.task_id, timeout=DEADLINE_S)
        host, port = await flow.resolve_ssh_endpoint(task.task_id)
        assert (ready.ssh_host, ready.ssh_port, ready.ssh_user) == (host, port, task.task_id)
        assert await flow.get_task_ssh_connection_info(task.task_id) == (ssh_folder(machine.home).client_key, "")
        path, why = await flow.get_task_ssh_connection_info("task_aaaaaaaaaa")
        assert (path, "no task" in why) == (None, True)
    client = Client("local")
    command = await asyncio.to_thread(client.ssh, task.task_id)
    assert (await run_ssh(command, "true")).returncode == 0
    await asyncio.to_thread(client.close)

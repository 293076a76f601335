"""The SSH server of local tasks: how it starts and ends, and whom it lets in."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys

import pytest
from testbed.local_ssh_servers import find_live_servers
from testbed.ssh_programs import run_ssh, ssh_folder
from testbed.waiting import DEADLINE_S

from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.errors import Conflict, NotFound
from flow_core.providers.local.sshd.server_files import ServerRecord, SshFolder, find_running_server

pytestmark = pytest.mark.needs("ssh")


@pytest.fixture
async def task(machine):
    return await machine.running(await machine.submit("sleep 300", env={"WORD": "hush"}))


@pytest.fixture
async def command(machine, task):
    return await machine.provider.endpoints.command(task.task_id)


async def test_a_session_ends_with_its_task_and_so_does_a_forward(machine, task, command):
    session = await asyncio.create_subprocess_shell(f"exec {command} 'sleep 1000'", stdin=subprocess.DEVNULL)
    forward = await asyncio.create_subprocess_shell(
        f"exec {command} -N", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    log = ssh_folder(machine.home).log
    await machine.until(lambda: log.read_text().count("entered") >= 2, "both are connected")
    await machine.provider.cancel_task(task.task_id)
    _, output = await asyncio.wait_for(forward.communicate(), DEADLINE_S)
    assert f"{task.task_id} has ended" in output.decode()
    assert await asyncio.wait_for(session.wait(), DEADLINE_S) != 0
    with pytest.raises(Conflict):
        await machine.provider.endpoints.resolve(task.task_id)
    assert b"is cancelled" in (await run_ssh(command, "true")).stderr


async def test_looking_starts_nothing_and_says_the_address_once_it_was_asked_for(machine, task):
    assert not list(machine.home.glob("state/local/*/ssh"))
    assert (await machine.provider.get_task(task.task_id)).ssh_host is None
    endpoint = await machine.provider.endpoints.resolve(task.task_id)
    for record in (await machine.provider.get_task(task.task_id), *(await machine.provider.list_tasks())):
        assert (record.ssh_host, record.ssh_port, record.ssh_user) == ("127.0.0.1", endpoint.port, task.task_id)
    done = await machine.ended(await machine.submit("true"))
    assert done.ssh_host is None
    with pytest.raises(NotFound):
        await machine.provider.endpoints.resolve("task_aaaaaaaaaa")
    with pytest.raises(Conflict):
        await machine.provider.endpoints.resolve(done.task_id)


async def test_after_a_kill_it_is_back_at_the_same_port_with_the_same_key(machine, task, command):
    folder = ssh_folder(machine.home)
    first, known = find_running_server(folder), folder.known_hosts.read_bytes()
    first.process.send(signal.SIGKILL)
    await machine.until(lambda: find_running_server(folder) is None, "the server is gone")
    assert (await machine.provider.get_task(task.task_id)).ssh_host is None
    assert (await run_ssh(command, "true")).returncode == 255
    assert await machine.provider.endpoints.command(task.task_id) == command
    assert (await run_ssh(command, "true")).returncode == 0
    assert (folder.known_hosts.read_bytes(), find_running_server(folder).port) == (known, first.port)
    assert find_running_server(folder).process != first.process


async def test_it_takes_another_port_when_somebody_has_taken_its_own(machine, task, command):
    folder = ssh_folder(machine.home)
    first = find_running_server(folder)
    first.process.send(signal.SIGKILL)
    await machine.until(lambda: find_running_server(folder) is None, "the server is gone")
    with await _once_free(machine, first.port):
        again = await machine.provider.endpoints.command(task.task_id)
        assert again != command
        assert (await run_ssh(again, "true")).returncode == 0


async def _once_free(machine, port: int) -> socket.socket:
    """Listens there. A process that was killed may hold its sockets a moment longer than its name."""
    taken: list[socket.socket] = []

    def take() -> bool:
        with contextlib.suppress(OSError):
            taken.append(socket.create_server(("127.0.0.1", port)))
        return bool(taken)

    await machine.until(take, f"port {port} is free")
    return taken[0]


async def test_a_record_that_names_a_stranger_or_is_broken_is_nobodys(machine, task):
    folder = SshFolder.of(next(machine.home.glob("state/local/*")))
    folder.path.mkdir(mode=0o700)
    me = ProcessIdentity.current()
    ServerRecord(me._replace(start="0"), 22).write(folder)
    assert find_running_server(folder) is None
    folder.record.write_text("{")
    assert find_running_server(folder) is None
    assert (await machine.provider.endpoints.resolve(task.task_id)).port != 22


async def test_many_who_ask_at_the_same_moment_start_one_server(machine, task):
    others = [machine.open("local") for _ in range(4)]
    found = await asyncio.gather(*(other.endpoints.resolve(task.task_id) for other in others))
    assert len({endpoint.port for endpoint in found}) == 1
    (only,) = find_live_servers(machine.home / "state")
    assert only.port == found[0].port


async def test_asked_for_from_inside_a_task_it_outlives_that_task(machine, task):
    ask = f"from flow_core import Client; print(Client('local').ssh('{task.task_id}'))"
    asker = await machine.ended(await machine.submit([sys.executable, "-c", ask]))
    command = (await machine.output(asker)).decode()
    assert (await run_ssh(command.strip(), "'echo in'")).stdout == b"in\n"


async def test_it_goes_when_nobody_is_connected_and_stays_while_somebody_is(machine, monkeypatch, task):
    monkeypatch.setenv("FLOW_LOCAL_SSH_IDLE_S", "1")
    output = b""
    while not output:  # a client that takes its time may find that the server has gone already
        command = await machine.provider.endpoints.command(task.task_id)
        output = (await run_ssh(command, "'echo in; sleep 2.5; echo still'")).stdout
    assert output == b"in\nstill\n"
    await machine.until(lambda: find_running_server(ssh_folder(machine.home)) is None, "the idle server ends")
    assert "nobody was connected" in ssh_folder(machine.home).log.read_text()


async def test_it_ends_at_once_when_told_and_parts_from_who_is_connected(machine, command):
    session = await asyncio.create_subprocess_shell(
        f"exec {command} 'echo in; sleep 1000'",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert await session.stdout.readline() == b"in\n"
    server = find_running_server(ssh_folder(machine.home))
    server.process.send(signal.SIGTERM)
    _, output = await asyncio.wait_for(session.communicate(), DEADLINE_S)
    assert b"the SSH server ends" in output
    await machine.until(lambda: not server.process.is_alive, "the server ends")


async def test_it_ends_when_its_record_is_taken_away(machine, command):
    folder = ssh_folder(machine.home)
    server = find_running_server(folder)
    folder.record.unlink()
    await machine.until(lambda: not server.process.is_alive, "the server ends")


async def test_a_key_that_cant_be_read_is_named_and_not_replaced(machine, task):
    folder = SshFolder.of(next(machine.home.glob("state/local/*")))
    folder.path.mkdir(mode=0o700)
    folder.host_key.write_text("not a key")
    with pytest.raises(Exception, match="host_key can't be read as a key"):
        await machine.provider.endpoints.resolve(task.task_id)
    assert folder.host_key.read_text() == "not a key"


async def test_the_command_works_wherever_the_state_directory_is(machine, monkeypatch, tmp_path):
    name = "a b 50% it's ünï"
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path / name / "state"))
    provider = machine.open("local")
    machine.provider = provider
    task = await machine.running(await machine.submit("sleep 300"))
    command = await provider.endpoints.command(task.task_id)
    try:
        done = await run_ssh(command, "'echo in'")
        assert (done.returncode, done.stdout) == (0, b"in\n"), done.stderr
    finally:
        await provider.cancel_task(task.task_id, force=True)
        for server in find_live_servers(tmp_path / name / "state"):
            server.process.send(signal.SIGKILL)


@pytest.mark.needs("ssh-keygen")
async def test_only_our_key_and_the_users_own_open(machine, home, command, tmp_path):
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"]
    (home / ".ssh").mkdir(mode=0o700)
    for key in (home / ".ssh" / "id_ed25519", home / ".ssh" / "id_colleague", tmp_path / "strange"):
        subprocess.run([*keygen, str(key)], check=True)
    (home / ".ssh" / "id_colleague").rename(tmp_path / "colleague")
    ours = str(ssh_folder(machine.home).client_key)
    with_key = {
        key: await run_ssh(command.replace(ours, str(key)), "-o BatchMode=yes true")
        for key in (home / ".ssh" / "id_ed25519", tmp_path / "colleague", tmp_path / "strange")
    }
    assert [done.returncode for done in with_key.values()] == [0, 255, 255]
    assert b"Permission denied (publickey)" in with_key[tmp_path / "strange"].stderr
    assert b"flow:" not in with_key[tmp_path / "strange"].stderr
    no_key = await run_ssh(command, "-o PubkeyAuthentication=no -o PreferredAuthentications=password true")
    assert b"Permission denied (publickey)" in no_key.stderr

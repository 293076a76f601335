"""SSH endpoints of tasks: whether they answer, and the command for the system's own ssh."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from testbed.far_tasks import Far
from testbed.sshd import Sshd
from testbed.waiting import DEADLINE_S, until

from flow_core.errors import Conflict, HostKeyChanged, NotFound, Unreachable
from flow_core.providers.over_ssh.endpoints import SshEndpoints
from flow_core.providers.over_ssh.host_pool import HostPool

pytestmark = pytest.mark.needs("ssh", "sshd")


async def test_an_endpoint_names_the_machine_the_user_and_the_key(far: Far, sshd: Sshd) -> None:
    far.start()
    found = await SshEndpoints(far).resolve("train")
    assert (found.host, found.port, found.key_path) == ("127.0.0.1", sshd.port, sshd.key)
    assert found.user == far.host.settings.user
    with pytest.raises(NotFound):
        await SshEndpoints(far).resolve("other")
    far.ended.add("train")
    with pytest.raises(Conflict):
        await SshEndpoints(far).resolve("train")


async def test_the_printed_command_enters_the_task(far: Far) -> None:
    task = far.start()
    command = await SshEndpoints(far).command("train")
    assert command.startswith("ssh -t ")
    entered = await asyncio.to_thread(
        subprocess.run,
        ["/bin/sh", "-c", command],
        input=b'pwd; echo "$TASK"; exit 5\n',
        capture_output=True,
        timeout=DEADLINE_S,
    )
    assert entered.returncode == 5, entered.stderr
    assert entered.stdout.decode().splitlines() == [str(task), "it's"]


async def test_a_machine_is_ready_once_it_lets_us_in(far: Far, sshd: Sshd) -> None:
    far.start()
    endpoints = SshEndpoints(far)
    sshd.stop()
    assert not await endpoints.is_ready("train")
    keys = sshd.authorized_keys.read_text()
    sshd.authorized_keys.write_text("")
    sshd.start()
    assert not await endpoints.is_ready("train")
    sshd.authorized_keys.write_text(keys)
    await until(lambda: endpoints.is_ready("train"))


async def test_waiting_accepts_no_changed_host_key(far: Far, sshd: Sshd) -> None:
    far.start()
    sshd.stop()
    sshd.change_host_key()
    sshd.start()
    with pytest.raises(HostKeyChanged):
        await SshEndpoints(far).is_ready("train")


async def test_a_host_is_looked_up_once_and_shared_by_all(sshd: Sshd, pool: HostPool) -> None:
    config = sshd.config()
    found = await asyncio.gather(*(pool.find("far", config=config) for _ in range(8)))
    assert len(set(found)) == 1
    assert pool.get_host(found[0].settings) is found[0]
    await asyncio.gather(*(host.run("true") for host in found))
    assert found[0].connection_count == 1
    config.write_text(config.read_text() + "ConnectTimeout 3\n")
    assert await pool.find("far", config=config) is found[0]
    pool.forget("far")
    assert (await pool.find("far", config=config)).settings.connect_timeout_s == 3
    await pool.close()
    await pool.close()
    assert found[0].connection_count == 0
    with pytest.raises(Unreachable, match="closed"):
        pool.get_host(found[0].settings)


def test_the_facets_load_no_ssh_library_before_one_is_used() -> None:
    rooms = ("endpoints", "host_pool", "logs", "task_commands", "shells", "tunnels", "uploads")
    imports = "; ".join(f"import flow_core.providers.over_ssh.{room}" for room in rooms)
    script = f"import sys; {imports}; print('asyncssh' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"

"""Machines of bids, entered over SSH at the addresses that the API returns (section 6, point 8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
import httpx
import pytest
from testbed.emulator_account import Account
from testbed.waiting import DEADLINE_S, until

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.nodes.machines import Machines
from flow_core.emulator.settings import Settings

pytestmark = pytest.mark.needs("user-namespaces")
LOG = "/var/log/flow/user-workload.log"
SCRIPT = f"""#!/bin/bash
mkdir -p $(dirname {LOG})
echo "$(hostname) began" >> {LOG}
"""
T = TypeVar("T")


@pytest.fixture
async def emulator(programs: Path) -> AsyncIterator[Emulator]:
    settings = Settings(seconds_to_allocate=0.1, starting_s=0.1, preempt_notice_s=1.0, relocating_s=0.1)
    async with Emulator(settings, nodes=lambda root: Machines(root, programs)) as one:
        yield one


@dataclass
class MachineClient:
    """An account with a key that it has the private half of."""

    account: Account
    private: asyncssh.SSHKey

    async def running(self, bid: str) -> list[dict[str, Any]]:
        async def look() -> list[dict[str, Any]] | None:
            rows = await self.account.instances(bid)
            return rows if rows and {one["status"] for one in rows} == {"STATUS_RUNNING"} else None

        return await until(look)

    async def run(self, destination: str | int, command: str) -> str:
        """What it prints. Raises asyncssh's errors."""
        port = int(str(destination).removeprefix("localhost:"))
        options: dict[str, Any] = {"username": "ubuntu", "client_keys": [self.private], "known_hosts": None}
        async with (
            asyncio.timeout(DEADLINE_S),
            asyncssh.connect("localhost", port, config=None, **options) as connection,
        ):
            return str((await connection.run(command, check=True)).stdout)

    async def logged(self, destination: str, text: str) -> str:
        async def look() -> str | None:
            found = await self.run(destination, f"cat {LOG} 2>/dev/null || true")
            return found if text in found else None

        return await until(look)


@pytest.fixture
async def client(account: Account) -> MachineClient:
    body = {"project": account.project, "name": "made-here"}
    made = await account.post("/v2/ssh-keys", body)
    account.key = made["fid"]
    return MachineClient(account, asyncssh.import_private_key(made["private_key"]))


async def test_the_script_of_a_bid_has_run_at_its_ssh_address(client: MachineClient) -> None:
    bid = await client.account.place(launch={"startup_script": SCRIPT}, instance_quantity=2)
    for row in await client.running(bid):
        assert await client.logged(row["ssh_destination"], "began") == f"{row['name']} began\n"
        hosts = await client.run(row["ssh_destination"], "cat /etc/hosts")
        assert all(one["private_ip"] in hosts for one in await client.account.instances(bid))
    port = client.account.emulator.ssh_port
    assert port is not None
    assert (await client.run(port, "hostname")).startswith("train-")


async def test_a_preempted_machine_is_warned_and_returns_with_its_disk(client: MachineClient) -> None:
    bid = await client.account.place(launch={"startup_script": SCRIPT})
    [row] = await client.running(bid)
    await client.logged(row["ssh_destination"], "began")
    await client.account.emulator.control.preempt(bid)
    assert "STATUS_PREEMPTING" in await client.run(row["ssh_destination"], "cat /opt/mithril/MITHRIL_SIGNAL.yml")

    async def open_again() -> str | None:
        return await client.account.status(bid) if await client.account.status(bid) != "Preempting" else None

    await until(open_again)
    [row] = await client.running(bid)
    assert await client.run(row["ssh_destination"], f"cat {LOG}; ls /opt/mithril 2>/dev/null") == "train-1 began\n"


async def test_a_volume_keeps_its_bytes_from_one_bid_to_the_next(client: MachineClient) -> None:
    where = {"region": "us-central1-a", "disk_interface": "File", "size_gb": 1}
    body = {"project": client.account.project, "name": "data", **where}
    volume = (await client.account.post("/v2/volumes", body))["fid"]
    for command, output in (("echo kept > /mnt/data/file", ""), ("cat /mnt/data/file", "kept\n")):
        bid = await client.account.place(volumes=[volume])
        [row] = await client.running(bid)
        assert await client.run(row["ssh_destination"], command) == output
        await client.account.delete(f"/v2/spot/bids/{bid}")


async def test_login_fails_after_the_end_of_the_bid(client: MachineClient) -> None:
    bid = await client.account.place()
    [row] = await client.running(bid)
    await client.run(row["ssh_destination"], "true")
    await client.account.delete(f"/v2/spot/bids/{bid}")
    with pytest.raises((OSError, asyncssh.Error)):
        await client.run(row["ssh_destination"], "true")


async def test_login_needs_a_key_of_the_bid(client: MachineClient, http: httpx.AsyncClient) -> None:
    bid = await client.account.place()
    [row] = await client.running(bid)
    stranger = MachineClient(client.account, asyncssh.generate_private_key("ssh-ed25519"))
    with pytest.raises(asyncssh.PermissionDenied):
        await stranger.run(row["ssh_destination"], "true")

"""The calls that the API makes to its fleet of machines, and their order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from testbed.emulator_account import PUBLIC_KEY, REGION, Account

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.nodes.machine_interface import NodeSpec
from flow_core.errors import ProviderError


class Machines:
    """A fleet that records its calls. `preempts_during_boot` is the bid to preempt while its machine boots."""

    ssh_port = 2222

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, object]] = []
        self.specs: list[NodeSpec] = []
        self.emulator: Emulator | None = None
        self.preempts_during_boot = ""
        self.refuses = ""

    async def start(self) -> None:
        """Its port is none of ours."""

    async def limitations(self) -> str:
        return ""

    async def boot(self, spec: NodeSpec) -> int:
        self.calls.append(("boot", spec.name, None))
        self.specs.append(spec)
        if self.refuses:
            raise ProviderError(self.refuses)
        if self.preempts_during_boot and self.emulator is not None:
            bid, self.preempts_during_boot = self.preempts_during_boot, ""
            await self.emulator.control.preempt(bid)
        return 3000 + len(self.specs)

    async def warn(self, instance_fid: str, signal: str | None) -> None:
        self.calls.append(("warn", self._name(instance_fid), signal))

    async def halt(self, instance_fid: str, *, keeps_disk: bool) -> None:
        self.calls.append(("halt", self._name(instance_fid), keeps_disk))

    async def delete_volume(self, volume_fid: str) -> None:
        self.calls.append(("forget", volume_fid, None))

    async def close(self) -> None:
        self.calls.append(("close", "", None))

    def _name(self, fid: str) -> str:
        return next((spec.name for spec in self.specs if spec.instance_fid == fid), fid)


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
async def emulator(machines: Machines) -> AsyncIterator[Emulator]:
    def build(root: Path) -> Machines:
        assert list(root.iterdir()) == []
        return machines

    async with Emulator(is_live=False, port=None, nodes=build) as one:
        machines.emulator = one
        yield one
    assert machines.calls[-1] == ("close", "", None)


async def test_a_machine_boots_with_every_field_of_its_order(account: Account, machines: Machines) -> None:
    volume = await account.post(
        "/v2/volumes",
        {"project": account.project, "name": "v", "region": REGION, "disk_interface": "File", "size_gb": 7},
    )
    script = "#!/bin/bash\ntrue"
    bid = await account.running(volumes=[volume["fid"]], launch={"startup_script": script}, instance_quantity=2)
    assert [(spec.name, spec.index) for spec in machines.specs] == [("train-1", 0), ("train-2", 1)]
    rows = await account.instances(bid)
    for spec in machines.specs:
        assert (spec.order_fid, spec.startup_script, spec.public_keys) == (bid, script, (PUBLIC_KEY,))
        assert spec.private_ips == tuple(row["private_ip"] for row in rows)
        [disk] = spec.volumes
        assert (disk.fid, disk.name, disk.size_gb, disk.interface) == (volume["fid"], "v", 7, "File")


async def test_only_a_running_instance_is_reachable_by_a_name_with_a_port(account: Account, machines: Machines) -> None:
    bid = await account.place()
    await account.emulator.control.advance(1.5)
    assert [row["ssh_destination"] for row in await account.instances(bid)] == [None]
    await account.emulator.control.advance(0.5)
    assert [row["ssh_destination"] for row in await account.instances(bid)] == ["localhost:3001"]
    await account.patch(f"/v2/spot/bids/{bid}", {"paused": True})
    assert [row["ssh_destination"] for row in await account.instances(bid)] == [None]
    assert account.emulator.as_json()["ssh_port"] == 2222


async def test_pausing_keeps_the_disk_and_cancelling_does_not(account: Account, machines: Machines) -> None:
    bid = await account.running()
    await account.patch(f"/v2/spot/bids/{bid}", {"paused": True})
    await account.patch(f"/v2/spot/bids/{bid}", {"paused": False})
    await account.emulator.control.advance(5)
    await account.delete(f"/v2/spot/bids/{bid}")
    assert machines.calls == [
        ("boot", "train-1", None),
        ("halt", "train-1", True),
        ("boot", "train-1", None),
        ("halt", "train-1", False),
    ]


async def test_preemption_warns_and_then_halts(account: Account, machines: Machines) -> None:
    bid = await account.running()
    await account.emulator.control.preempt(bid)
    kind, _, signal = machines.calls[-1]
    assert kind == "warn"
    assert "instance_status: STATUS_PREEMPTING\nbid_status: Preempting\nend_time: 2" in str(signal)
    assert [row["ssh_destination"] for row in await account.instances(bid)] == ["localhost:3001"]
    await account.emulator.control.advance(10)
    assert machines.calls[2:] == [("halt", "train-1", True), ("boot", "train-1", None), ("warn", "train-1", None)]


async def test_the_warning_is_withdrawn_when_the_preemption_is_cancelled(account: Account, machines: Machines) -> None:
    bid = await account.running()
    [auction] = [one for one in account.emulator.world.auctions.values() if bid in one.allocated_limits]
    await account.emulator.control.set_price(auction.offering.instance_type, REGION, 9000)
    await account.emulator.control.set_price(auction.offering.instance_type, REGION, 1000)
    assert machines.calls[-1] == ("warn", "train-1", None)
    await account.emulator.control.advance(60)
    assert machines.calls[-1] == ("warn", "train-1", None)


async def test_relocation_takes_the_disk_along_to_another_address(account: Account, machines: Machines) -> None:
    bid = await account.running()
    await account.emulator.control.relocate(bid)
    await account.emulator.control.advance(5)
    assert [(kind, detail) for kind, _, detail in machines.calls[-3:]] == [
        ("halt", True),
        ("boot", None),
        ("warn", None),
    ]
    assert machines.specs[0].private_ips != machines.specs[1].private_ips
    assert [row["ssh_destination"] for row in await account.instances(bid)] == ["localhost:3002"]


async def test_a_machine_that_comes_up_too_late_is_halted(account: Account, machines: Machines) -> None:
    bid = await account.place()
    machines.preempts_during_boot = bid
    await account.emulator.control.advance(2.0)
    assert [kind for kind, _, _ in machines.calls] == ["boot", "warn", "halt"]
    assert await account.status(bid) == "Preempting"


async def test_a_machine_that_does_not_start_is_an_instance_in_error(account: Account, machines: Machines) -> None:
    machines.refuses = "no namespaces here"
    bid = await account.place()
    await account.emulator.control.advance(2.0)
    assert [row["status"] for row in await account.instances(bid)] == ["STATUS_ERROR"]
    await account.delete(f"/v2/spot/bids/{bid}")
    assert [row["status"] for row in await account.instances(bid)] == ["STATUS_TERMINATED"]


async def test_the_files_of_a_deleted_volume_are_deleted(account: Account, machines: Machines) -> None:
    body = {"project": account.project, "name": "v", "region": REGION, "disk_interface": "Block", "size_gb": 1}
    volume = (await account.post("/v2/volumes", body))["fid"]
    await account.delete(f"/v2/volumes/{volume}")
    assert machines.calls == [("forget", volume, None)]


async def test_nothing_is_left_on_disk(machines: Machines, http: httpx.AsyncClient) -> None:
    seen: list[Path] = []

    def build(root: Path) -> Machines:
        seen.append(root)
        (root / "bytes").write_text("x")
        return Machines()

    async with Emulator(is_live=False, port=None, nodes=build):
        assert seen[0].is_dir()
    assert not seen[0].exists()

"""Any actions on bids in any order, also at the same time: capacity and machines add up afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from flow_core.emulator.clock import WorldClock
from flow_core.emulator.nodes.machine_interface import NodeSpec
from flow_core.emulator.orders import bid_lifecycle
from flow_core.emulator.orders.bids import BidRow
from flow_core.emulator.orders.order import LaunchConfig
from flow_core.emulator.rows import SshKeyRow
from flow_core.emulator.settings import Settings
from flow_core.emulator.world import World, create_world

H100, REGION = "it_5ECSoHQjLBzrp5YM", "us-central1-a"
WHOLE = 4


class Machines:
    """Those that are on. Each call lets others go first for a while."""

    ssh_port = 1

    def __init__(self) -> None:
        self.on: set[str] = set()

    async def boot(self, spec: NodeSpec) -> int:
        await _others()
        self.on.add(spec.instance_fid)
        await _others()
        return 1

    async def warn(self, instance_fid: str, signal: str | None) -> None:
        await _others()

    async def halt(self, instance_fid: str, *, keeps_disk: bool) -> None:
        await _others()
        self.on.discard(instance_fid)
        await _others()

    async def delete_volume(self, volume_fid: str) -> None: ...

    async def close(self) -> None: ...


async def _others() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def _world(machines: Machines) -> World:
    world = create_world(Settings(starting_s=0.4, seconds_to_allocate=0.2), WorldClock(is_live=False), machines)
    world.ssh_keys["k"] = SshKeyRow("k", "k", next(iter(world.projects)), "ssh-ed25519 A", world.now, False)
    world.auctions[H100, REGION].capacity = WHOLE
    for number, (quantity, limit_cents) in enumerate([(1, 3000), (2, 2500), (3, 4000)]):
        project, me = next(iter(world.projects)), world.me.fid
        bid = BidRow(
            fid=f"bid_{number}",
            name=f"b{number}",
            project=project,
            created_by=me,
            created_at=world.now,
            instance_type=H100,
            region=REGION,
            quantity=quantity,
            launch=LaunchConfig([], ["k"]),
            auction=world.auctions[H100, REGION],
            limit_cents=limit_cents,
        )
        world.bids[bid.fid] = bid
        bid_lifecycle.wait_for_allocation(world, bid)
    return world


async def _price(world: World, cents: int) -> None:
    auction = world.auctions[H100, REGION]
    auction.set_price(cents, world.now)
    await bid_lifecycle.follow_market(world, auction)


def apply_action(world: World, word: str, number: int) -> Awaitable[None]:
    actions: dict[str, Callable[[World, BidRow], Awaitable[None]]] = {
        "pause": bid_lifecycle.pause,
        "resume": bid_lifecycle.resume,
        "preempt": bid_lifecycle.preempt,
        "relocate": bid_lifecycle.relocate,
        "terminate": bid_lifecycle.terminate,
        "price": lambda world, _: _price(world, 1800 + number * 900),
        "time": lambda world, _: world.clock.advance(0.1 + number * 0.9),
    }
    return actions[word](world, world.bids[f"bid_{number}"])


WORDS = ("pause", "resume", "preempt", "relocate", "price", "time", "time", "time", "terminate")
MOMENTS = st.lists(st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 2)), max_size=4), max_size=12)


def check(world: World, machines: Machines) -> None:
    auction = world.auctions[H100, REGION]
    holding = [bid for bid in world.bids.values() if bid.status in ("Allocated", "Preempting")]
    assert auction.capacity + sum(bid.quantity for bid in holding) == WHOLE
    assert auction.allocated_limits == {bid.fid: bid.limit_cents for bid in holding}
    assert {one.fid for one in world.instances.values() if one.is_up} == machines.on
    for bid in world.bids.values():
        words = {world.instances[fid].status for fid in bid.instances}
        if bid.status == "Allocated":
            assert words == {"STATUS_RUNNING"}
            assert bid.limit_cents >= auction.price_cents
        elif bid.status == "Open":
            assert words <= {"STATUS_PREEMPTED", "STATUS_PAUSED"}
            assert bid.limit_cents < auction.price_cents or bid.quantity > auction.capacity
        elif words:
            assert words == {"STATUS_PAUSED" if bid.status == "Paused" else "STATUS_TERMINATED"}


@settings(max_examples=25, deadline=None)
@given(MOMENTS)
@example([[("time", 1)], [("relocate", 0)], [("time", 0), ("time", 2), ("pause", 0)]])  # paused while it is moved
def test_capacity_and_machines_add_up_once_all_is_quiet(moments: list[list[tuple[str, int]]]) -> None:
    async def live() -> None:
        machines = Machines()
        world = _world(machines)
        for moment in moments:
            await asyncio.gather(*(apply_action(world, word, number) for word, number in moment))
        await world.clock.advance(1000)
        check(world, machines)

    asyncio.run(live())

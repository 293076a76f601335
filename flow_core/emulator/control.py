"""What tests and demos do to the emulator that no client can."""

from __future__ import annotations

from typing import Any

from flow_core.emulator.market.auctions import Auction
from flow_core.emulator.orders import bidding
from flow_core.emulator.orders.bids import Bid
from flow_core.emulator.orders.instances import Instance, Status
from flow_core.emulator.world import World, known


class Control:
    """Holds nothing of its own. Every method raises Refusal for what it doesn't know."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def advance(self, seconds: float) -> None:
        """Jumps ahead; what is due on the way has been done when it returns."""
        await self._world.clock.advance(seconds)

    def skew(self, seconds: float) -> None:
        """From now on every time that the emulator writes is so much too late, or too early."""
        self._world.clock.skew_s = seconds

    async def preempt(self, bid_fid: str) -> None:
        """As if it were outbid; it is open again after its notice, and may then be allocated again."""
        await bidding.preempt(self._world, self._bid(bid_fid))

    async def relocate(self, bid_fid: str) -> None:
        await bidding.relocate(self._world, self._bid(bid_fid))

    async def set_price(self, instance_type: str, region: str, price_cents: int) -> None:
        """Preempts whoever is outbid by it, and allocates to whoever isn't any more."""
        auction = self._auction(instance_type, region)
        auction.set_price(price_cents, self._world.now)
        await bidding.follow_market(self._world, auction)

    async def set_capacity(self, instance_type: str, region: str, capacity: int) -> None:
        """How many are free; nobody loses what they have."""
        auction = self._auction(instance_type, region)
        auction.capacity = capacity
        await bidding.follow_market(self._world, auction)

    async def empty_region(self, region: str) -> None:
        """Nothing is free there any more."""
        for instance_type, where in self._world.auctions:
            if where == region:
                await self.set_capacity(instance_type, where, 0)

    async def move_prices(self) -> None:
        """One step of every price."""
        for auction in self._world.auctions.values():
            auction.move(self._world.now)
            await bidding.follow_market(self._world, auction)

    def pace(self) -> None:
        """Prices move by themselves from now on as often as the settings say."""
        if self._world.mover is not None:
            self._world.mover.cancel()

        async def move() -> None:
            await self.move_prices()
            self.pace()

        pace_s = self._world.settings.price_move_s
        self._world.mover = self._world.clock.after(pace_s, move) if pace_s > 0 else None

    def change_settings(self, **changed: Any) -> None:
        """Holds for what begins from now on."""
        for name, value in changed.items():
            setattr(self._world.settings, name, value)
        self.pace()

    def set_status(self, instance_fid: str, status: Status) -> None:
        """Whatever the machine does; for words that nothing here leads to."""
        self._instance(instance_fid).become(status, self._world.now)

    def _bid(self, fid: str) -> Bid:
        return known(self._world.bids, fid, "Bid")

    def _instance(self, fid: str) -> Instance:
        return known(self._world.instances, fid, "Instance")

    def _auction(self, instance_type: str, region: str) -> Auction:
        return self._world.auction(instance_type, region)

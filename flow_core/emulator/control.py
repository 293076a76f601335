"""Controls of the emulator that no client of the API has: for tests and demos."""

from __future__ import annotations

from typing import Any

from flow_core.emulator.market.auctions import Auction
from flow_core.emulator.orders import bid_lifecycle
from flow_core.emulator.orders.bids import BidRow
from flow_core.emulator.orders.instances import InstanceRow, Status
from flow_core.emulator.world import World, find_row


class Control:
    """The controls of one emulator. They have no state. Every method raises ApiError for an unknown id or market."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def advance(self, seconds: float) -> None:
        """Jumps ahead. Runs every action that is due until then."""
        await self._world.clock.advance(seconds)

    def skew(self, seconds: float) -> None:
        """Sets the error of every time that the emulator writes."""
        self._world.clock.skew_s = seconds

    async def preempt(self, bid_fid: str) -> None:
        """Preempts a bid as if it were outbid. It is open again after its notice."""
        await bid_lifecycle.preempt(self._world, self._bid(bid_fid))

    async def relocate(self, bid_fid: str) -> None:
        await bid_lifecycle.relocate(self._world, self._bid(bid_fid))

    async def set_price(self, instance_type: str, region: str, price_cents: int) -> None:
        """Preempts the bids that the price outbids, and allocates those that it no longer outbids."""
        auction = self._auction(instance_type, region)
        auction.set_price(price_cents, self._world.now)
        await bid_lifecycle.follow_market(self._world, auction)

    async def set_capacity(self, instance_type: str, region: str, capacity: int) -> None:
        """Sets how many instances are free. Running ones are not affected."""
        auction = self._auction(instance_type, region)
        auction.capacity = capacity
        await bid_lifecycle.follow_market(self._world, auction)

    async def empty_region(self, region: str) -> None:
        """Sets the free capacity of a region to 0."""
        for instance_type, other_region in self._world.auctions:
            if other_region == region:
                await self.set_capacity(instance_type, other_region, 0)

    async def move_prices(self) -> None:
        """Moves every price by one step."""
        for auction in self._world.auctions.values():
            auction.move(self._world.now)
            await bid_lifecycle.follow_market(self._world, auction)

    def schedule_prices(self) -> None:
        """Starts the regular price moves, as often as the settings define."""
        if self._world.price_timer is not None:
            self._world.price_timer.cancel()

        async def move() -> None:
            await self.move_prices()
            self.schedule_prices()

        interval_s = self._world.settings.price_move_s
        self._world.price_timer = self._world.clock.after(interval_s, move) if interval_s > 0 else None

    def change_settings(self, **changed: Any) -> None:
        """Changes settings. They apply to everything that starts from now on."""
        for name, value in changed.items():
            setattr(self._world.settings, name, value)
        self.schedule_prices()

    def set_status(self, instance_fid: str, status: Status) -> None:
        """Sets a status, whatever the machine does: for statuses that the emulator never reaches."""
        self._instance(instance_fid).set_status(status, self._world.now)

    def _bid(self, fid: str) -> BidRow:
        return find_row(self._world.bids, fid, "Bid")

    def _instance(self, fid: str) -> InstanceRow:
        return find_row(self._world.instances, fid, "Instance")

    def _auction(self, instance_type: str, region: str) -> Auction:
        return self._world.auction(instance_type, region)

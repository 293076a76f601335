"""Tasks of the cloud: bids, looked at with as few requests as there are pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from flow_core.errors import FlowError, NotFound, printable
from flow_core.identifiers import is_bid_id
from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount
from flow_core.providers.contract.listing import Listing
from flow_core.providers.mithril import wire
from flow_core.providers.mithril.bids import BIDS, Bid, Instance, readable
from flow_core.providers.mithril.pages import every_row
from flow_core.providers.mithril.record import Standing, task_record

if TYPE_CHECKING:
    from flow_core.models.volume import Volume
    from flow_core.providers.mithril.account import Account
    from flow_core.providers.mithril.ends import End, Reach
    from flow_core.ssh.host import SshHost

_INSTANCES = "/v2/instances"
_IDS_AT_ONCE = 50
_SEEN_S = 3.0
_END_S = 8.0


class MithrilTasks:
    """One who asks for many tasks gets what is known of their ends; one who asks for a task has its machines asked."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._seen: dict[str, tuple[float, Standing]] = {}
        self._ended: dict[str, Bid] = {}

    async def listing(self, statuses: Collection[TaskStatus] | None, limit: int | None) -> tuple[TaskRecord, ...]:
        if limit == 0 or (statuses is not None and not statuses):
            return ()
        bids = await self._bids(limit if statuses is None else None)
        living = [bid for bid in bids if bid.status != "Terminated"]
        nodes, notes = await self._instances(living)
        standings = [Standing.of(bid, nodes.get(bid.bid_id, ())) for bid in bids]
        for standing in standings:
            self._saw(standing)
        known = await self._account.ends.known([bid.bid_id for bid in bids])
        ends = [known.get(bid.bid_id) for bid in bids]
        self._read_ends_later(standings, ends)
        records = await self._records(standings, ends)
        found = (record for record in records if statuses is None or record.status in statuses)
        return Listing.of(islice(found, limit), (*bids.unreadable, *notes, *records.unreadable))

    async def record(self, task_id: str) -> TaskRecord:
        """With what it has cost so far. Raises NotFound."""
        standing = await self.standing(task_id, is_fresh=True)
        (record,) = await self._records([standing], [await self.end(standing)])
        return replace(record, cost_usd=await self._account.costs.so_far(standing.bid))

    async def end(self, standing: Standing) -> End | None:
        """What is known of the command's end; its machines are asked where they stand, within seconds."""
        bid, ends = standing.bid, self._account.ends
        known = (await ends.known([bid.bid_id])).get(bid.bid_id)
        if not standing.is_reachable:
            return known
        return await ends.look(bid.bid_id, bid.quantity, self._reach(standing), _END_S)

    async def cancel(self, task_id: str) -> None:
        """Ends the bid, and with it the billing. Twice is safe."""
        standing = await self.standing(task_id, is_fresh=True)
        if standing.bid.status != "Terminated":
            await self._account.http.delete(f"{BIDS}/{task_id}")
            self.forget(task_id)

    async def standing(self, task_id: str, *, is_fresh: bool = False) -> Standing:
        """A bid and its machines; as seen a few seconds ago unless it has to be fresh. Raises NotFound."""
        if not is_bid_id(task_id):
            raise NotFound(f"no task is called {printable(task_id)!r} in context {self._account.context!r}")
        seen_at, seen = self._seen.get(task_id, (0.0, None))
        if seen is not None and not is_fresh and time.monotonic() - seen_at < _SEEN_S:
            return seen
        try:
            bid = Bid.of(wire.table(await self._account.http.get(f"{BIDS}/{task_id}"), "a bid"))
        except NotFound:
            raise NotFound(f"no task is called {task_id!r} in context {self._account.context!r}") from None
        nodes, _ = await self._instances([bid])
        return self._saw(Standing.of(bid, nodes.get(task_id, ())))

    async def names(self, order_ids: Iterable[str]) -> list[str]:
        """The names of bids; the id of a reservation, and of a bid that can't be found now."""
        return list(await asyncio.gather(*(self._name(order_id) for order_id in order_ids)))

    async def _name(self, order_id: str) -> str:
        try:
            return (await self.standing(order_id)).bid.name
        except FlowError:
            return order_id

    def forget(self, task_id: str) -> None:
        """What was seen of a task is not so any more."""
        self._seen.pop(task_id, None)

    async def host(self, task_id: str, node: int) -> SshHost:
        """The machine of a node. Raises NotFound, Conflict."""
        return await self._reach(await self.standing(task_id))(node)

    async def told_mount(self, task_id: str, volume: Volume, path: str) -> None:
        """Notes where a volume was asked to appear."""
        told = (await self._account.told.known([task_id]))[task_id]
        mounts = (*told.mounts, VolumeMount(volume.volume_id, volume.name, path))
        self.forget(task_id)
        await self._account.told.keep(task_id, replace(told, mounts=mounts))

    def _reach(self, standing: Standing) -> Reach:
        async def host(node: int) -> SshHost:
            keys = await self._account.public_keys(standing.bid.key_ids)
            return await self._account.machines.host(standing.nodes, node, keys)

        return host

    def _read_ends_later(self, standings: Sequence[Standing], ends: Sequence[End | None]) -> None:
        """Starts to ask the machines of the tasks whose end is not known yet, in the background."""
        for standing, end in zip(standings, ends, strict=True):
            if standing.is_reachable and not (end is not None and end.is_over):
                bid = standing.bid
                self._account.ends.look_later(bid.bid_id, bid.quantity, self._reach(standing))

    async def _records(self, standings: Sequence[Standing], ends: Sequence[End | None]) -> Listing[TaskRecord]:
        """Asks no machine, and starts nothing."""
        types, offers, notes = await self._account.market()
        told = await self._account.told.known(standing.bid.bid_id for standing in standings)
        owners = await self._account.owners.names()
        records = []
        for standing, end in zip(standings, ends, strict=True):
            bid = standing.bid
            kind, offer = types.get(bid.type_id), offers.get((bid.type_id, bid.region))
            owner = owners.get(bid.created_by, bid.created_by)
            records.append(task_record(self._account.context, standing, end, told[bid.bid_id], kind, offer, owner))
        return Listing.of(records, notes)

    async def _bids(self, most: int | None) -> Listing[Bid]:
        """Last submitted first. Where no ended ones are among them, they may have to be asked for by themselves."""
        project = await self._account.projects.chosen_id()
        wanted = {"project": project, "sort_by": "created_at", "sort_dir": "desc"}
        http = self._account.http
        rows = await every_row(http, BIDS, "bids", wanted, most_rows=most)
        if (most is None or len(rows) < most) and not any(map(_is_over, rows)):
            rows += await every_row(http, BIDS, "bids", wanted | {"status": "Terminated"}, most_rows=most)
        found = readable(rows, self._bid, "bids")
        return Listing.of(sorted({bid.bid_id: bid for bid in found}.values(), key=_age), found.unreadable)

    def _bid(self, row: dict[str, Any]) -> Bid:
        """One that has ended stays as it is, and need not be read anew every few seconds."""
        known = self._ended.get(str(row.get("fid"))) if _is_over(row) else None
        bid = known or Bid.of(row)
        if _is_over(row):
            self._ended[bid.bid_id] = bid
        return bid

    async def _instances(self, bids: Sequence[Bid]) -> tuple[dict[str, list[Instance]], tuple[str, ...]]:
        """The machines of bids, by bid, and what could not be read of them."""
        found: dict[str, list[Instance]] = {}
        notes: tuple[str, ...] = ()
        project = await self._account.projects.chosen_id()
        for start in range(0, len(bids), _IDS_AT_ONCE):
            ids = ",".join(bid.bid_id for bid in bids[start : start + _IDS_AT_ONCE])
            rows = await every_row(self._account.http, _INSTANCES, "instances", {"project": project, "bid_fid_in": ids})
            listed = readable(rows, Instance.of, "instances", may_be_none=True)
            notes += listed.unreadable
            for instance in listed:
                found.setdefault(instance.order_id, []).append(instance)
        if notes:
            for bid in bids:
                found[bid.bid_id] = [*found.get(bid.bid_id, ()), *self._missing(bid, found.get(bid.bid_id, ()))]
        return found, notes

    def _missing(self, bid: Bid, found: Collection[Instance]) -> Iterator[Instance]:
        """Machines that the bid still has and whose rows can't be read, as they were seen last: they go on to cost."""
        there = {node.instance_id for node in found}
        _, before = self._seen.get(bid.bid_id, (0.0, None))
        for node in before.nodes if before is not None else ():
            if node.instance_id in bid.instance_ids and node.instance_id not in there:
                yield node

    def _saw(self, standing: Standing) -> Standing:
        self._seen[standing.bid.bid_id] = (time.monotonic(), standing)
        return standing


def _is_over(row: Any) -> bool:
    return isinstance(row, dict) and row.get("status") == "Terminated"


def _age(bid: Bid) -> float:
    return -bid.created_at.timestamp() if bid.created_at else 0.0

"""Tasks of the cloud: bids, listed with one request a page."""

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
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bid_snapshot import BidSnapshot, task_record
from flow_core.providers.mithril.bids import BIDS, Bid, BidInstance, readable
from flow_core.providers.mithril.pagination import read_all_pages

if TYPE_CHECKING:
    from flow_core.models.volume import Volume
    from flow_core.providers.mithril.api_session import MithrilSession
    from flow_core.providers.mithril.exit_status import ExitStatus, Reach
    from flow_core.ssh.host import SshHost

_INSTANCES = "/v2/instances"
_IDS_AT_ONCE = 50
_SEEN_S = 3.0
_END_S = 8.0


class MithrilTasks:
    """One who asks for many tasks gets what is known of their ends; one who asks for a task has its machines asked."""

    def __init__(self, session: MithrilSession) -> None:
        self._session = session
        self._seen: dict[str, tuple[float, BidSnapshot]] = {}
        self._ended: dict[str, Bid] = {}

    async def listing(self, statuses: Collection[TaskStatus] | None, limit: int | None) -> tuple[TaskRecord, ...]:
        if limit == 0 or (statuses is not None and not statuses):
            return ()
        bids = await self._bids(limit if statuses is None else None)
        living = [bid for bid in bids if bid.status != "Terminated"]
        nodes, notes = await self._instances(living)
        snapshots = [BidSnapshot.of(bid, nodes.get(bid.bid_id, ())) for bid in bids]
        for snapshot in snapshots:
            self._saw(snapshot)
        known = await self._session.exits.known([bid.bid_id for bid in bids])
        ends = [known.get(bid.bid_id) for bid in bids]
        self._read_exits_in_background(snapshots, ends)
        records = await self._records(snapshots, ends)
        found = (record for record in records if statuses is None or record.status in statuses)
        return Listing.of(islice(found, limit), (*bids.unreadable, *notes, *records.unreadable))

    async def record(self, task_id: str) -> TaskRecord:
        """With what it has cost so far. Raises NotFound."""
        snapshot = await self.snapshot(task_id, is_fresh=True)
        (record,) = await self._records([snapshot], [await self.end(snapshot)])
        return replace(record, cost_usd=await self._session.costs.so_far(snapshot.bid))

    async def end(self, snapshot: BidSnapshot) -> ExitStatus | None:
        """What is known of the command's end; its machines are asked where they stand, within seconds."""
        bid, ends = snapshot.bid, self._session.exits
        known = (await ends.known([bid.bid_id])).get(bid.bid_id)
        if not snapshot.is_reachable:
            return known
        return await ends.look(bid.bid_id, bid.quantity, self._reach(snapshot), _END_S)

    async def cancel(self, task_id: str) -> None:
        """Ends the bid, and with it the billing. Twice is safe."""
        snapshot = await self.snapshot(task_id, is_fresh=True)
        if snapshot.bid.status != "Terminated":
            await self._session.http.delete(f"{BIDS}/{task_id}")
            self.forget(task_id)

    async def snapshot(self, task_id: str, *, is_fresh: bool = False) -> BidSnapshot:
        """A bid and its machines; as seen a few seconds ago unless it has to be fresh. Raises NotFound."""
        if not is_bid_id(task_id):
            raise NotFound(f"no task is called {printable(task_id)!r} in context {self._session.context!r}")
        seen_at, seen = self._seen.get(task_id, (0.0, None))
        if seen is not None and not is_fresh and time.monotonic() - seen_at < _SEEN_S:
            return seen
        try:
            bid = Bid.of(response_fields.table(await self._session.http.get(f"{BIDS}/{task_id}"), "a bid"))
        except NotFound:
            raise NotFound(f"no task is called {task_id!r} in context {self._session.context!r}") from None
        nodes, _ = await self._instances([bid])
        return self._saw(BidSnapshot.of(bid, nodes.get(task_id, ())))

    async def names(self, order_ids: Iterable[str]) -> list[str]:
        """The names of bids; the id of a reservation, and of a bid that can't be found now."""
        return list(await asyncio.gather(*(self._name(order_id) for order_id in order_ids)))

    async def _name(self, order_id: str) -> str:
        try:
            return (await self.snapshot(order_id)).bid.name
        except FlowError:
            return order_id

    def forget(self, task_id: str) -> None:
        """What was seen of a task is not so any more."""
        self._seen.pop(task_id, None)

    async def host(self, task_id: str, node: int) -> SshHost:
        """The machine of a node. Raises NotFound, Conflict."""
        return await self._reach(await self.snapshot(task_id))(node)

    async def note_mount(self, task_id: str, volume: Volume, path: str) -> None:
        """Notes where a volume was asked to appear."""
        spec = (await self._session.specs.known([task_id]))[task_id]
        mounts = (*spec.mounts, VolumeMount(volume.volume_id, volume.name, path))
        self.forget(task_id)
        await self._session.specs.keep(task_id, replace(spec, mounts=mounts))

    def _reach(self, snapshot: BidSnapshot) -> Reach:
        async def host(node: int) -> SshHost:
            keys = await self._session.public_keys(snapshot.bid.key_ids)
            return await self._session.machines.host(snapshot.nodes, node, keys)

        return host

    def _read_exits_in_background(self, snapshots: Sequence[BidSnapshot], ends: Sequence[ExitStatus | None]) -> None:
        """Starts to ask the machines of the tasks whose end is not known yet, in the background."""
        for snapshot, end in zip(snapshots, ends, strict=True):
            if snapshot.is_reachable and not (end is not None and end.is_over):
                bid = snapshot.bid
                self._session.exits.look_later(bid.bid_id, bid.quantity, self._reach(snapshot))

    async def _records(
        self, snapshots: Sequence[BidSnapshot], ends: Sequence[ExitStatus | None]
    ) -> Listing[TaskRecord]:
        """Asks no machine, and starts nothing."""
        types, offers, notes = await self._session.market()
        specs = await self._session.specs.known(snapshot.bid.bid_id for snapshot in snapshots)
        owners = await self._session.owners.names()
        records = []
        for snapshot, end in zip(snapshots, ends, strict=True):
            bid = snapshot.bid
            kind, offer = types.get(bid.type_id), offers.get((bid.type_id, bid.region))
            owner = owners.get(bid.created_by, bid.created_by)
            records.append(task_record(self._session.context, snapshot, end, specs[bid.bid_id], kind, offer, owner))
        return Listing.of(records, notes)

    async def _bids(self, most: int | None) -> Listing[Bid]:
        """Last submitted first. Where no ended ones are among them, they may have to be asked for by themselves."""
        project = await self._session.projects.chosen_id()
        wanted = {"project": project, "sort_by": "created_at", "sort_dir": "desc"}
        http = self._session.http
        rows = await read_all_pages(http, BIDS, "bids", wanted, most_rows=most)
        if (most is None or len(rows) < most) and not any(map(_is_over, rows)):
            rows += await read_all_pages(http, BIDS, "bids", wanted | {"status": "Terminated"}, most_rows=most)
        found = readable(rows, self._bid, "bids")
        return Listing.of(sorted({bid.bid_id: bid for bid in found}.values(), key=_age), found.unreadable)

    def _bid(self, row: dict[str, Any]) -> Bid:
        """One that has ended stays as it is, and need not be read anew every few seconds."""
        known = self._ended.get(str(row.get("fid"))) if _is_over(row) else None
        bid = known or Bid.of(row)
        if _is_over(row):
            self._ended[bid.bid_id] = bid
        return bid

    async def _instances(self, bids: Sequence[Bid]) -> tuple[dict[str, list[BidInstance]], tuple[str, ...]]:
        """The machines of bids, by bid, and what could not be read of them."""
        found: dict[str, list[BidInstance]] = {}
        notes: tuple[str, ...] = ()
        project = await self._session.projects.chosen_id()
        for start in range(0, len(bids), _IDS_AT_ONCE):
            ids = ",".join(bid.bid_id for bid in bids[start : start + _IDS_AT_ONCE])
            rows = await read_all_pages(
                self._session.http, _INSTANCES, "instances", {"project": project, "bid_fid_in": ids}
            )
            listed = readable(rows, BidInstance.of, "instances", may_be_none=True)
            notes += listed.unreadable
            for instance in listed:
                found.setdefault(instance.order_id, []).append(instance)
        if notes:
            for bid in bids:
                found[bid.bid_id] = [*found.get(bid.bid_id, ()), *self._missing(bid, found.get(bid.bid_id, ()))]
        return found, notes

    def _missing(self, bid: Bid, found: Collection[BidInstance]) -> Iterator[BidInstance]:
        """Machines that the bid still has and whose rows can't be read, as they were seen last: they go on to cost."""
        there = {node.instance_id for node in found}
        _, before = self._seen.get(bid.bid_id, (0.0, None))
        for node in before.nodes if before is not None else ():
            if node.instance_id in bid.instance_ids and node.instance_id not in there:
                yield node

    def _saw(self, snapshot: BidSnapshot) -> BidSnapshot:
        self._seen[snapshot.bid.bid_id] = (time.monotonic(), snapshot)
        return snapshot


def _is_over(row: Any) -> bool:
    return isinstance(row, dict) and row.get("status") == "Terminated"


def _age(bid: Bid) -> float:
    return -bid.created_at.timestamp() if bid.created_at else 0.0

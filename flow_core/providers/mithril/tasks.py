"""Tasks of the cloud: bids, looked at with as few requests as there are pages."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flow_core.errors import NotFound, printable
from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount
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
        nodes = await self._instances([bid.bid_id for bid in living])
        standings = [Standing.of(bid, nodes.get(bid.bid_id, ())) for bid in bids]
        for standing in standings:
            self._saw(standing)
        ends = await self._account.ends.known([bid.bid_id for bid in bids])
        records = await self._records(standings, [ends.get(bid.bid_id) for bid in bids])
        found = (record for record in records if statuses is None or record.status in statuses)
        return tuple(found)[:limit]

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
        if not wire.is_id(task_id) or not task_id.startswith("bid_"):
            raise NotFound(f"no task is called {printable(task_id)!r} in context {self._account.context!r}")
        seen_at, seen = self._seen.get(task_id, (0.0, None))
        if seen is not None and not is_fresh and time.monotonic() - seen_at < _SEEN_S:
            return seen
        try:
            bid = Bid.of(wire.table(await self._account.http.get(f"{BIDS}/{task_id}"), "a bid"))
        except NotFound:
            raise NotFound(f"no task is called {task_id!r} in context {self._account.context!r}") from None
        return self._saw(Standing.of(bid, (await self._instances([task_id])).get(task_id, ())))

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

    async def _records(self, standings: Sequence[Standing], ends: Sequence[End | None]) -> list[TaskRecord]:
        types, offers = await self._account.market()
        told = await self._account.told.known(standing.bid.bid_id for standing in standings)
        owners = await self._account.owners.names()
        records = []
        for standing, end in zip(standings, ends, strict=True):
            bid = standing.bid
            if standing.is_reachable and not (end is not None and end.is_over):
                self._account.ends.look_later(bid.bid_id, bid.quantity, self._reach(standing))
            kind, offer = types.get(bid.type_id), offers.get((bid.type_id, bid.region))
            owner = owners.get(bid.created_by, bid.created_by)
            records.append(task_record(self._account.context, standing, end, told[bid.bid_id], kind, offer, owner))
        return records

    async def _bids(self, most: int | None) -> list[Bid]:
        """Last submitted first. Where no ended ones are among them, they may have to be asked for by themselves."""
        project = await self._account.projects.chosen_id()
        wanted = {"project": project, "sort_by": "created_at", "sort_dir": "desc"}
        http = self._account.http
        rows = await every_row(http, BIDS, "bids", wanted, most_rows=most)
        if (most is None or len(rows) < most) and all(row.get("status") != "Terminated" for row in rows):
            rows += await every_row(http, BIDS, "bids", wanted | {"status": "Terminated"}, most_rows=most)
        bids = {bid.bid_id: bid for bid in readable(rows, self._bid, "bids")}
        return sorted(bids.values(), key=_age)

    def _bid(self, row: dict[str, Any]) -> Bid:
        """One that has ended stays as it is, and need not be read anew every few seconds."""
        is_over = row.get("status") == "Terminated"
        known = self._ended.get(str(row.get("fid"))) if is_over else None
        bid = known or Bid.of(row)
        if is_over:
            self._ended[bid.bid_id] = bid
        return bid

    async def _instances(self, bid_ids: Sequence[str]) -> dict[str, list[Instance]]:
        """The machines of bids, by bid."""
        found: dict[str, list[Instance]] = {}
        project = await self._account.projects.chosen_id()
        for start in range(0, len(bid_ids), _IDS_AT_ONCE):
            wanted = {"project": project, "bid_fid_in": ",".join(bid_ids[start : start + _IDS_AT_ONCE])}
            rows = await every_row(self._account.http, _INSTANCES, "instances", wanted)
            for instance in readable(rows, Instance.of, "instances"):
                found.setdefault(instance.order_id, []).append(instance)
        return found

    def _saw(self, standing: Standing) -> Standing:
        self._seen[standing.bid.bid_id] = (time.monotonic(), standing)
        return standing


def _age(bid: Bid) -> float:
    return -bid.created_at.timestamp() if bid.created_at else 0.0

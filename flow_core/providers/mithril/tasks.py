"""Tasks of the cloud: bids, listed with one request for each page."""

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
from flow_core.providers.mithril.bid_snapshot import BidSnapshot, build_task_record
from flow_core.providers.mithril.bids import BIDS, Bid, BidInstance, parse_rows
from flow_core.providers.mithril.pagination import read_all_pages

if TYPE_CHECKING:
    from flow_core.models.volume import Volume
    from flow_core.providers.mithril.exit_status import ExitStatus, NodeConnector
    from flow_core.providers.mithril.shared_state import MithrilSession
    from flow_core.ssh.host import SshHost

_INSTANCES = "/v2/instances"
_IDS_PER_REQUEST = 50
_SNAPSHOT_S = 3.0
_EXIT_READ_S = 8.0


class MithrilTasks:
    """The tasks of one account. A list uses cached exit statuses; `get_record` reads them from the machines."""

    def __init__(self, session: MithrilSession) -> None:
        self._session = session
        self._snapshots: dict[str, tuple[float, BidSnapshot]] = {}
        self._ended_bids: dict[str, Bid] = {}

    async def list_tasks(self, statuses: Collection[TaskStatus] | None, limit: int | None) -> tuple[TaskRecord, ...]:
        """Returns the tasks, last submitted first."""
        if limit == 0 or (statuses is not None and not statuses):
            return ()
        bids = await self._list_bids(limit if statuses is None else None)
        active = [bid for bid in bids if bid.status != "Terminated"]
        nodes, notes = await self._list_instances(active)
        snapshots = [BidSnapshot.of(bid, nodes.get(bid.bid_id, ())) for bid in bids]
        for snapshot in snapshots:
            self._store(snapshot)
        cached = await self._session.exit_statuses.get_cached([bid.bid_id for bid in bids])
        exit_statuses = [cached.get(bid.bid_id) for bid in bids]
        self._read_exits_in_background(snapshots, exit_statuses)
        records = await self._build_records(snapshots, exit_statuses)
        selected = (record for record in records if statuses is None or record.status in statuses)
        return Listing.of(islice(selected, limit), (*bids.unreadable, *notes, *records.unreadable))

    async def get_record(self, task_id: str) -> TaskRecord:
        """Returns a task with its cost so far. Raises NotFound."""
        snapshot = await self.get_snapshot(task_id, is_fresh=True)
        (record,) = await self._build_records([snapshot], [await self.get_exit_status(snapshot)])
        return replace(record, cost_usd=await self._session.costs.get_cost(snapshot.bid))

    async def get_exit_status(self, snapshot: BidSnapshot) -> ExitStatus | None:
        """Returns the exit status of the command.

        Reads it from the machines if they are running, for a few seconds at most. Otherwise returns the last known
        status.
        """
        bid, cache = snapshot.bid, self._session.exit_statuses
        cached = (await cache.get_cached([bid.bid_id])).get(bid.bid_id)
        if not snapshot.is_reachable:
            return cached
        return await cache.get(bid.bid_id, bid.quantity, self._make_connector(snapshot), _EXIT_READ_S)

    async def cancel(self, task_id: str) -> None:
        """Ends the bid, and with it the billing. Calling it again is safe."""
        snapshot = await self.get_snapshot(task_id, is_fresh=True)
        if snapshot.bid.status != "Terminated":
            await self._session.http.delete(f"{BIDS}/{task_id}")
            self.forget(task_id)

    async def get_snapshot(self, task_id: str, *, is_fresh: bool = False) -> BidSnapshot:
        """Returns a bid and its machines; up to 3 s old unless `is_fresh`. Raises NotFound."""
        if not is_bid_id(task_id):
            raise NotFound(f"no task is called {printable(task_id)!r} in context {self._session.context!r}")
        stored_at, stored = self._snapshots.get(task_id, (0.0, None))
        if stored is not None and not is_fresh and time.monotonic() - stored_at < _SNAPSHOT_S:
            return stored
        try:
            bid = Bid.of(response_fields.read_table(await self._session.http.get(f"{BIDS}/{task_id}"), "a bid"))
        except NotFound:
            raise NotFound(f"no task is called {task_id!r} in context {self._session.context!r}") from None
        nodes, _ = await self._list_instances([bid])
        return self._store(BidSnapshot.of(bid, nodes.get(task_id, ())))

    async def find_names(self, order_ids: Iterable[str]) -> list[str]:
        """Returns the names of bids; the id of a reservation, and of a bid that can't be found now."""
        return list(await asyncio.gather(*(self._get_name_or_id(order_id) for order_id in order_ids)))

    async def _get_name_or_id(self, order_id: str) -> str:
        """Returns the bid's name, or the id if the bid can't be read."""
        try:
            return (await self.get_snapshot(order_id)).bid.name
        except FlowError:
            return order_id

    def forget(self, task_id: str) -> None:
        """Drops the cached snapshot of a task."""
        self._snapshots.pop(task_id, None)

    async def connect(self, task_id: str, node: int) -> SshHost:
        """Returns the machine of a node. Raises NotFound, Conflict."""
        return await self._make_connector(await self.get_snapshot(task_id))(node)

    async def store_mount(self, task_id: str, volume: Volume, path: str) -> None:
        """Stores the mount path of a volume."""
        spec = (await self._session.specs.get_all([task_id]))[task_id]
        mounts = (*spec.mounts, VolumeMount(volume.volume_id, volume.name, path))
        self.forget(task_id)
        await self._session.specs.store(task_id, replace(spec, mounts=mounts))

    def _make_connector(self, snapshot: BidSnapshot) -> NodeConnector:
        async def connect(node: int) -> SshHost:
            keys = await self._session.get_public_keys(snapshot.bid.key_ids)
            return await self._session.machines.get_host(snapshot.nodes, node, keys)

        return connect

    def _read_exits_in_background(
        self, snapshots: Sequence[BidSnapshot], exit_statuses: Sequence[ExitStatus | None]
    ) -> None:
        """Starts to read the exit statuses that are not known yet from the machines, in the background."""
        for snapshot, exit_status in zip(snapshots, exit_statuses, strict=True):
            if snapshot.is_reachable and not (exit_status is not None and exit_status.is_over):
                bid = snapshot.bid
                self._session.exit_statuses.read_in_background(bid.bid_id, bid.quantity, self._make_connector(snapshot))

    async def _build_records(
        self, snapshots: Sequence[BidSnapshot], exit_statuses: Sequence[ExitStatus | None]
    ) -> Listing[TaskRecord]:
        """Builds the records. Calls no machine."""
        types, offers, notes = await self._session.get_market_offers()
        specs = await self._session.specs.get_all(snapshot.bid.bid_id for snapshot in snapshots)
        owners = await self._session.owners.get_names()
        records = []
        for snapshot, exit_status in zip(snapshots, exit_statuses, strict=True):
            bid = snapshot.bid
            kind, offer = types.get(bid.type_id), offers.get((bid.type_id, bid.region))
            owner = owners.get(bid.created_by, bid.created_by)
            records.append(
                build_task_record(self._session.context, snapshot, exit_status, specs[bid.bid_id], kind, offer, owner)
            )
        return Listing.of(records, notes)

    async def _list_bids(self, max_rows: int | None) -> Listing[Bid]:
        """Lists bids, last submitted first. If the list has no ended bids, requests those separately."""
        project = await self._session.projects.get_chosen_id()
        params = {"project": project, "sort_by": "created_at", "sort_dir": "desc"}
        http = self._session.http
        rows = await read_all_pages(http, BIDS, "bids", params, most_rows=max_rows)
        if (max_rows is None or len(rows) < max_rows) and not any(map(_is_over, rows)):
            rows += await read_all_pages(http, BIDS, "bids", params | {"status": "Terminated"}, most_rows=max_rows)
        listed = parse_rows(rows, self._parse_bid, "bids")
        return Listing.of(sorted({bid.bid_id: bid for bid in listed}.values(), key=_sort_key), listed.unreadable)

    def _parse_bid(self, row: dict[str, Any]) -> Bid:
        """Returns the cached bid if it has ended; otherwise parses the row."""
        cached = self._ended_bids.get(str(row.get("fid"))) if _is_over(row) else None
        bid = cached or Bid.of(row)
        if _is_over(row):
            self._ended_bids[bid.bid_id] = bid
        return bid

    async def _list_instances(self, bids: Sequence[Bid]) -> tuple[dict[str, list[BidInstance]], tuple[str, ...]]:
        """Returns the machines of bids, by bid, and notes about rows that could not be read."""
        nodes: dict[str, list[BidInstance]] = {}
        notes: tuple[str, ...] = ()
        project = await self._session.projects.get_chosen_id()
        for start in range(0, len(bids), _IDS_PER_REQUEST):
            ids = ",".join(bid.bid_id for bid in bids[start : start + _IDS_PER_REQUEST])
            rows = await read_all_pages(
                self._session.http, _INSTANCES, "instances", {"project": project, "bid_fid_in": ids}
            )
            listed = parse_rows(rows, BidInstance.of, "instances", may_be_none=True)
            notes += listed.unreadable
            for instance in listed:
                nodes.setdefault(instance.order_id, []).append(instance)
        if notes:
            for bid in bids:
                nodes[bid.bid_id] = [
                    *nodes.get(bid.bid_id, ()),
                    *self._find_missing_instances(bid, nodes.get(bid.bid_id, ())),
                ]
        return nodes, notes

    def _find_missing_instances(self, bid: Bid, listed: Collection[BidInstance]) -> Iterator[BidInstance]:
        """Yields the machines of the bid whose rows can't be read, as last read, since they are still billed."""
        listed_ids = {node.instance_id for node in listed}
        _, previous = self._snapshots.get(bid.bid_id, (0.0, None))
        for node in previous.nodes if previous is not None else ():
            if node.instance_id in bid.instance_ids and node.instance_id not in listed_ids:
                yield node

    def _store(self, snapshot: BidSnapshot) -> BidSnapshot:
        self._snapshots[snapshot.bid.bid_id] = (time.monotonic(), snapshot)
        return snapshot


def _is_over(row: Any) -> bool:
    return isinstance(row, dict) and row.get("status") == "Terminated"


def _sort_key(bid: Bid) -> float:
    return -bid.created_at.timestamp() if bid.created_at else 0.0

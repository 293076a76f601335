"""Tasks of the cloud: bids, listed with one request for each page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from flow_core.errors import FlowError, NotFound, printable
from flow_core.identifiers import is_bid_id
from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount
from flow_core.providers.contract.listing import Listing
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bid_lists import BidLists
from flow_core.providers.mithril.bid_snapshot import BidSnapshot, build_task_record
from flow_core.providers.mithril.bids import BIDS, Bid, BidInstance
from flow_core.providers.mithril.gc_pause import pause_gc

if TYPE_CHECKING:
    from flow_core.models.volume import Volume
    from flow_core.providers.mithril.catalog import InstanceType, Offer
    from flow_core.providers.mithril.exit_status import ExitStatus, NodeConnector
    from flow_core.providers.mithril.shared_state import MithrilSession
    from flow_core.providers.mithril.submitted_specs import SubmittedSpec
    from flow_core.ssh.host import SshHost

_SNAPSHOT_S = 3.0
_EXIT_READ_S = 8.0


class _RecordInputs(NamedTuple):
    """What a task record is built from."""

    snapshot: BidSnapshot
    exit_status: ExitStatus | None
    spec: SubmittedSpec
    instance_type: InstanceType | None
    offer: Offer | None
    owner: str


class MithrilTasks:
    """The tasks of one account. A list uses cached exit statuses; `get_record` reads them from the machines."""

    def __init__(self, session: MithrilSession) -> None:
        self._session = session
        self._snapshots: dict[str, tuple[float, BidSnapshot]] = {}
        self._lists = BidLists(session.http, session.projects)
        self._records: dict[str, tuple[_RecordInputs, TaskRecord]] = {}

    async def list_tasks(self, statuses: Collection[TaskStatus] | None, limit: int | None) -> tuple[TaskRecord, ...]:
        """Returns the tasks, last submitted first."""
        if limit == 0 or (statuses is not None and not statuses):
            return ()
        bids = await self._lists.list_bids(limit if statuses is None else None)
        active = [bid for bid in bids if not bid.is_over]
        nodes, notes = await self._list_instances(active)
        snapshots = [self._store(BidSnapshot.of(bid, nodes.get(bid.bid_id, ()))) for bid in bids]
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
        with pause_gc():
            for snapshot, exit_status in zip(snapshots, exit_statuses, strict=True):
                bid = snapshot.bid
                kind, offer = types.get(bid.type_id), offers.get((bid.type_id, bid.region))
                owner = owners.get(bid.created_by, bid.created_by)
                inputs = _RecordInputs(snapshot, exit_status, specs[bid.bid_id], kind, offer, owner)
                records.append(self._build_record(inputs))
        return Listing.of(records, notes)

    def _build_record(self, inputs: _RecordInputs) -> TaskRecord:
        """Returns the record that was built before if it would be the same."""
        previous, record = self._records.get(inputs.snapshot.bid.bid_id, (None, None))
        if record is None or previous != inputs:
            record = build_task_record(self._session.context, *inputs)
            self._records[inputs.snapshot.bid.bid_id] = (inputs, record)
        return record

    async def _list_instances(self, bids: Sequence[Bid]) -> tuple[dict[str, list[BidInstance]], tuple[str, ...]]:
        """Returns the machines of bids, by bid, and notes about rows that could not be read."""
        listed = await self._lists.list_instances(bids)
        nodes: dict[str, list[BidInstance]] = {}
        for instance in listed:
            nodes.setdefault(instance.order_id, []).append(instance)
        if listed.unreadable:
            for bid in bids:
                nodes[bid.bid_id] = [
                    *nodes.get(bid.bid_id, ()),
                    *self._find_missing_instances(bid, nodes.get(bid.bid_id, ())),
                ]
        return nodes, listed.unreadable

    def _find_missing_instances(self, bid: Bid, listed: Collection[BidInstance]) -> Iterator[BidInstance]:
        """Yields the machines of the bid whose rows can't be read, as last read, since they are still billed."""
        listed_ids = {node.instance_id for node in listed}
        _, previous = self._snapshots.get(bid.bid_id, (0.0, None))
        for node in previous.nodes if previous is not None else ():
            if node.instance_id in bid.instance_ids and node.instance_id not in listed_ids:
                yield node

    def _store(self, snapshot: BidSnapshot) -> BidSnapshot:
        """Stores a snapshot. Returns the stored one if it is the same."""
        _, stored = self._snapshots.get(snapshot.bid.bid_id, (0.0, None))
        if stored == snapshot:
            snapshot = stored
        self._snapshots[snapshot.bid.bid_id] = (time.monotonic(), snapshot)
        return snapshot
